//! Runs trials, several at a time.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastai_dsl::{BodyState, Facts, Plan, Recipe};

use super::folder::SweepFolder;
use super::standings::metric_name;
use super::trial::{Trial, TrialEnd, TrialKey, TrialResult};
use super::{EndedEarly, Ruin, SweepOptions, SweepSpec};
use crate::RunError;
use crate::device::MOST_THREADS;
use crate::engine::{self, RunOptions, Surveys};
use crate::error::{Reached, ResumeError};
use crate::progress::{Progress, StopSignal};
use crate::report::Summary;

/// How often stop requests and the budget are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A trial and how far it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrialTask {
    pub(super) key: TrialKey,
    /// Epochs after which it pauses; `None` for its end.
    pub(super) until: Option<u64>,
}

/// Runs trials and collects what is known of them.
pub(super) struct TrialPool<'a> {
    spec: &'a SweepSpec,
    options: &'a SweepOptions,
    deadline: Option<Instant>,
    folder: &'a SweepFolder,
    progress: &'a mut dyn Progress,
    surveys: Surveys,
    trials: HashMap<TrialKey, Trial>,
    /// Tasks of the current round that are done.
    done: u64,
}

/// What the threads of a pool share.
struct PoolShared<'a> {
    spec: &'a SweepSpec,
    folder: &'a SweepFolder,
    keep_models: bool,
    options: RunOptions,
    queue: Mutex<VecDeque<TrialTask>>,
    /// The stop signals of the trials that ran or run.
    running: Mutex<Vec<StopSignal>>,
    /// No further trial begins.
    halt: AtomicBool,
    /// A trial was stopped, or did not begin.
    unfinished: AtomicBool,
}

/// What a thread of a pool reports.
enum Event {
    /// A line about a trial that runs.
    Said(String),
    /// A trial ended or paused.
    Done(Box<Result<Trial, RunError>>),
}

impl<'a> TrialPool<'a> {
    pub(super) fn new(
        spec: &'a SweepSpec,
        options: &'a SweepOptions,
        deadline: Option<Instant>,
        folder: &'a SweepFolder,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let surveys = options.run.surveys.clone().unwrap_or_default();
        TrialPool { spec, options, deadline, folder, progress, surveys, trials: HashMap::new(), done: 0 }
    }

    /// What is known of the trials so far.
    pub(super) fn trials(&self) -> &HashMap<TrialKey, Trial> {
        &self.trials
    }

    pub(super) fn note(&mut self, line: &str) {
        self.progress.note(line);
    }

    /// Brings every task as far as it is to run.
    ///
    /// # Errors
    /// The first error that is not one of its candidate; the other trials stop and are kept.
    pub(super) fn work(&mut self, tasks: &[TrialTask]) -> Result<Option<EndedEarly>, RunError> {
        let mut open = VecDeque::new();
        for task in tasks {
            let recipe = self.spec.recipe(task.key);
            let known = Trial::read(&self.folder.trial(task.key), task.key, recipe)?;
            match known.filter(|trial| trial.is_at(task.until)) {
                Some(trial) => _ = self.trials.insert(task.key, trial),
                None => open.push_back(*task),
            }
        }
        self.done = (tasks.len() - open.len()) as u64;
        self.progress.begin("runs", tasks.len() as u64);
        self.progress.advance(self.done, "");
        let cores = self.options.run.threads.unwrap_or_else(rayon::current_num_threads).clamp(1, MOST_THREADS);
        let jobs = self.options.jobs.unwrap_or(if self.is_light() { cores } else { 1 }).clamp(1, open.len().max(1));
        // The first trial makes the caches, with all threads; the others find them.
        let first: VecDeque<TrialTask> = open.drain(..usize::from(jobs > 1)).collect();
        let mut ended = None;
        for (queue, jobs) in [(first, 1), (open, jobs)] {
            if ended.is_none() && !queue.is_empty() {
                if self.is_over() {
                    ended = Some(EndedEarly::Budget);
                    break;
                }
                ended = self.batch(queue, jobs, cores.div_ceil(jobs))?;
            }
        }
        self.progress.finish();
        Ok(ended)
    }

    /// Whether the time is used up.
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether every fit of every candidate trains on cached activations.
    fn is_light(&self) -> bool {
        self.spec.candidates.iter().all(|candidate| {
            let plan = Plan::new(&candidate.recipe, &Facts::default());
            plan.stages.iter().filter(|s| s.step.trains()).all(|s| s.state.body == BodyState::Precomputed)
        })
    }

    /// Runs the tasks of `queue`, `jobs` at a time, with so many threads each.
    fn batch(
        &mut self,
        queue: VecDeque<TrialTask>,
        jobs: usize,
        threads: usize,
    ) -> Result<Option<EndedEarly>, RunError> {
        let shared = PoolShared {
            spec: self.spec,
            folder: self.folder,
            keep_models: self.options.keep_models,
            options: RunOptions {
                threads: Some(threads),
                report: Some(false),
                surveys: Some(self.surveys.clone()),
                smoke: false,
                ..self.options.run.clone()
            },
            queue: Mutex::new(queue),
            running: Mutex::new(Vec::new()),
            halt: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
        };
        let (sender, receiver) = channel();
        let (mut failure, mut ended) = (None, None);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                let (shared, sender) = (&shared, sender.clone());
                scope.spawn(move || shared.serve(&sender));
            }
            drop(sender);
            loop {
                match receiver.recv_timeout(LOOK) {
                    Ok(Event::Said(line)) => self.progress.advance(self.done, &line),
                    Ok(Event::Done(done)) => match *done {
                        Ok(trial) => self.take(trial),
                        Err(RunError::Stopped(_)) => {}
                        Err(error) => {
                            failure.get_or_insert(error);
                            shared.stop();
                        }
                    },
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                let over = self.is_over();
                if ended.is_none() && (over || self.options.run.stop.requested()) {
                    ended = Some(if over { EndedEarly::Budget } else { EndedEarly::Stopped });
                    shared.stop();
                }
            }
        });
        // A stop that came when everything was done ends nothing early.
        let unfinished = shared.unfinished.load(Ordering::SeqCst);
        failure.map_or(Ok(ended.filter(|_| unfinished)), Err)
    }

    /// Reports a trial that ended or paused.
    fn take(&mut self, trial: Trial) {
        let of = self.spec.describe(trial.key);
        let name = metric_name(self.spec);
        let ruin = trial.new_ruin().map_or_else(String::new, |ruin| format!("; {ruin}"));
        match (&trial.end, trial.rungs.last()) {
            (Some(TrialEnd::Complete(result)), _) => {
                let score = result.score();
                self.progress.note(&format!("{of}: {name} {score:.4} in {:.1} s{ruin}", result.seconds));
            }
            (Some(TrialEnd::Failed(why) | TrialEnd::LostNumbers(why)), _) => {
                self.progress.warn(&format!("{of}: {why}"))
            }
            (None, Some(score)) => {
                let epochs = if trial.epochs == 1 { "epoch" } else { "epochs" };
                self.progress.note(&format!("{of}: {name} {score:.4} after {} {epochs}{ruin}", trial.epochs));
            }
            (None, None) => {}
        }
        self.trials.insert(trial.key, trial);
        self.done += 1;
        self.progress.advance(self.done, "");
    }
}

impl PoolShared<'_> {
    /// Asks every running trial to stop, and begins no other.
    fn stop(&self) {
        self.halt.store(true, Ordering::SeqCst);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(StopSignal::request);
    }

    /// Runs tasks until there are none.
    fn serve(&self, sender: &Sender<Event>) {
        loop {
            let Some(task) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
            let stop = StopSignal::default();
            self.running.lock().unwrap_or_else(PoisonError::into_inner).push(stop.clone());
            // Asked after the signal is in the list, so that no stop is missed.
            let halted = self.halt.load(Ordering::SeqCst);
            let done = if halted { Err(RunError::Stopped(Reached::Batch)) } else { self.perform(task, stop, sender) };
            if matches!(done, Err(RunError::Stopped(_))) {
                self.unfinished.store(true, Ordering::SeqCst);
            }
            if sender.send(Event::Done(Box::new(done))).is_err() {
                return;
            }
        }
    }

    /// Runs a trial to its end, or to the epoch at which it pauses.
    fn perform(&self, task: TrialTask, stop: StopSignal, sender: &Sender<Event>) -> Result<Trial, RunError> {
        let recipe = self.spec.recipe(task.key);
        let (path, run) = (self.folder.trial(task.key), self.folder.run(task.key));
        let mut trial = Trial::read(&path, task.key, recipe)?.unwrap_or_else(|| Trial::new(task.key, recipe));
        let options = RunOptions { out: Some(run.clone()), seed: Some(task.key.seed), stop, ..self.options.clone() };
        let name = metric_name(self.spec);
        let mut watcher = Watcher::new(recipe, task.until, &name, options.stop.clone(), |line| {
            // The receiver outlives the threads.
            let _ = sender.send(Event::Said(format!("{}: {line}", self.spec.describe(task.key))));
        });
        let mut result = Err(RunError::Stopped(Reached::Batch));
        let begun = engine::is_unfinished(&run);
        if begun {
            result = engine::resume(recipe, &run, &options, &mut watcher);
        }
        // A run that was killed before its first snapshot was whole begins anew, as one that never began.
        if !begun || matches!(result, Err(RunError::Resume(ResumeError::Broken { .. } | ResumeError::NoSnapshot(_)))) {
            trial = Trial::new(task.key, recipe);
            remove(&run)?;
            result = engine::run(recipe, &options, &mut watcher);
        }
        let Watcher { epochs, paused_at, .. } = watcher;
        match result {
            Ok(outcome) => {
                trial.epochs = epochs;
                trial.record_images(&outcome.summary);
                trial.end = Some(TrialEnd::Complete(Box::new(TrialResult::of(&outcome.summary, outcome.held_out)?)));
            }
            Err(RunError::Stopped(_)) if paused_at.is_some() => {
                trial.epochs = epochs;
                trial.rungs.extend(paused_at);
                // A trial of an earlier version has none for the rungs before.
                trial.ruins.resize(trial.rungs.len() - 1, None);
                let summary = Summary::read(&run)?;
                trial.ruins.push(Ruin::of(&summary));
                trial.record_images(&summary);
            }
            // These depend on the candidate: others may well succeed.
            Err(error @ (RunError::Diverged { .. } | RunError::LostWeights { .. })) => {
                trial.epochs = epochs;
                trial.end = Some(TrialEnd::LostNumbers(error.to_string()));
            }
            Err(error @ (RunError::NoRate { .. } | RunError::TooLarge { .. })) => {
                trial.epochs = epochs;
                trial.end = Some(TrialEnd::Failed(error.to_string()));
            }
            Err(error) => return Err(error),
        }
        trial.write(&path)?;
        if trial.end.is_some() && !self.keep_models {
            remove(&run.join(crate::summary_file::MODELS))?;
            remove(&run.join(crate::summary_file::RESUME))?;
        }
        Ok(trial)
    }
}

fn remove(folder: &Path) -> Result<(), RunError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(RunError::file("remove", folder, error)),
        _ => Ok(()),
    }
}

/// Follows the epochs of a trial, and pauses it.
struct Watcher<F> {
    /// Epochs of the fits before each stage.
    before: Vec<u64>,
    stage: usize,
    /// The column of the score in the table of epochs.
    column: Option<usize>,
    name: String,
    until: Option<u64>,
    stop: StopSignal,
    say: F,
    /// Epochs trained.
    epochs: u64,
    /// The score with which it paused.
    paused_at: Option<f64>,
}

impl<F: Fn(&str)> Watcher<F> {
    fn new(recipe: &Recipe, until: Option<u64>, name: &str, stop: StopSignal, say: F) -> Self {
        let plan = Plan::new(recipe, &Facts::default());
        let ends = plan.stages.iter().scan(0, |sum, stage| {
            *sum += stage.epochs;
            Some(*sum)
        });
        let before = std::iter::once(0).chain(ends).collect();
        Watcher { before, stage: 0, column: None, name: name.to_string(), until, stop, say, epochs: 0, paused_at: None }
    }
}

impl<F: Fn(&str) + Send> Progress for Watcher<F> {
    fn stage(&mut self, index: usize, _: usize, _: &str) {
        self.stage = index;
    }
    fn table_header(&mut self, columns: &[&str]) {
        // The first column is the epoch, which is not among the values of a row.
        self.column = columns.iter().position(|column| *column == self.name).map(|at| at - 1);
    }
    fn table_row(&mut self, epoch: u64, values: &[f64]) {
        self.epochs = self.before.get(self.stage).copied().unwrap_or(0) + epoch + 1;
        let Some(score) = self.column.and_then(|column| values.get(column)) else { return };
        (self.say)(&format!("epoch {}: {} {score:.4}", self.epochs, self.name));
        // A fit may end early, so that the epoch itself never comes.
        if self.until.is_some_and(|until| self.epochs >= until) && self.paused_at.is_none() {
            self.paused_at = Some(*score);
            self.stop.request();
        }
    }
}
