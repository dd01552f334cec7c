//! Predictions of a session's network and their evaluation.

use fastai_dsl::StepKind;

use super::measured::{self, Look};
use super::session::Session;
use super::steps::precompute;
use super::worst;
use crate::RunError;
use crate::activations::Part;
use crate::data::Traversal;
use crate::metrics::{Probabilities, Truth};
use crate::predict::augmented;
use crate::progress::Watch;
use crate::report::{Evaluation, MeasuredSet, StageSummary};
use crate::train::Loss;

impl Session<'_> {
    /// Measures the result of step `index` on the validation part and passes it to the report.
    pub(super) fn show(&mut self, look: &Look, truth: &Truth, index: usize) -> Evaluation {
        let (metrics, dataset) = (self.recipe.metrics(), &self.sets.dataset);
        let (record, summary) = (&mut self.record, &mut self.summary);
        self.thresholds = measured::describe(record, summary, look, truth, metrics, &dataset.classes);
        let gallery = worst::gallery(look, truth, &dataset.valid, &dataset.classes, self.thresholds.as_ref());
        self.record.gallery = Some(gallery);
        measured::evaluation(MeasuredSet::Valid, look, truth, &self.metrics, self.seed, &[index as u64])
    }

    /// Averages `plain` and augmented predictions of the current network for a part.
    pub(super) fn augmented(
        &mut self,
        part: Part,
        plain: &Probabilities,
        n_aug: u32,
        size: u32,
    ) -> Result<Probabilities, RunError> {
        augmented(plain, n_aug, |pass, what| self.predict(part, size, pass, what))
    }

    /// Returns the current network's predictions for a part.
    pub(super) fn predict(
        &mut self,
        part: Part,
        size: u32,
        pass: &Traversal,
        what: &str,
    ) -> Result<Probabilities, RunError> {
        let images = self.sets.images(part, size);
        let watch = Watch { progress: &mut *self.progress, stop: &self.stop };
        let logits = self.learner.logits(&images, pass, what, watch)?;
        Ok(Probabilities::of_logits(self.recipe.task(), logits, self.learner.network().classes()))
    }

    /// Predicts a labelled part with the current network.
    fn look_at(&mut self, part: Part, size: u32, loss: &Loss) -> Result<Look, RunError> {
        let examples = self.sets.examples(part, size);
        let watch = Watch { progress: &mut *self.progress, stop: &self.stop };
        let logits = self.learner.logits(&*examples, &Traversal::Plain, "images, final evaluation", watch)?;
        let mean_loss = loss.of_all(&logits)?;
        let probabilities = Probabilities::of_logits(self.recipe.task(), logits, self.learner.network().classes());
        Ok(Look::plain(probabilities, mean_loss))
    }

    /// Measures the final network, unless the last fit just did, and then, once, a labelled test set.
    pub(super) fn measure_final(&mut self) -> Result<(), RunError> {
        let Some(state) = self.stages.last().map(|last| last.state.clone()) else { return Ok(()) };
        let size = state.size;
        // A run that resumes here has not opened a cache yet.
        precompute::prepare(self, &state, &mut StageSummary::default())?;
        let counters = [self.stages.len() as u64];
        let seed = self.seed;
        if let Some(loss) = self.valid_loss.clone() {
            let look = match self.look.take() {
                Some(look) => look,
                None => self.look_at(Part::Valid, size, &loss)?,
            };
            self.ends_with(look, &loss);
        }
        if let Some(loss) = self.test_loss.clone() {
            let look = self.look_at(Part::Test, size, &loss)?;
            let found = measured::evaluation(MeasuredSet::Test, &look, loss.truth(), &self.metrics, seed, &counters);
            self.summary.test = Some(found);
            if let Some((_, n_aug)) = self.recipe.last_tta() {
                let mean = self.augmented(Part::Test, &look.probabilities, n_aug, size)?;
                let look = Look::averaged(mean, n_aug, Some(&loss))?;
                let found =
                    measured::evaluation(MeasuredSet::Test, &look, loss.truth(), &self.metrics, seed, &counters);
                self.summary.test_tta = Some(found);
            }
        }
        self.warn_of_end();
        Ok(())
    }

    /// Ends with what the last fit measured, if the network is no longer one that could be measured.
    pub(super) fn end_lost(&mut self) {
        if let Some((look, loss)) = self.look.take().zip(self.valid_loss.clone()) {
            self.ends_with(look, &loss);
        }
        self.warn_of_end();
    }

    /// Makes these predictions of the validation part the final ones.
    fn ends_with(&mut self, look: Look, loss: &Loss) {
        let (truth, counters) = (loss.truth(), [self.stages.len() as u64]);
        let found = measured::evaluation(MeasuredSet::Valid, &look, truth, &self.metrics, self.seed, &counters);
        self.summary.r#final = Some(found);
        self.hold_against_baseline(&look, truth);
        self.look = Some(look);
    }

    /// Warns of a run that ends with less than it could have.
    fn warn_of_end(&mut self) {
        for warning in self.summary.lost_in_short().into_iter().chain(self.summary.unbeaten()) {
            self.progress.warn(&warning);
        }
    }

    /// Compares the trained network with the best constant answer.
    fn hold_against_baseline(&mut self, look: &Look, truth: &Truth) {
        let trained = self.summary.stages.iter().any(|stage| stage.kind == StepKind::Fit) && !self.smoke;
        let Some(baseline) = self.summary.baseline.as_mut().filter(|_| trained) else { return };
        let (train, predicted) = (self.train_loss.truth(), &look.probabilities);
        measured::hold_against(baseline, train, (predicted, truth), self.thresholds.as_ref(), self.seed);
    }
}
