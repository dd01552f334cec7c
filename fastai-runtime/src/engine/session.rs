//! A run in progress: its open resources and its end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use fastai_dsl::{Facts, HeadSpec, Model, Plan, Precision, Recipe, Stage};

use super::beginning::initial_weights;
use super::data_digest::DataDigest;
use super::folds::KeptFold;
use super::keeping;
use super::measured::{self, Look};
use super::paused::{Paused, refuse};
use super::sets::{Sets, class_weights, enough_to_train, open_data};
use super::snapshot::{KeptFile, KeptMidway, SavedLook, Snapshot, SnapshotFolder};
use super::supplied::Supplied;
use super::{HeldOut, Outcome, RunOptions, fits_memory, notes_of_parts, supplied};
use crate::RunError;
use crate::activations::ActivationCache;
use crate::data::{DataError, Item};
use crate::data::{Preparation, merged_batches};
use crate::device::{self, DeviceError, DeviceKind, HalfFloat};
use crate::error::{Reached, ResumeError};
use crate::keeping_times::KeepingTimes;
use crate::metrics::{Measure, Probabilities, Thresholds, Truth};
use crate::models::weights::Found;
use crate::models::{self, ModelDigest, ModelMeta, Network, WeightsError};
use crate::predict::{Predictor, class_differences};
use crate::progress::{Progress, StopSignal};
use crate::report::{BatchRow, Counts, Record, RunFolder, Status, Summary};
use crate::slow_kernels;
use crate::train::{Continued, Learner, Loss, OptimizerState, criterion};

/// A run in progress.
pub(super) struct Session<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) stop: StopSignal,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) smoke: bool,
    /// Whether the report is written.
    reports: bool,
    pub(super) seed: u64,
    /// The kind of the device; failures of a GPU's driver are panics of burn.
    pub(super) device: DeviceKind,
    pub(super) learner: Learner,
    pub(super) sets: Sets,
    pub(super) stages: Vec<Stage>,
    /// Weight of each class in the losses of all parts.
    class_weights: Option<Vec<f32>>,
    pub(super) train_loss: Loss,
    pub(super) valid_loss: Option<Loss>,
    /// The loss of a labelled test set, which is measured once at the end.
    pub(super) test_loss: Option<Loss>,
    /// The mean loss of the best constant answer.
    pub(super) constant_loss: f64,
    /// The recipe's metrics, in its order.
    pub(super) metrics: Vec<Box<dyn Measure>>,
    /// What the program supplies, for the outcome.
    supplied: Supplied,
    pub(super) cache: ActivationCache,
    pub(super) folder: RunFolder,
    pub(super) summary: Summary,
    pub(super) record: Record,
    /// The current head, and the number of heads before it.
    pub(super) head: HeadSpec,
    pub(super) heads: u64,
    /// Predictions of the current network for the validation part.
    pub(super) look: Option<Look>,
    /// What the last `tta` step predicted for the validation part.
    pub(super) averaged: Option<Probabilities>,
    /// The probabilities above which tags are predicted.
    pub(super) thresholds: Option<Thresholds>,
    pub(super) snapshots: SnapshotFolder,
    /// The state from which the run would continue if it ended now, but for what a fit keeps while it runs.
    pub(super) snapshot: Snapshot,
    /// When a fit keeps its state.
    pub(super) times: KeepingTimes,
    /// The next fit, if it continues.
    pub(super) continued: Option<Continued>,
    /// When this process began to work on the run.
    pub(super) began: Instant,
    /// Whether the weights differ from those of the snapshot.
    pub(super) trained: bool,
    /// Wall time before this process resumed the run, seconds.
    pub(super) seconds_before: f64,
}

impl<'a> Session<'a> {
    /// Opens everything that a run needs, cheapest first, and creates the run folder last; or continues where `paused`
    /// ended.
    pub(super) fn open(
        recipe: &'a Recipe,
        options: &RunOptions,
        progress: &'a mut dyn Progress,
        paused: Option<Paused>,
    ) -> Result<Self, RunError> {
        let model = recipe.model();
        let cache = ActivationCache::new(options.cache.clone().unwrap_or_else(ActivationCache::default_root));
        cache.check()?;
        let (own_loss, metrics) = (supplied::loss(recipe, options)?, supplied::measures(recipe, &options.metrics)?);
        if let Some(paused) = &paused {
            refuse(&paused.folder, supplied::differences(&paused.snapshot.own_metrics, &options.metrics))?;
        }
        let weights = match &paused {
            Some(paused) if paused.snapshot.weights.is_some() => None,
            _ => models::resolve(&model.weights, model.arch.name(), progress)?,
        };
        let smoke = paused.as_ref().map_or(options.smoke, |p| p.snapshot.smoke);
        let seed = paused.as_ref().map_or(options.seed.unwrap_or(recipe.seed()), |p| p.snapshot.seed);
        if let Some(found) = &weights {
            models::weights::check(&found.path, model.arch.name(), model.cut)?;
        }
        let picked = device::pick(options.device.clone().unwrap_or(recipe.device().into()))?;
        let rejected = picked.rejected.join("; ");
        let because = if rejected.is_empty() { String::new() } else { format!(": {rejected}") };
        progress.note(&format!("device: {}{because}", picked.name));
        if let Some(warning) = slow_kernels::first_warning() {
            progress.warn(warning);
        }
        let batch = recipe.data().batch as usize;
        let threads = options.threads.unwrap_or_else(rayon::current_num_threads);
        let workers = options.threads.or(recipe.data().workers.map(|w| w as usize)).unwrap_or(threads);
        let (dataset, health, reading) = open_data(recipe, options, smoke, cache.root(), progress)?;
        if let Some(differences) = options.classes.as_deref().and_then(|c| class_differences(c, &dataset.classes)) {
            let found = format!("the classes of the data are not those that were stated: {differences}");
            return Err(
                DataError::one(format!("{found}; write the summary of the data anew with `fastai prepare`")).into()
            );
        }
        let digest = DataDigest::of(&dataset, &health);
        if let Some(paused) = &paused {
            refuse(&paused.folder, paused.snapshot.data.differences(&digest))?;
        }
        enough_to_train(recipe, &dataset)?;
        let facts = dataset.facts();
        let plan = Plan::new(recipe, &facts);
        let parts = match picked.kind {
            DeviceKind::Cpu => fits_memory(recipe, &plan, options.memory)?,
            _ => vec![1; plan.stages.len()],
        };
        // A run goes on in the parts that it began with, unless they are too few for this machine.
        let kept = paused.as_ref().map(|paused| paused.snapshot.parts.clone());
        let enough =
            |kept: &Vec<usize>| kept.len() == parts.len() && kept.iter().zip(&parts).all(|(had, need)| had >= need);
        let parts = kept.filter(enough).unwrap_or(parts);
        let training = picked.device.clone().autodiff();
        let half = if recipe.precision() == Precision::Mixed { picked.half() } else { None };
        let mut network = initial_network(model, &model.head, dataset.classes.len(), seed, &training).with_half(half);
        if let Some(found) = &weights {
            network = models::load_body(network, &found.path)?;
        }
        let preparation =
            Preparation { transforms: recipe.transforms().clone(), stats: model.facts().stats, batch, workers, seed };
        let truth = |items: &[Item]| measured::truth_of(items, dataset.classes.len(), recipe.task());
        let train_truth = truth(&dataset.train)
            .ok_or_else(|| DataError::one("a training image has no label; give each one, or leave it out"))?;
        let valid_truth = truth(&dataset.valid).filter(|t| !t.is_empty());
        let test_truth = truth(&dataset.test).filter(|t| !t.is_empty());
        let mut left_out = Vec::new();
        for (set, truth) in [("validation", &valid_truth), ("test", &test_truth)] {
            let Some(truth) = truth else { continue };
            match measured::left_out(&metrics, set, truth, &dataset.classes) {
                Ok(notes) => left_out.extend(notes),
                // The first batches of a set need not hold every class.
                Err(why) if smoke => left_out.push(why),
                Err(why) => return Err(DataError::one(why).into()),
            }
        }
        let class_weights = class_weights(recipe.class_weights(), &dataset)?;
        let baseline = valid_truth.as_ref().and_then(|v| measured::baseline(&train_truth, v, &dataset.classes));
        let mut summary = Summary {
            format: Summary::FORMAT,
            status: Status::Running,
            smoke,
            name: recipe.name().to_string(),
            doc: recipe.doc().map(str::to_string),
            recipe: recipe.to_string(),
            task: recipe.task(),
            seed,
            directory: std::env::current_dir().map_or_else(|_| String::new(), |d| d.display().to_string()),
            device: picked.name,
            device_reason: rejected,
            half,
            threads,
            classes: dataset.classes.clone(),
            counts: counts(&facts),
            data: Some(digest.fingerprint(&dataset, &health)),
            // A run that goes on has those that it began with in its state.
            weights: Some(initial_weights(weights.as_ref())),
            baseline,
            ..Summary::default()
        };
        let merged = merged_batches(dataset.train.len(), batch);
        let weights = weights.iter().map(Found::describe);
        let full = (recipe.precision() == Precision::Mixed && half.is_none()).then(|| {
            format!("`precision: mixed`: {} has no fast 16-bit floats, so training uses 32 bits", summary.device)
        });
        for note in weights
            .chain(full)
            .chain(dataset.notes.iter().cloned())
            .chain(health.notes(&dataset.root))
            .chain(merged)
            .chain(notes_of_parts(&plan.stages, &parts))
            .chain(left_out)
        {
            progress.note(&note);
            summary.notes.push(note);
        }
        let body = models::body_digest(&network);
        let (folder, snapshots, snapshot, warnings) = match paused {
            None => {
                let folder = RunFolder::create(options.out.as_deref(), recipe.name())?;
                let mut snapshots = SnapshotFolder::take(folder.path())?;
                let begin = Snapshot {
                    head: model.head.clone(),
                    own_metrics: supplied::names(&options.metrics),
                    parts,
                    ..Snapshot::begin(summary.recipe.clone(), seed, smoke, digest, body)
                };
                // Before anything else, so that a run that is killed here can be resumed too.
                snapshots.write(&begin)?;
                folder.write_recipe(&summary.recipe)?;
                (folder, snapshots, begin, Vec::new())
            }
            Some(Paused { folder, snapshots, snapshot, warnings }) => {
                if snapshot.weights.is_none() && snapshot.body != body {
                    let differs = "the weights that the recipe names are not those that the run began with".to_string();
                    refuse(&folder, vec![differs])?;
                }
                let folder = RunFolder::reopen(&folder, snapshot.history.clone())?;
                folder.write_recipe(&summary.recipe)?;
                (folder, snapshots, Snapshot { parts, ..snapshot }, warnings)
            }
        };
        options.place.set(folder.path());
        let smoothing = recipe.label_smoothing();
        let loss_of = |truth: Truth, smoothing: f64| {
            let weights = class_weights.clone();
            let own = || criterion(recipe.loss(), recipe.task(), weights, smoothing, &training);
            let criterion = own_loss.clone().or_else(own).expect("a loss that is given has been found");
            Loss::of_criterion(truth, criterion)
        };
        let plain = loss_of(train_truth.clone(), 0.0);
        let constant_loss =
            measured::constant_loss(&plain, recipe.loss(), dataset.classes.len(), class_weights.is_some());
        let mut session = Session {
            recipe,
            device: picked.kind,
            stop: options.stop.clone(),
            progress,
            smoke,
            reports: options.report.unwrap_or(recipe.report()),
            seed,
            class_weights: class_weights.clone(),
            train_loss: loss_of(train_truth, smoothing),
            valid_loss: valid_truth.map(|truth| loss_of(truth, 0.0)),
            test_loss: test_truth.map(|truth| loss_of(truth, 0.0)),
            learner: Learner::new(network, training),
            stages: plan.stages,
            constant_loss,
            metrics,
            supplied: Supplied::of(options),
            cache,
            record: Record { data: measured::overview(&dataset, &health), ..Record::default() },
            sets: Sets::new(dataset, &reading, preparation, recipe.data().sampler, recipe.data().preflight),
            folder,
            summary,
            head: model.head.clone(),
            heads: 1,
            look: None,
            averaged: None,
            thresholds: None,
            snapshots,
            snapshot,
            times: KeepingTimes::new(options.snapshot_every.unwrap_or(keeping::EVERY)),
            continued: None,
            began: Instant::now(),
            trained: false,
            seconds_before: 0.0,
        };
        if session.snapshot.finished > 0 || session.snapshot.midway.is_some() {
            session.restore()?;
        } else {
            session.keep(0, 0.0)?;
        }
        for warning in warnings.into_iter().chain(session.damaged_models()) {
            session.progress.warn(&warning);
            session.summary.notes.push(warning);
        }
        Ok(session)
    }

    /// Restores the session to its snapshot.
    fn restore(&mut self) -> Result<(), RunError> {
        let finished = self.snapshot.finished;
        if finished > self.stages.len() {
            let reason = format!("{finished} stages are finished of {}", self.stages.len());
            return Err(ResumeError::Broken { path: self.folder.path().to_path_buf(), reason }.into());
        }
        self.head = self.snapshot.head.clone();
        self.heads = self.snapshot.heads;
        self.thresholds = self.snapshot.thresholds.clone();
        if let Some(weights) = self.snapshot.weights.clone() {
            let network = self.load_kept(&weights)?;
            self.learner.replace(network);
        }
        let (images, classes) = (self.sets.dataset.valid.len(), self.sets.dataset.classes.len());
        self.look = self.snapshot.look.clone().and_then(|look| look.restore(images, classes));
        let whole = |p: &Probabilities| p.classes() == classes && p.values().len() == images * classes;
        self.averaged = self.snapshot.averaged.clone().filter(whole);
        self.record = self.snapshot.record.clone();
        let now = std::mem::replace(&mut self.summary, self.snapshot.summary.clone());
        self.seconds_before = self.summary.seconds;
        let [before, here] = [self.summary.half, now.half].map(|half| half.map_or("f32", HalfFloat::word));
        self.summary = Summary {
            status: now.status,
            device: now.device,
            device_reason: now.device_reason,
            half: now.half,
            threads: now.threads,
            directory: now.directory,
            ..std::mem::take(&mut self.summary)
        };
        if before != here {
            self.note(format!("training convolved in {before} before and does in {here} on this device"));
        }
        let count = self.stages.len();
        match self.snapshot.midway.take() {
            None => self.note(format!("goes on after step {finished} of {count}, which was finished")),
            Some(kept) => {
                let batches = kept.midway.iterations;
                self.note(format!("goes on in step {} of {count}, after {batches} batches of it", finished + 1));
                self.continued = Some(self.restore_midway(kept)?);
            }
        }
        Ok(())
    }

    /// Restores the state of a fit.
    fn restore_midway(&self, kept: KeptMidway) -> Result<Continued, RunError> {
        let KeptMidway { midway, steps, optimizer, best, average } = kept;
        let (groups, classes) = (self.learner.network().groups(), self.sets.dataset.classes.len());
        let apart = midway.best.is_some() != best.is_some();
        let contradiction = midway.contradiction(groups, classes, self.sets.dataset.valid.len());
        if let Some(reason) = contradiction.or(apart.then_some("the weights of its best epoch are missing")) {
            let path = self.folder.path().to_path_buf();
            return Err(ResumeError::Broken { path, reason: format!("the state of its fit: {reason}") }.into());
        }
        let tensors = models::load_state(&self.snapshots.file(&optimizer.file), &optimizer.digest)?;
        let best = best.map(|kept| self.load_kept(&kept)).transpose()?;
        let average = match average {
            Some((steps, kept)) => Some((steps, self.load_kept(&kept)?)),
            None => None,
        };
        Ok(Continued { midway, optimizer: OptimizerState { steps, tensors }, best, average })
    }

    /// The network with the weights of a file of the snapshot.
    fn load_kept(&self, kept: &KeptFile) -> Result<Network, RunError> {
        let device = self.learner.device().clone();
        let (model, classes) = (self.recipe.model(), self.sets.dataset.classes.len());
        let network = initial_network(model, &self.head, classes, self.seed, &device);
        let network = network.with_half(self.learner.network().half());
        let meta = self.meta(self.recipe.transforms().size);
        Ok(models::load_model(network, &meta, &self.snapshots.file(&kept.file), Some(&kept.digest))?)
    }

    /// Describes the saved models of the run that are no longer what it saved. A step that loads one fails.
    fn damaged_models(&self) -> Vec<String> {
        let damage = |(name, saved): (&String, &ModelDigest)| {
            let path = self.folder.model_path(name).ok()?;
            match models::verify_model(&path) {
                Ok(found) if found == *saved => None,
                Ok(_) => Some(format!("{}: a sound model, but not the one that this run saved there", path.display())),
                Err(WeightsError::NoModel(_)) => {
                    Some(format!("{}: the model that this run saved there is gone", path.display()))
                }
                Err(error) => Some(error.to_string()),
            }
        };
        self.snapshot.models.iter().filter_map(damage).collect()
    }

    /// Saves the current network, for images of `size` pixels; returns the file and its digest.
    pub(super) fn save_model(&self, name: &str, size: u32) -> Result<(PathBuf, ModelDigest), RunError> {
        let path = self.folder.model_path(name)?;
        let digest = models::save_model(&self.learner.network().valid(), &self.meta(size), &path)?;
        Ok((path, digest))
    }

    /// Records the model that a `save` step wrote.
    pub(super) fn has_saved(&mut self, name: &str, digest: ModelDigest) {
        self.snapshot.models.insert(name.to_string(), digest);
    }

    /// The model that a `save` step wrote.
    pub(super) fn saved_model(&self, name: &str) -> Option<&ModelDigest> {
        self.snapshot.models.get(name)
    }

    /// Returns the first unfinished stage.
    pub(super) fn next_stage(&self) -> usize {
        self.snapshot.finished
    }

    /// Wall time of the run so far, `seconds` of it in this process.
    pub(super) fn wall_time(&self, seconds: f64) -> f64 {
        self.seconds_before + seconds
    }

    /// Writes a snapshot: `finished` stages are done, and the snapshot contains everything that the next one needs.
    pub(super) fn keep(&mut self, finished: usize, seconds: f64) -> Result<(), RunError> {
        if self.trained {
            let name = format!("after-{finished}.safetensors");
            let meta = self.meta(self.recipe.transforms().size);
            let digest = models::save_model(&self.learner.network().valid(), &meta, &self.snapshots.file(&name))?;
            self.snapshot.weights = Some(KeptFile { file: name, digest });
            self.trained = false;
        }
        self.summary.seconds = self.wall_time(seconds);
        let kept = Snapshot {
            finished,
            head: self.head.clone(),
            heads: self.heads,
            thresholds: self.thresholds.clone(),
            look: self.look.as_ref().map(SavedLook::of),
            averaged: self.averaged.clone(),
            summary: self.summary.clone(),
            record: self.record.clone(),
            history: self.folder.history().to_vec(),
            ..self.snapshot.clone()
        };
        self.snapshots.write(&kept)?;
        self.folder.write_summary(&self.summary)?;
        if finished == 0 || self.stages[finished - 1].step.trains() {
            self.folder.write_batches(&self.record)?;
        }
        self.snapshot = kept;
        Ok(())
    }

    /// Reports a line and records it in the summary.
    pub(super) fn note(&mut self, line: String) {
        self.progress.note(&line);
        self.summary.notes.push(line);
    }

    /// Returns the header of a saved model.
    pub(super) fn meta(&self, size: u32) -> ModelMeta {
        let meta = ModelMeta::of(self.recipe, self.sets.dataset.classes.clone()).at_size(size);
        let threshold = self.thresholds.clone().or(meta.threshold);
        let class_weights = self.class_weights.clone();
        ModelMeta { head: self.head.clone(), seed: self.seed, threshold, class_weights, ..meta }
    }

    /// Runs the unfinished steps. A failure of a GPU's driver becomes an error, so that the run keeps its results.
    pub(super) fn run_unfinished(&mut self, started: Instant) -> Result<(), RunError> {
        if self.device == DeviceKind::Cpu {
            return self.run_steps(started);
        }
        device::guarded(|| self.run_steps(started)).unwrap_or_else(|reason| {
            self.progress.finish();
            Err(DeviceError::Failed { name: self.summary.device.clone(), reason }.into())
        })
    }

    /// Completes a run after its last step. What is kept of a fold goes to the file `keep`.
    pub(super) fn complete(mut self, keep: Option<&Path>) -> Result<Outcome, RunError> {
        let size = self.stages.last().map_or(self.recipe.transforms().size, |s| s.state.size);
        self.summary.status = Status::Complete;
        let saved = self.save_model("final", size).and_then(|_| {
            // The weights of an earlier stop are superseded; the report lists what is in the folder.
            let _ = std::fs::remove_file(self.folder.model_path("interrupted")?);
            self.write()
        });
        if let Err(error) = saved {
            return Err(self.failed(error));
        }
        let network = self.learner.network().valid();
        let meta = self.meta(size);
        let held_out = self.held_out();
        if let Some(path) = keep {
            let paths = self.sets.dataset.valid.iter().map(|item| item.path.to_string_lossy().into_owned()).collect();
            KeptFold { held_out: held_out.clone(), paths, data: self.record.data.clone() }.write(path)?;
        }
        // Up to this point the run could resume from its last stage; now it is complete.
        self.snapshots.remove()?;
        Ok(Outcome {
            folder: self.folder.path().to_path_buf(),
            classes: self.sets.dataset.classes,
            task: self.recipe.task(),
            predictor: Predictor::new(network, meta, self.learner.device().clone()),
            summary: self.summary,
            batches: BatchRow::of_run(&self.record),
            supplied: self.supplied,
            held_out,
        })
    }

    /// The final network's predictions of the validation images.
    fn held_out(&mut self) -> Option<HeldOut> {
        let (look, loss) = (self.look.take()?, self.valid_loss.as_ref()?);
        let ids = self.sets.dataset.valid.iter().map(|item| item.id.clone()).collect();
        let augmented = self.averaged.take();
        Some(HeldOut { ids, probabilities: look.probabilities, augmented, truth: loss.truth().clone() })
    }

    /// Ends a run after a stop request.
    pub(super) fn stopped(mut self) -> RunError {
        let size = self.stages.get(self.summary.stages.len()).map_or(self.recipe.transforms().size, |s| s.state.size);
        self.summary.status = Status::Stopped;
        let saved = self.save_model("interrupted", size).and_then(|(path, _)| self.write().map(|()| path));
        match saved {
            Ok(weights) => RunError::Stopped(Reached::Run { weights, folder: self.folder.path().to_path_buf() }),
            Err(error) => error,
        }
    }

    /// Ends a failed run with a summary of the results so far, and returns the run's own error.
    pub(super) fn failed(mut self, error: RunError) -> RunError {
        self.summary.status = Status::Failed;
        self.summary.notes.push(error.to_string());
        if let Err(second) = self.write() {
            self.progress.warn(&second.to_string());
        }
        error
    }

    fn write(&mut self) -> Result<(), RunError> {
        self.folder.write_summary(&self.summary)?;
        self.folder.write_batches(&self.record)?;
        if self.reports {
            if let Some(gallery) = &mut self.record.gallery {
                gallery.make_thumbnails();
            }
            self.folder.write_report(&self.summary, &self.record)?;
        }
        Ok(())
    }
}

/// The network of a recipe with this head and random weights.
fn initial_network(model: &Model, head: &HeadSpec, classes: usize, seed: u64, device: &Device) -> Network {
    Network::cut(model.arch.name(), model.cut, head, classes, seed, device)
        .with_stochastic_depth(model.stochastic_depth)
}

fn counts(facts: &Facts) -> Counts {
    let count = |n: Option<u64>| n.unwrap_or(0) as usize;
    Counts { train: count(facts.train), valid: count(facts.valid), test: count(facts.test) }
}
