//! What each step of a recipe does.

use std::time::Instant;

use fastai_dsl::{Body, Fit, LrFind, Recipe, Schedule, Stage, State, Step};

use super::measured::{self, Look};
use super::session::Session;
use super::sets::Part;
use super::worst;
use crate::RunError;
use crate::metrics::{Probabilities, Truth};
use crate::models;
use crate::predict::augmented;
use crate::report::{CacheUse, EpochRow, Evaluation, FindCurve, FitCurve, StageSummary, body_lost};
use crate::train::{
    Ending, FindPlan, FitPlan, Loss, Mixing, Pass, Validation, Watch, activate_for, find_rate, fit, turning_point,
};

/// The rate of a smoke run's finder, whose two batches suggest nothing.
const SMOKE_RATE: f64 = 1e-3;

impl Session<'_> {
    /// Runs every step in order, then measures the network that they leave.
    pub(super) fn run_steps(&mut self, began: Instant) -> Result<(), RunError> {
        let (count, groups) = (self.stages.len(), self.learner.network().groups());
        for index in self.next_stage()..count {
            let stage = self.stages[index].clone();
            self.progress.stage(index, count, &title(&stage));
            let started = Instant::now();
            let trains = matches!(stage.step, Step::Fit(_) | Step::LrFind(_));
            let body = stage.state.body != Body::Precomputed && stage.state.first_trainable + 1 < groups;
            let mut summary = StageSummary {
                step: index,
                kind: stage.step.word().to_string(),
                text: stage.step.to_string(),
                size: stage.state.size,
                trains: if trains { stage.state.trains(groups) } else { String::new() },
                trains_body: trains && body,
                ..StageSummary::default()
            };
            let result = self.run_step(index, &stage, &mut summary);
            summary.seconds = started.elapsed().as_secs_f64();
            self.summary.stages.push(summary);
            result.map_err(|error| place(error, index, &stage.step))?;
            self.trained |= matches!(stage.step, Step::Fit(_) | Step::Head(_) | Step::Load { .. });
            self.keep(index + 1, began.elapsed().as_secs_f64())?;
            if self.stop.requested() {
                return Err(RunError::Stopped(String::new()));
            }
        }
        self.measure_final()
    }

    fn run_step(&mut self, index: usize, stage: &Stage, summary: &mut StageSummary) -> Result<(), RunError> {
        let state = &stage.state;
        match &stage.step {
            Step::LrFind(find) => {
                self.prepare(state, summary)?;
                self.find(index, find, state, summary)
            }
            Step::Fit(fit) => {
                self.prepare(state, summary)?;
                self.fit(index, fit, stage, summary)
            }
            Step::Precompute { .. } => self.prepare(state, summary),
            Step::Tta { n_aug } => {
                self.prepare(state, summary)?;
                self.tta(index, *n_aug, state, summary)
            }
            Step::Head(spec) => {
                let classes = self.sets.dataset.classes.len();
                let (seed, number) = (self.seed, self.heads);
                let device = self.learner.device().clone();
                self.learner.change(|network| network.new_head(spec, classes, seed, number, &device));
                self.head = spec.clone();
                self.heads += 1;
                self.look = None;
                Ok(())
            }
            Step::Save { name } => self.save(name, state.size).map(|_| ()),
            Step::Load { name } => {
                let (path, meta) = (self.folder.model_path(name)?, self.meta(state.size));
                let network = models::load_model(self.learner.network().clone(), &meta, &path)?;
                self.learner.replace(network);
                self.look = None;
                Ok(())
            }
            Step::Resize { .. } => {
                self.look = None;
                Ok(())
            }
            Step::Freeze | Step::Unfreeze | Step::FreezeTo { .. } | Step::BnFreeze { .. } => Ok(()),
        }
    }

    /// Freezes what the state freezes, and opens or drops the cached activations.
    fn prepare(&mut self, state: &State, summary: &mut StageSummary) -> Result<(), RunError> {
        self.learner.change(|network| network.set_frozen(state.first_trainable, state.bn_frozen));
        if state.body != Body::Precomputed {
            self.sets.cached = None;
            return Ok(());
        }
        let started = Instant::now();
        let opened = self.precompute(state.size)?;
        summary.cache = opened.map(|(folder, found)| CacheUse {
            path: folder.display().to_string(),
            found,
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(())
    }

    fn find(&mut self, index: usize, find: &LrFind, state: &State, summary: &mut StageSummary) -> Result<(), RunError> {
        let iterations = if self.smoke { 2 } else { find.iterations(state.body == Body::Precomputed) };
        let started = Instant::now();
        let found = find_rate(
            &mut self.learner,
            &*self.sets.examples(Part::Train, state.size),
            &self.train_loss,
            FindPlan {
                stage: index as u64,
                find,
                iterations,
                clip: self.recipe.clip(),
                mixing: mixing(self.recipe),
                seed: self.seed,
            },
            Watch { progress: &mut *self.progress, stop: &self.stop },
        )?;
        timed(summary, found.images, started.elapsed().as_secs_f64());
        summary.suggestion = found.suggestion;
        let curve = FindCurve {
            step: index,
            title: summary.text.clone(),
            rates: found.rates,
            losses: found.losses,
            suggestion: found.suggestion,
            rule: find.suggest.word().to_string(),
        };
        let plot = self.folder.write_find_plot(&curve)?;
        self.record.finds.push(curve);
        let rate = match (found.suggestion, find.or) {
            (Some(rate), _) => {
                self.note(format!("lr_find suggests {rate:.2e} ({})", find.suggest.word()));
                rate
            }
            (None, Some(rate)) => {
                self.note(format!(
                    "lr_find suggests nothing, the recipe's `or = {rate}` is used; see {}",
                    plot.display()
                ));
                rate
            }
            (None, None) if self.smoke => SMOKE_RATE,
            (None, None) => {
                return Err(RunError::NoRate(format!(
                    "the loss does not fall clearly at any rate from {:e} to {:e}, so no rate is suggested; look at {} \
                     and write a rate, or give `or = 1e-2`",
                    find.start,
                    find.end,
                    plot.display()
                )));
            }
        };
        self.summary.found_rates.push(rate);
        Ok(())
    }

    fn fit(&mut self, index: usize, step: &Fit, stage: &Stage, summary: &mut StageSummary) -> Result<(), RunError> {
        let groups = self.learner.network().groups();
        let found = &self.summary.found_rates;
        let lrs = stage.rates.iter().map(|rate| rate.resolve(found)).collect::<Option<Vec<f64>>>();
        let lrs = lrs.ok_or_else(|| RunError::NoRate("a rate refers to a finder that has not run".into()))?;
        let wds = match step.wds.as_slice() {
            [] => vec![0.0; groups],
            [one] => vec![*one; groups],
            many => many.to_vec(),
        };
        let plan = FitPlan {
            stage: index as u64,
            epochs: if self.smoke { 1 } else { stage.epochs },
            factors: Box::new(Schedule::of(step).factors(stage.batches_per_epoch.unwrap_or(1))),
            lrs,
            wds,
            clip: self.recipe.clip(),
            mixing: mixing(self.recipe),
            metrics: self.recipe.metrics(),
            keep_best: self.recipe.keep_best(),
            seed: self.seed,
        };
        let size = stage.state.size;
        let examples = self.sets.examples(Part::Train, size);
        let valid = self.sets.examples(Part::Valid, size);
        let validation = self.valid_loss.as_ref().map(|loss| Validation { examples: &*valid, loss });
        let folder = &mut self.folder;
        let mut on_epoch = |row: &EpochRow| folder.append_epoch(index, row).map(|_| ());
        let result = fit(
            &mut self.learner,
            &*examples,
            &self.train_loss,
            validation,
            plan,
            Watch { progress: &mut *self.progress, stop: &self.stop },
            &mut on_epoch,
        )?;
        drop((examples, valid));
        timed(summary, result.images, result.seconds);
        let kept = result.kept.map(|epoch| {
            let by = self.recipe.keep_best().unwrap_or("val_loss");
            format!("epoch {epoch}, the best of {} by {by}", result.epochs.len())
        });
        if let Some(kept) = &kept {
            self.note(format!("keep_best: {kept}"));
        }
        if let (Some(turn), Some(last)) = (turning_point(&result.epochs), result.epochs.last()) {
            summary.turned_at = Some(turn.epoch);
            self.note(format!(
                "step {} `{}`: val_loss was lowest after epoch {} ({:.4}) and ended at {:.4}, while trn_loss fell on \
                 from {:.4} to {:.4}: from there the network learns its training images by heart; train for fewer \
                 epochs, or give more dropout, augmentation or `keep_best: val_loss`",
                index + 1,
                stage.step,
                turn.epoch,
                turn.val_loss,
                last.val_loss,
                turn.trn_loss,
                last.trn_loss
            ));
        }
        let shown = result.kept.map_or(result.epochs.last(), |k| result.epochs.get(k as usize));
        self.look = match (result.predictions, shown) {
            (Some(probabilities), Some(row)) => Some(Look {
                probabilities,
                loss: row.val_loss,
                trn_loss: Some(row.trn_loss),
                made: "plain".to_string(),
                chosen: kept,
            }),
            _ => None,
        };
        self.record.fits.push(FitCurve {
            step: index,
            title: summary.text.clone(),
            rates: result.rates,
            losses: result.losses,
            epochs: result.epochs,
        });
        if let (Some(look), Some(loss)) = (self.look.take(), &self.valid_loss) {
            let truth = loss.truth().clone();
            let evaluation = self.show(&look, &truth, index);
            self.look = Some(look);
            if let Some(lost) = body_lost(&self.summary.stages, summary, &evaluation) {
                self.note(format!("step {} `{}`: {lost}", index + 1, stage.step));
            }
            summary.evaluation = Some(evaluation);
        }
        match result.ending {
            Ending::Complete => Ok(()),
            Ending::Stopped => Err(RunError::Stopped(String::new())),
        }
    }

    fn tta(&mut self, index: usize, n_aug: u32, state: &State, summary: &mut StageSummary) -> Result<(), RunError> {
        let Some(loss) = &self.valid_loss else {
            self.note("tta: there are no validation images".to_string());
            return Ok(());
        };
        let truth = loss.truth().clone();
        // A fit that has just ended has predicted them already.
        let plain = match &self.look {
            Some(look) => look.probabilities.clone(),
            None => self.predict(Part::Valid, state.size, &Pass::Plain, "images, plain prediction")?,
        };
        let mean = self.augmented(Part::Valid, &plain, index, n_aug, state.size)?;
        let look = Look::averaged(mean, n_aug, &truth);
        let evaluation = self.show(&look, &truth, index);
        let values: Vec<String> = evaluation.metrics.iter().map(|m| format!("{} {:.6}", m.name, m.value)).collect();
        self.progress.note(&format!("{}: {}", look.made, values.join(", ")));
        summary.evaluation = Some(evaluation.clone());
        self.summary.tta = Some(evaluation);
        Ok(())
    }

    /// Measures what step `index` left on the validation set, and makes it what the report shows.
    fn show(&mut self, look: &Look, truth: &Truth, index: usize) -> Evaluation {
        let (metrics, dataset) = (self.recipe.metrics(), &self.sets.dataset);
        self.threshold = measured::describe(&mut self.record, &look.probabilities, truth, metrics, &dataset.classes);
        self.record.gallery = worst::gallery(look, truth, &dataset.valid, &dataset.classes, self.threshold);
        measured::evaluation("valid", look, truth, metrics, self.seed, &[index as u64])
    }

    /// The mean over `plain` and augmented predictions of a part by the network as it is; `index` is the `tta` step's.
    fn augmented(
        &mut self,
        part: Part,
        plain: &Probabilities,
        index: usize,
        n_aug: u32,
        size: u32,
    ) -> Result<Probabilities, RunError> {
        augmented(plain, n_aug, index, |pass, what| self.predict(part, size, pass, what))
    }

    /// Probabilities of a part by the network as it is.
    fn predict(&mut self, part: Part, size: u32, pass: &Pass, what: &str) -> Result<Probabilities, RunError> {
        let images = self.sets.images(part, size);
        let watch = Watch { progress: &mut *self.progress, stop: &self.stop };
        let mut values = self.learner.logits(&images, pass, what, watch)?;
        let classes = self.learner.network().classes();
        activate_for(self.recipe.task(), &mut values, classes);
        Ok(Probabilities::new(values, classes))
    }

    /// Looks at a labelled part with the network as it is.
    fn look_at(&mut self, part: Part, size: u32, loss: &Loss) -> Result<Look, RunError> {
        let examples = self.sets.examples(part, size);
        let watch = Watch { progress: &mut *self.progress, stop: &self.stop };
        let mut values = self.learner.logits(&*examples, &Pass::Plain, "images, final evaluation", watch)?;
        let mean_loss = loss.of_all(&values);
        let classes = self.learner.network().classes();
        activate_for(self.recipe.task(), &mut values, classes);
        Ok(Look::plain(Probabilities::new(values, classes), mean_loss))
    }

    /// Measures the network that the steps leave, unless the last fit has just done it, and then, once, a labelled test
    /// set.
    fn measure_final(&mut self) -> Result<(), RunError> {
        let Some(state) = self.stages.last().map(|last| last.state.clone()) else { return Ok(()) };
        let size = state.size;
        // A run that goes on here has opened no cache yet.
        self.prepare(&state, &mut StageSummary::default())?;
        let counters = [self.stages.len() as u64];
        let metrics = self.recipe.metrics();
        if let Some(loss) = self.valid_loss.clone() {
            let look = match self.look.take() {
                Some(look) => look,
                None => self.look_at(Part::Valid, size, &loss)?,
            };
            let found = measured::evaluation("valid", &look, loss.truth(), metrics, self.seed, &counters);
            self.summary.r#final = Some(found);
            self.compare_with_baseline(&look, loss.truth());
        }
        if let Some(loss) = self.test_loss.clone() {
            let look = self.look_at(Part::Test, size, &loss)?;
            let found = measured::evaluation("test", &look, loss.truth(), metrics, self.seed, &counters);
            self.summary.test = Some(found);
            if let Some((index, n_aug)) = self.recipe.last_tta() {
                let mean = self.augmented(Part::Test, &look.probabilities, index, n_aug, size)?;
                let look = Look::averaged(mean, n_aug, loss.truth());
                let found = measured::evaluation("test", &look, loss.truth(), metrics, self.seed, &counters);
                self.summary.test_tta = Some(found);
            }
        }
        Ok(())
    }

    /// Says so if always giving the same answer would be as good as what was trained.
    fn compare_with_baseline(&mut self, look: &Look, truth: &Truth) {
        let trained = self.summary.stages.iter().any(|stage| stage.kind == "fit") && !self.smoke;
        let Some(baseline) = self.summary.baseline.as_mut().filter(|_| trained) else { return };
        baseline.reached = Some(measured::in_baselines_measure(&look.probabilities, truth, self.threshold));
        if let Some(warning) = baseline.unbeaten() {
            self.progress.warn(&warning);
        }
    }
}

/// How the recipe mixes training images.
fn mixing(recipe: &Recipe) -> Mixing {
    Mixing { mixup: recipe.mixup(), cutmix: recipe.cutmix() }
}

fn timed(summary: &mut StageSummary, images: u64, seconds: f64) {
    summary.images = images;
    summary.images_per_s = if seconds > 0.0 { images as f64 / seconds } else { 0.0 };
}

/// The stage for people: the step, its epochs and what trains.
fn title(stage: &Stage) -> String {
    match &stage.step {
        Step::Fit(_) => format!("{} ({} epoch{})", stage.step, stage.epochs, if stage.epochs == 1 { "" } else { "s" }),
        step => step.to_string(),
    }
}

/// Says which step an error belongs to, where the error itself cannot know.
fn place(error: RunError, index: usize, step: &Step) -> RunError {
    let at = |text: String| format!("step {} `{step}`: {text}", index + 1);
    match error {
        RunError::Diverged(text) => RunError::Diverged(at(text)),
        RunError::NoRate(text) => RunError::NoRate(at(text)),
        other => other,
    }
}
