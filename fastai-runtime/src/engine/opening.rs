//! Opens a run: everything that it needs, cheapest first.

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use fastai_dsl::{Facts, Plan, Precision, Recipe};

use super::beginning::{initial_network, initial_weights};
use super::data_digest::DataDigest;
use super::kept_run::KeptRun;
use super::paused::{Paused, refuse};
use super::room::fits_before_data;
use super::session::Session;
use super::sets::{Sets, class_weights, enough_to_train, open_data};
use super::snapshot::Snapshot;
use super::supplied::Supplied;
use super::survey::WantedData;
use super::trained_record::TrainedRecord;
use super::truths::{Losses, Truths};
use super::{RunOptions, fits_memory, keeping, measured, notes_of_parts, supplied};
use crate::RunError;
use crate::activations::ActivationCache;
use crate::data::{
    AcrossFolds, DataError, Dataset, Finding, FindingKind, Health, Preparation, Reading, merged_batches,
};
use crate::device::{self, DeviceKind, HalfFloat, Picked};
use crate::keeping_times::KeepingTimes;
use crate::models::weights::Found;
use crate::models::{self, Network};
use crate::predict::class_differences;
use crate::progress::Progress;
use crate::report::{Counts, Record, RunFolder, Status, Summary};
use crate::slow_kernels;
use crate::train::Learner;

impl<'a> Session<'a> {
    /// Opens everything that a run needs, cheapest first, and creates the run folder last, whose name it checks first; or continues
    /// where `paused` ended. `across`: what is the same for all folds, if the run is one of several folds that are held out in
    /// turn.
    pub(super) fn open(
        recipe: &'a Recipe,
        options: &RunOptions,
        progress: &'a mut dyn Progress,
        paused: Option<Paused>,
        across: Option<&AcrossFolds>,
    ) -> Result<Self, RunError> {
        let cache = ActivationCache::new(options.cache.clone().unwrap_or_else(ActivationCache::default_root));
        cache.check()?;
        let (own_loss, metrics) = (supplied::loss(recipe, options)?, supplied::measures(recipe, &options.metrics)?);
        if let Some(paused) = &paused {
            refuse(&paused.folder, supplied::differences(&paused.snapshot.own_metrics, &options.metrics))?;
        }
        if paused.is_none() {
            RunFolder::check(options.out.as_deref())?;
        }
        let opening = Opening::of(recipe, options, paused.as_ref(), across);
        if let Some(warning) = paused.as_ref().and_then(|paused| repeats(&paused.folder)) {
            progress.warn(&warning);
        }
        let weights = opening.weights(paused.as_ref(), progress)?;
        let device = opening.device(progress)?;
        if device.picked.kind == DeviceKind::Cpu && options.memory.is_none() {
            fits_before_data(recipe)?;
        }
        let data = opening.data(cache.root(), paused.as_ref(), progress)?;
        let classes = data.dataset.classes.len();
        let plan = Plan::new(recipe, &data.dataset.facts());
        let parts = opening.parts(&plan, device.picked.kind, paused.as_ref())?;
        let network = opening.network(weights.as_ref(), &device, classes)?;
        let truths = Truths::of(&data.dataset, recipe.task())?;
        let left_out = truths.left_out(&metrics, &data.dataset.classes, opening.smoke)?;
        let class_weights = class_weights(recipe.class_weights(), &data.dataset)?;
        let baseline = truths.baseline(&data.dataset.classes, &recipe.data().source);
        let weights_of_classes = class_weights.as_deref();
        let losses = Losses::of(truths, recipe, own_loss.as_ref(), weights_of_classes, classes, &device.training)?;
        let mut summary = Summary { baseline, ..opening.summary(weights.as_ref(), &device, &data) };
        let notes = opening.notes(weights.as_ref(), &device, &data).into_iter();
        for note in notes.chain(notes_of_parts(&plan.stages, &parts)).chain(left_out) {
            progress.note(&note);
            summary.notes.push(note);
        }
        let body = models::body_digest(&network);
        let kept = opening.kept(paused, data.digest, body, parts)?;
        options.place.set(kept.folder.path());
        if let Some(began) = &summary.data {
            TrainedRecord::of(&kept.snapshot.data, &began.train).write(kept.folder.path())?;
        }
        let mut session = Session {
            recipe,
            device: device.picked.kind,
            stop: options.stop.clone(),
            progress,
            smoke: opening.smoke,
            reports: options.report.unwrap_or(recipe.report()),
            seed: opening.seed,
            class_weights,
            train_loss: losses.train,
            valid_loss: losses.valid,
            test_loss: losses.test,
            learner: Learner::new(network, device.training),
            stages: plan.stages,
            constant_loss: losses.constant,
            metrics,
            supplied: Supplied::of(options),
            cache,
            record: Record { data: measured::overview(&data.dataset, &data.health), ..Record::default() },
            sets: opening.sets(data.dataset, &data.health, &data.reading),
            folder: kept.folder,
            summary,
            head: recipe.model().head.clone(),
            heads: 1,
            look: None,
            averaged: None,
            thresholds: None,
            snapshots: kept.snapshots,
            snapshot: kept.snapshot,
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
        for warning in kept.warnings.into_iter().chain(session.damaged_models()) {
            session.warn(warning);
        }
        // Of the place, and not of the run, which may go on elsewhere.
        if let Some(warning) = session.snapshots.warning() {
            session.progress.warn(warning);
        }
        Ok(session)
    }
}

/// That the run in `folder` failed by what its batches do, and does so again; what is read there is only said.
pub(super) fn repeats(folder: &Path) -> Option<String> {
    let lost = Summary::read(folder).ok()?.failure?.lost_numbers()?;
    Some(format!(
        "the run in {} goes on, but {lost}, and the same batches follow at the same rates: lower them and run anew",
        folder.display()
    ))
}

/// The run to open: what is asked for, and what it began with if it goes on.
struct Opening<'o> {
    recipe: &'o Recipe,
    options: &'o RunOptions,
    seed: u64,
    smoke: bool,
    /// What is the same for all folds, if it is one of several folds that are held out in turn.
    across: Option<&'o AcrossFolds>,
}

/// Where a run trains.
struct TrainingDevice {
    picked: Picked,
    /// With autodiff.
    training: Device,
    /// The 16-bit floats of the convolutions, if the recipe asks for them and the device is faster with them.
    half: Option<HalfFloat>,
}

impl TrainingDevice {
    /// Why the devices that were tried first were rejected; empty if none was.
    fn reason(&self) -> String {
        self.picked.rejected.join("; ")
    }
}

/// The data of a run.
struct RunData {
    dataset: Dataset,
    health: Health,
    reading: Reading,
    digest: DataDigest,
}

impl<'o> Opening<'o> {
    fn of(
        recipe: &'o Recipe,
        options: &'o RunOptions,
        paused: Option<&Paused>,
        across: Option<&'o AcrossFolds>,
    ) -> Self {
        let smoke = paused.map_or(options.smoke, |paused| paused.snapshot.smoke);
        let seed = paused.map_or(options.seed.unwrap_or(recipe.seed()), |paused| paused.snapshot.seed);
        Opening { recipe, options, seed, smoke, across }
    }

    /// Finds the weights of the body, and checks that they fit; `None` of random ones, and of a run that has trained its own.
    fn weights(&self, paused: Option<&Paused>, progress: &mut dyn Progress) -> Result<Option<Found>, RunError> {
        if paused.is_some_and(|paused| paused.snapshot.weights.is_some()) {
            return Ok(None);
        }
        let model = self.recipe.model();
        let found = models::resolve(&model.weights, model.arch.name(), progress)?;
        if let Some(found) = &found {
            models::weights::check(&found.path, model.arch.name(), model.cut)?;
        }
        Ok(found)
    }

    /// Chooses the device, and says which it is.
    fn device(&self, progress: &mut dyn Progress) -> Result<TrainingDevice, RunError> {
        let picked = device::pick(self.options.device.clone().unwrap_or(self.recipe.device().into()))?;
        let half = if self.recipe.precision() == Precision::Mixed { picked.half() } else { None };
        let device = TrainingDevice { training: picked.device.clone().autodiff(), picked, half };
        let reason = device.reason();
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        progress.note(&format!("device: {}{because}", device.picked.name));
        if let Some(warning) = slow_kernels::first_warning() {
            progress.warn(warning);
        }
        Ok(device)
    }

    /// Opens the data, and checks that it can be trained on, with the classes that were stated and the images that the run began
    /// with.
    fn data(&self, cache: &Path, paused: Option<&Paused>, progress: &mut dyn Progress) -> Result<RunData, RunError> {
        let wanted = WantedData { recipe: self.recipe, smoke: self.smoke, across: self.across };
        let (dataset, health, reading) = open_data(&wanted, self.options, cache, progress)?;
        let stated = self.options.classes.as_deref();
        if let Some(stated) = stated
            && let Some(differences) = class_differences(stated, &dataset.classes)
        {
            let text = format!(
                "the classes of the data are not those that were stated: {differences}; write the summary of the data anew \
                 with `fastai prepare`"
            );
            let kind = FindingKind::OtherClasses { wanted: stated.to_vec(), found: dataset.classes };
            return Err(DataError::one(Finding::new(kind, text)).into());
        }
        let digest = DataDigest::of(&dataset, &health);
        if let Some(paused) = paused {
            refuse(&paused.folder, paused.snapshot.data.differences(&digest))?;
        }
        enough_to_train(self.recipe, &dataset)?;
        Ok(RunData { dataset, health, reading, digest })
    }

    /// The parts in which the batches of each stage pass the body.
    fn parts(&self, plan: &Plan, device: DeviceKind, paused: Option<&Paused>) -> Result<Vec<usize>, RunError> {
        let parts = match device {
            DeviceKind::Cpu => fits_memory(self.recipe, plan, self.options.memory)?,
            _ => vec![1; plan.stages.len()],
        };
        // A run goes on in the parts that it began with, unless they are too few for this machine.
        let kept = paused.map(|paused| &paused.snapshot.parts);
        let enough =
            |kept: &&Vec<usize>| kept.len() == parts.len() && kept.iter().zip(&parts).all(|(had, need)| had >= need);
        Ok(kept.filter(enough).cloned().unwrap_or(parts))
    }

    /// The network before training, with these weights in its body.
    fn network(&self, weights: Option<&Found>, device: &TrainingDevice, classes: usize) -> Result<Network, RunError> {
        let model = self.recipe.model();
        let network = initial_network(model, &model.head, classes, self.seed, &device.training).with_half(device.half);
        Ok(match weights {
            Some(found) => models::load_body(network, &found.path)?,
            None => network,
        })
    }

    /// The summary of a run before its first step, without its notes.
    fn summary(&self, weights: Option<&Found>, device: &TrainingDevice, data: &RunData) -> Summary {
        let RunData { dataset, health, digest, .. } = data;
        Summary {
            format: Summary::FORMAT,
            status: Status::Running,
            smoke: self.smoke,
            name: self.recipe.name().to_string(),
            doc: self.recipe.doc().map(str::to_string),
            recipe: self.recipe.kept_text(),
            task: self.recipe.task(),
            seed: self.seed,
            directory: Summary::working_directory(),
            device: device.picked.name.clone(),
            device_reason: device.reason(),
            half: device.half,
            threads: self.threads(),
            classes: dataset.classes.clone(),
            counts: counts(&dataset.facts()),
            data: Some(digest.fingerprint(dataset, health)),
            // A run that goes on has those that it began with in its state.
            weights: Some(initial_weights(weights)),
            ..Summary::default()
        }
    }

    /// What is remarkable about weights, device and data.
    fn notes(&self, weights: Option<&Found>, device: &TrainingDevice, data: &RunData) -> Vec<String> {
        let RunData { dataset, health, .. } = data;
        let lacks_half = (self.recipe.precision() == Precision::Mixed && device.half.is_none()).then(|| {
            format!("`precision: mixed`: {} has no fast 16-bit floats, so training uses 32 bits", device.picked.name)
        });
        let merged = merged_batches(dataset.train.len(), self.recipe.data().batch as usize);
        let always_one = self.recipe.metrics().iter().filter_map(|metric| metric.always_one(dataset.classes.len()));
        let of_images = health.notes(&dataset.root, &dataset.split);
        let of_data = dataset.notes.iter().cloned().chain(of_images).chain(merged).chain(always_one);
        weights.map(Found::describe).into_iter().chain(lacks_half).chain(of_data).collect()
    }

    fn threads(&self) -> usize {
        self.options.threads.unwrap_or_else(rayon::current_num_threads)
    }

    /// The parts of the data, to be read as the recipe and the options say.
    fn sets(&self, dataset: Dataset, health: &Health, reading: &Reading) -> Sets {
        let (data, model) = (self.recipe.data(), self.recipe.model());
        let workers = self.options.threads.or(data.workers.map(|workers| workers as usize));
        let preparation = Preparation {
            transforms: self.recipe.transforms().clone(),
            stats: model.facts().stats,
            batch: data.batch as usize,
            workers: workers.unwrap_or_else(|| self.threads()),
            seed: self.seed,
        };
        let seen = self.options.dataset.is_none().then_some(health);
        Sets::new(dataset, reading, seen, preparation, data.sampler, data.preflight)
    }

    /// The folder of the run with its state: new ones, or those of the run that goes on. `body` is the digest of the body
    /// before training; the batches of the stages pass it in so many `parts`.
    fn kept(
        &self,
        paused: Option<Paused>,
        data: DataDigest,
        body: String,
        parts: Vec<usize>,
    ) -> Result<KeptRun, RunError> {
        let recipe = self.recipe.kept_text();
        if let Some(paused) = paused {
            return KeptRun::reopen(paused, &recipe, &body, parts);
        }
        let begin = Snapshot {
            head: self.recipe.model().head.clone(),
            own_metrics: supplied::names(&self.options.metrics),
            parts,
            ..Snapshot::begin(recipe, self.seed, self.smoke, data, body)
        };
        KeptRun::create(self.options.out.as_deref(), self.recipe.name(), begin)
    }
}

fn counts(facts: &Facts) -> Counts {
    let count = |n: Option<u64>| n.unwrap_or(0) as usize;
    Counts { train: count(facts.train), valid: count(facts.valid), test: count(facts.test) }
}
