//! The end of a run of folds: the figures of all folds together, and the ensemble.

use std::time::Instant;

use super::{FoldedRun, KeptFold};
use crate::RunError;
use crate::atomic::write_own;
use crate::data::{DataError, DataPart, Finding, FindingKind, Item, Target};
use crate::device;
use crate::engine::measured::{self, Look};
use crate::engine::supplied::{self, Supplied};
use crate::engine::{HeldOut, MeasuringLimits, Outcome, validate, worst};
use crate::metrics::{Measure, Probabilities, Truth};
use crate::models::WeightsError;
use crate::predict::{Predictor, fold_folder};
use crate::progress::Watch;
use crate::report::out_of_fold::{self, OutOfFoldRow};
use crate::report::{DataOverview, Evaluation, Folds, MeasuredSet, Status};

/// The predictions of all folds.
struct Whole {
    /// The predictions of each fold.
    folds: Vec<HeldOut>,
    /// All of them.
    held_out: HeldOut,
}

impl FoldedRun<'_> {
    /// Measures the folds together, writes everything, and returns the ensemble.
    pub(super) fn end(mut self, kept: Vec<KeptFold>, began: Instant) -> Result<Outcome, RunError> {
        match self.measure(kept) {
            Ok((held_out, predictor)) => {
                self.summary.seconds += began.elapsed().as_secs_f64();
                self.complete(held_out, predictor)
            }
            Err(RunError::Stopped(reached)) => Err(self.stopped(reached)),
            Err(error) => Err(self.failed(None, error)),
        }
    }

    fn complete(mut self, held_out: HeldOut, predictor: Predictor) -> Result<Outcome, RunError> {
        self.summary.status = Status::Complete;
        for warning in self.summary.lost_in_short().into_iter().chain(self.summary.unbeaten()) {
            self.progress.warn(&warning);
        }
        self.write_pages()?;
        let (summary, folder) = (self.summary, self.folder.path().to_path_buf());
        self.lock.remove()?;
        Ok(Outcome {
            batches: Vec::new(),
            classes: summary.classes.clone(),
            task: summary.task,
            held_out: Some(held_out),
            predictor,
            supplied: Supplied::of(&self.options),
            summary,
            folder,
        })
    }

    /// Fills in the evaluations and the record, and loads the ensemble.
    fn measure(&mut self, kept: Vec<KeptFold>) -> Result<(HeldOut, Predictor), RunError> {
        self.record.data = overview(&kept);
        let paths: Vec<String> = kept.iter().flat_map(|fold| fold.paths.clone()).collect();
        let whole = Whole::of(kept).ok_or_else(|| {
            let text =
                "a fold holds out no image, so nothing measures it: take fewer folds, or larger blocks or groups";
            DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Valid }, text))
        })?;
        self.record_of(&whole, &paths)?;
        self.write_predictions(&whole)?;
        let predictor = self.ensemble()?;
        self.test(&predictor)?;
        Ok((whole.held_out, predictor))
    }

    /// The evaluations of all folds, the baseline, and what the report shows of the last predictions.
    fn record_of(&mut self, whole: &Whole, paths: &[String]) -> Result<(), RunError> {
        let metrics = supplied::measures(self.recipe, &self.options.metrics)?;
        let steps = self.recipe.steps();
        let classes = self.summary.classes.clone();
        let truth = &whole.held_out.truth;
        let Some(folds) = self.summary.folds.clone() else { return Ok(()) };
        let plain = whole.look(&folds, false).ok_or_else(|| DataError::one("a fold has measured nothing"))?;
        self.summary.r#final = Some(self.evaluation(&plain, truth, &metrics, steps.len(), &folds));
        let averaged = whole.look(&folds, true).zip(self.recipe.last_tta());
        if let Some((look, (index, _))) = &averaged {
            self.summary.tta = Some(self.evaluation(look, truth, &metrics, *index, &folds));
        }
        let last = averaged.map_or(plain.clone(), |(look, _)| look);
        let (record, summary) = (&mut self.record, &mut self.summary);
        let thresholds = measured::describe(record, summary, &last, truth, self.recipe.metrics(), &classes);
        let item =
            |(id, path): (&String, &String)| Item { id: id.clone(), path: path.into(), target: Target::Unlabelled };
        let items: Vec<Item> = whole.held_out.ids.iter().zip(paths).map(item).collect();
        self.record.gallery = Some(worst::gallery(&last, truth, &items, &classes, thresholds.as_ref()));
        self.summary.baseline = measured::baseline(truth, truth, &classes, &self.recipe.data().source);
        if let Some(baseline) = self.summary.baseline.as_mut().filter(|_| !self.summary.smoke) {
            let answers = (&plain.probabilities, truth);
            measured::hold_against(baseline, truth, answers, thresholds.as_ref(), self.summary.seed);
        }
        if let Some(folds) = &mut self.summary.folds {
            folds.thresholds = thresholds;
        }
        self.summary.counts.valid = truth.len();
        Ok(())
    }

    fn evaluation(
        &self,
        look: &Look,
        truth: &Truth,
        metrics: &[Box<dyn Measure>],
        counter: usize,
        folds: &Folds,
    ) -> Evaluation {
        let mut found =
            measured::evaluation(MeasuredSet::Valid, look, truth, metrics, self.summary.seed, &[counter as u64]);
        // What a fold chose on its own validation images, all of them chose.
        let first = folds.each.first().and_then(|fold| fold.r#final.as_ref());
        for value in &mut found.metrics {
            let of_fold = first.and_then(|first| first.metrics.iter().find(|metric| metric.name == value.name));
            value.chosen_here = value.chosen_here.take().or_else(|| of_fold?.chosen_here.clone());
        }
        found
    }

    /// Writes `out_of_fold.csv`, and `out_of_fold_tta.csv` with test-time augmentation.
    fn write_predictions(&self, whole: &Whole) -> Result<(), RunError> {
        let classes = &self.summary.classes;
        for (name, averaged) in [("out_of_fold.csv", false), ("out_of_fold_tta.csv", true)] {
            let path = self.folder.path().join(name);
            let said =
                |fold: &HeldOut| if averaged { fold.augmented.clone() } else { Some(fold.probabilities.clone()) };
            let Some(said) = whole.folds.iter().map(said).collect::<Option<Vec<Probabilities>>>() else { continue };
            let places = whole
                .folds
                .iter()
                .enumerate()
                .flat_map(|(fold, held)| (0..held.ids.len()).map(move |image| (fold, held, image)));
            let rows = places.map(|(fold, held, image)| OutOfFoldRow {
                id: held.ids[image].clone(),
                fold: fold + 1,
                label: out_of_fold::label(&held.truth, image, classes),
                values: said[fold].row(image).to_vec(),
            });
            write_own(&path, |out| out_of_fold::write(classes, rows, out))?;
        }
        Ok(())
    }

    fn ensemble(&self) -> Result<Predictor, RunError> {
        let picked = device::pick(self.options.device.clone().unwrap_or(self.recipe.device().into()))?;
        let load = |number: usize| Predictor::load(&fold_folder(self.folder.path(), number), None, &picked.device);
        let folds = (1..=self.folds.len()).map(load).collect::<Result<Vec<_>, _>>()?;
        let thresholds = self.summary.folds.as_ref().and_then(|folds| folds.thresholds.clone());
        let joined = Predictor::of_folds(folds, self.recipe.to_string(), thresholds);
        joined.map_err(|why| WeightsError::unfit(self.folder.path(), why).into())
    }

    /// Measures the ensemble, once, on a labelled test set.
    fn test(&mut self, predictor: &Predictor) -> Result<(), RunError> {
        if !self.tests || self.summary.smoke {
            return Ok(());
        }
        let supplied = Supplied::of(&self.options);
        let watch = Watch { progress: &mut *self.progress, stop: &self.options.stop };
        let limits = MeasuringLimits { workers: self.options.threads, memory: self.options.memory };
        let found = validate::test(&self.folds[0], predictor, limits, &supplied, watch)?;
        self.summary.test = Some(found.plain.evaluation);
        self.summary.test_tta = found.tta.map(|measured| measured.evaluation);
        Ok(())
    }

    /// Writes the summary and, unless it is not wanted, the report.
    pub(super) fn write_pages(&mut self) -> Result<(), RunError> {
        self.folder.write_recipe(&self.summary.recipe, self.summary.seed)?;
        self.folder.write_summary(&self.summary)?;
        if self.options.report.unwrap_or(self.recipe.report()) {
            if let Some(gallery) = &mut self.record.gallery {
                gallery.make_thumbnails();
            }
            self.folder.write_report(&self.summary, &self.record)?;
        }
        Ok(())
    }
}

impl Whole {
    /// `None` if a fold holds nothing out, or the folds differ in their outputs.
    fn of(kept: Vec<KeptFold>) -> Option<Self> {
        let folds: Vec<HeldOut> = kept.into_iter().map(|fold| fold.held_out).collect::<Option<_>>()?;
        let probabilities = Probabilities::concat(&folds.iter().map(|f| &f.probabilities).collect::<Vec<_>>())?;
        let averaged: Option<Vec<&Probabilities>> = folds.iter().map(|f| f.augmented.as_ref()).collect();
        let augmented = averaged.and_then(|all| Probabilities::concat(&all));
        let truth = Truth::concat(&folds.iter().map(|f| &f.truth).collect::<Vec<_>>())?;
        let ids = folds.iter().flat_map(|f| f.ids.iter().cloned()).collect();
        Some(Whole { held_out: HeldOut { ids, probabilities, augmented, truth }, folds })
    }

    /// The predictions of all folds, with test-time augmentation if `averaged`, and the losses that the folds measured.
    fn look(&self, folds: &Folds, averaged: bool) -> Option<Look> {
        let of = |(held, fold): (&HeldOut, &crate::report::FoldSummary)| {
            let (said, found) = match averaged {
                true => (held.augmented.clone()?, fold.tta.as_ref()?),
                false => (held.probabilities.clone(), fold.r#final.as_ref()?),
            };
            let made = found.predictions.clone();
            Some(Look { made, ..Look::plain(said, found.val_loss) })
        };
        let each: Vec<Look> = self.folds.iter().zip(&folds.each).map(of).collect::<Option<_>>()?;
        Look::out_of_fold(&each.iter().collect::<Vec<_>>())
    }
}

/// The images of each class in all, and those that a fold holds out.
fn overview(kept: &[KeptFold]) -> DataOverview {
    let Some(first) = kept.first() else { return DataOverview::default() };
    let mut data = first.data.clone();
    for (index, class) in data.classes.iter_mut().enumerate() {
        class.train += class.valid;
        class.valid = kept.iter().map(|fold| fold.data.classes.get(index).map_or(0, |class| class.valid)).sum();
    }
    data
}
