//! The run of a recipe that holds out several folds in turn.
//!
//! Each fold is a run like any other, in `folds/1` and so on, which stops and continues by itself. The run around them keeps
//! what a complete fold predicted, and ends with the figures of all folds and the ensemble of their networks.

mod ending;
mod kept;
mod state;

use std::path::{Path, PathBuf};
use std::time::Instant;

use fastai_dsl::Recipe;

pub(super) use kept::KeptFold;

use super::opening::repeats;
use super::paused::{Paused, as_begun, ended, refuse};
use super::snapshot_folder::SnapshotFolder;
use super::told::{FoldProgress, Told};
use super::{Outcome, RunOptions, completed, is_unfinished, run_here};
use crate::RunError;
use crate::data::{AcrossFolds, DataError, Dataset, Finding, FindingKind};
use crate::error::{Reached, ResumeError};
use crate::predict::fold_folder;
use crate::progress::Progress;
use crate::report::{Folds, Record, RunFailure, RunFolder, Status, Summary, refuse_link};
use state::FoldsState;

/// What the run around the folds and one of them have to do with each other.
#[derive(Clone, Copy)]
pub(super) struct OneFold<'a> {
    /// The file of what is kept of the fold.
    pub(super) keep: &'a Path,
    /// What is the same for all folds.
    pub(super) across: &'a AcrossFolds,
}

/// A run of folds in progress.
struct FoldedRun<'a> {
    recipe: &'a Recipe,
    folds: Vec<Recipe>,
    options: RunOptions,
    folder: RunFolder,
    /// The lock of the run, and the folder of what is kept.
    lock: SnapshotFolder,
    summary: Summary,
    record: Record,
    /// Whether the folds have measured a labelled test set.
    tests: bool,
    progress: &'a mut dyn Progress,
    told: Told,
    /// What the first fold of this process finds out for all of them.
    across: AcrossFolds,
}

/// Whether `run` is the folder of an incomplete run of folds.
pub(super) fn exists(run: &Path) -> bool {
    FoldsState::path(run).is_file()
}

/// The text of the recipe with which the run began.
pub(super) fn recipe_of(run: &Path) -> Result<String, RunError> {
    Ok(FoldsState::read(run)?.recipe)
}

/// Checks that the split leaves each fold images to train on and to measure with. What else is wrong with the data the first fold
/// says, together with what its images show.
fn check_split(recipe: &Recipe) -> Result<(), RunError> {
    let Err(error) = Dataset::open(recipe.data(), recipe.task()) else { return Ok(()) };
    let of_split = |finding: &Finding| {
        matches!(finding.kind, FindingKind::Split | FindingKind::TooFew { .. } | FindingKind::OneClass { .. })
    };
    if error.findings.iter().all(of_split) { Err(error.into()) } else { Ok(()) }
}

/// Trains every fold of the recipe.
pub(super) fn run(recipe: &Recipe, options: &RunOptions, progress: &mut dyn Progress) -> Result<Outcome, RunError> {
    check_split(recipe)?;
    let is_new = options.out.as_ref().is_none_or(|out| !out.exists());
    let folder = RunFolder::create(options.out.as_deref(), recipe.name())?;
    let place = folder.path().to_path_buf();
    let lock = SnapshotFolder::take(&place)?;
    let state = FoldsState::new(recipe.kept_text(), options.seed.unwrap_or(recipe.seed()), options);
    state.write(&place)?;
    options.place.set(&place);
    let result = FoldedRun::new(recipe, state, options, folder, lock, progress).train();
    // What failed before its first fold began leaves nothing behind, as the run of a single fold would.
    if result.is_err() && !fold_folder(&place, 1).exists() {
        let _ = std::fs::remove_dir_all(place.join(crate::summary_file::RESUME));
        if is_new {
            let _ = std::fs::remove_dir(&place);
        }
    }
    result
}

/// Continues the run in `folder`.
pub(super) fn resume(
    recipe: &Recipe,
    folder: &Path,
    options: &RunOptions,
    progress: &mut dyn Progress,
) -> Result<Outcome, RunError> {
    if !exists(folder) {
        let run = folder.to_path_buf();
        let why = match completed(folder) {
            Ok(Some(summary)) => ended(folder, &summary, Some(recipe), options),
            _ if is_unfinished(folder) => ResumeError::Differs {
                folder: run,
                differences: vec!["it is a run without folds, and the recipe holds out several in turn".to_string()],
            },
            _ if folder.is_dir() => ResumeError::NoSnapshot(run),
            _ => ResumeError::NoFolder(run),
        };
        return Err(why.into());
    }
    let lock = SnapshotFolder::take(folder)?;
    let state = FoldsState::read(folder)?;
    refuse(folder, state.differences(&recipe.to_string(), options))?;
    let recipe = &as_begun(&state.recipe, recipe);
    options.place.set(folder);
    let folder = RunFolder::reopen(folder, Vec::new())?;
    FoldedRun::new(recipe, state, options, folder, lock, progress).train()
}

impl<'a> FoldedRun<'a> {
    fn new(
        recipe: &'a Recipe,
        state: FoldsState,
        options: &RunOptions,
        folder: RunFolder,
        lock: SnapshotFolder,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let folds = recipe.folds();
        let summary = Summary {
            format: Summary::FORMAT,
            status: Status::Running,
            smoke: state.smoke,
            name: recipe.name().to_string(),
            doc: recipe.doc().map(str::to_string),
            recipe: recipe.kept_text(),
            task: recipe.task(),
            seed: state.seed,
            directory: Summary::working_directory(),
            threads: options.threads.unwrap_or_else(rayon::current_num_threads),
            folds: Some(Folds { count: folds.len(), ..Folds::default() }),
            ..Summary::default()
        };
        let options = RunOptions { seed: Some(state.seed), smoke: state.smoke, ..options.clone() };
        let record = Record::default();
        let (told, across) = (Told::default(), AcrossFolds::default());
        FoldedRun { recipe, folds, options, folder, lock, summary, record, tests: false, progress, told, across }
    }

    /// Trains what is missing of the folds, and ends the run.
    fn train(mut self) -> Result<Outcome, RunError> {
        let mut kept = Vec::with_capacity(self.folds.len());
        for index in 0..self.folds.len() {
            match self.fold(index) {
                Ok((fold, run)) => {
                    kept.push(fold);
                    self.add(&run)?;
                }
                Err(RunError::Stopped(reached)) => return Err(self.stopped(reached)),
                Err(error) => return Err(self.failed(Some(index), error)),
            }
        }
        let began = Instant::now();
        self.end(kept, began)
    }

    /// Trains a fold, unless it is complete.
    fn fold(&mut self, index: usize) -> Result<(KeptFold, Summary), RunError> {
        let (number, count) = (index + 1, self.folds.len());
        let folder = fold_folder(self.folder.path(), number);
        let file = self.lock.file(&format!("fold-{number}.kept"));
        if let (Some(run), Some(kept)) = (completed(&folder)?, KeptFold::read(&file)?) {
            self.progress.note(&format!("fold {number} of {count}: complete"));
            return Ok((kept, run));
        }
        self.progress.note(&format!("fold {number} of {count}"));
        let recipe = &self.folds[index];
        let options = RunOptions { out: Some(folder.clone()), ..self.options.clone() };
        let paused = match is_unfinished(&folder).then(|| Paused::take(recipe, &folder, &options)) {
            Some(Ok(paused)) => Some(paused),
            // A fold that was killed before its first snapshot was whole begins anew, as one that never began.
            None | Some(Err(RunError::Resume(ResumeError::Broken { .. }))) => None,
            Some(Err(error)) => return Err(error),
        };
        if paused.is_none() {
            if let Some(warning) = repeats(&folder) {
                self.progress.warn(&warning);
            }
            remove(&folder)?;
        }
        let mut progress = FoldProgress::new(&mut *self.progress, &mut self.told);
        let fold = OneFold { keep: &file, across: &self.across };
        let outcome = run_here(recipe, &options, &mut progress, paused, Some(fold))?;
        let kept = KeptFold::read(&file)?.ok_or_else(|| {
            RunError::file("read", &file, std::io::Error::other("what a fold left there is not what it wrote"))
        })?;
        Ok((kept, outcome.summary))
    }

    /// Adds a complete fold to the summary.
    fn add(&mut self, run: &Summary) -> Result<(), RunError> {
        let summary = &mut self.summary;
        match summary.classes.is_empty() {
            true => begin_as(summary, run),
            false => summary.counts.valid += run.counts.valid,
        }
        if summary.classes != run.classes {
            let text = "the folds have different classes: the data changed while the run was paused";
            let kind = FindingKind::OtherClasses { wanted: summary.classes.clone(), found: run.classes.clone() };
            return Err(DataError::one(Finding::new(kind, text)).into());
        }
        self.tests |= run.test.is_some();
        let Some(folds) = &mut summary.folds else { unreachable!("a run of folds has them") };
        let number = folds.each.len() + 1;
        let report = fold_folder(self.folder.path(), number).join("report.html").is_file();
        folds.each.push(run.of_fold(report));
        summary.seconds += run.seconds;
        // What is lost the summary of the fold says.
        summary.notes.extend(run.unbeaten().map(|warning| format!("fold {number}: {warning}")));
        self.folder.write_recipe(&summary.recipe, summary.seed)?;
        self.folder.write_summary(summary)?;
        Ok(())
    }

    /// Takes what the first fold knows if it is not complete.
    fn know_first(&mut self) {
        let first = Summary::read(&fold_folder(self.folder.path(), 1));
        if let Some(first) = first.ok().filter(|_| self.summary.classes.is_empty()) {
            begin_as(&mut self.summary, &first);
        }
    }

    /// Ends the run after a stop request.
    fn stopped(mut self, reached: Reached) -> RunError {
        if !fold_folder(self.folder.path(), 1).exists() {
            return RunError::Stopped(reached);
        }
        self.summary.status = Status::Stopped;
        self.know_first();
        if let Err(error) = self.write_pages() {
            return error;
        }
        RunError::Stopped(match reached {
            Reached::Run { weights, .. } => Reached::Run { weights, folder: self.folder.path().to_path_buf() },
            // Between the folds, or before the first batch of one: the run goes on from here.
            other => match self.summary.folds.as_ref().map_or(0, |folds| folds.each.len()) {
                0 => other,
                done => {
                    let folder = self.folder.path().to_path_buf();
                    Reached::Folds { done, of: self.folds.len(), folder }
                }
            },
        })
    }

    /// Ends a failed run with the results so far, and returns the error, that of a fold if there is one.
    fn failed(mut self, fold: Option<usize>, error: RunError) -> RunError {
        if fold == Some(0) && !fold_folder(self.folder.path(), 1).exists() {
            return error;
        }
        self.summary.status = Status::Failed;
        self.know_first();
        let of = fold.map_or_else(String::new, |index| format!("fold {}: ", index + 1));
        let said = format!("{of}{error}");
        self.summary.failure = Some(RunFailure { error: said.clone(), ..RunFailure::of(&error) });
        self.summary.notes.push(said);
        if let Err(second) = self.write_pages() {
            self.progress.warn(&second.to_string());
        }
        error
    }
}

/// Takes into the summary of a run what its first fold knows of data, device and weights.
fn begin_as(summary: &mut Summary, first: &Summary) {
    summary.classes.clone_from(&first.classes);
    summary.device.clone_from(&first.device);
    summary.device_reason.clone_from(&first.device_reason);
    summary.counts = first.counts;
    summary.data.clone_from(&first.data);
    summary.weights.clone_from(&first.weights);
}

/// Removes what a fold left that cannot go on.
fn remove(folder: &Path) -> Result<(), RunError> {
    let parents: Vec<PathBuf> = folder.ancestors().take(2).map(Path::to_path_buf).collect();
    parents.iter().try_for_each(|path| refuse_link(path))?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(RunError::file("remove", folder, error)),
        _ => Ok(()),
    }
}
