//! The folder of a sweep.

use std::path::{Path, PathBuf};

use fastai_dsl::Recipe;
use fastai_dsl::overrides::Override;
use fastai_dsl::source::RecipeText;

use super::out_of_fold::OutOfFold;
use super::standings::Standings;
use super::trial::{Trial, TrialKey};
use super::{AllDiverged, SweepOrigin, SweepSpec, page};
use crate::RunError;
use crate::atomic::{create_folder, locked, write_atomic};
use crate::error::ResumeError;
use crate::names::typed;
use crate::report::claim_folder;
use crate::sealed::{read_sealed, write_sealed};

/// The file that says what the sweep is, and its kind.
const STATE: (&str, &str) = ("sweep.state", "fastai sweep 1");
/// Largest state, bytes.
const LARGEST: u64 = 16 << 20;
/// The recipe of the best candidate.
const BEST: &str = "best.recipe";
/// With folds, the predictions of the best candidate.
const OUT_OF_FOLD: &str = "out_of_fold.csv";

/// The folder of a sweep: `sweep.state` (what it is), `trials/` (the results, with digests), `runs/` (a run folder for each
/// trial), and what [`run`](super::run) writes at its end: `sweep.json`, `runs.csv`, `scores.svg`, `report.html` and, unless all
/// candidates diverged, `best.recipe` and, with folds, `out_of_fold.csv` of the best.
#[derive(Debug)]
pub struct SweepFolder {
    path: PathBuf,
    /// Held while the sweep is worked on.
    _lock: std::fs::File,
}

impl SweepFolder {
    /// Creates the folder of a new sweep: `out`, or `sweeps/NAME-TIME`.
    ///
    /// # Errors
    /// If `out` contains anything, or cannot be created.
    pub fn create(out: Option<&Path>, name: &str, origin: &SweepOrigin) -> Result<Self, RunError> {
        if let Some(begun) = out.filter(|path| SweepFolder::exists(path)) {
            let resumed = format!("`fastai sweep --resume {}` goes on with it", typed(begun));
            let what = format!("a sweep is there: {resumed}; or name another folder");
            let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, what);
            return Err(RunError::file("create", begun, error));
        }
        let path = claim_folder(out, "sweeps", name)?;
        let folder = SweepFolder { _lock: lock(&path)?, path };
        let bytes = serde_json::to_vec_pretty(origin)
            .map_err(|e| RunError::file("write", folder.path.join(STATE.0), e.into()))?;
        write_sealed(&folder.path.join(STATE.0), STATE.1, &bytes)?;
        Ok(folder)
    }

    /// Opens the folder of a sweep that began, and says what the sweep is.
    ///
    /// # Errors
    /// If there is none, its state is damaged, or another process works on it.
    pub fn open(path: &Path) -> Result<(Self, SweepOrigin), RunError> {
        let state = path.join(STATE.0);
        if !state.is_file() {
            return Err(ResumeError::NoSweep(path.to_path_buf()).into());
        }
        let broken = |reason: String| RunError::from(ResumeError::Broken { path: state.clone(), reason });
        let bytes = read_sealed(&state, STATE.1, LARGEST)?.map_err(broken)?;
        let origin = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        Ok((SweepFolder { _lock: lock(path)?, path: path.to_path_buf() }, origin))
    }

    /// Whether a sweep began in this folder.
    pub fn exists(path: &Path) -> bool {
        path.join(STATE.0).is_file()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a trial's result.
    pub(super) fn trial(&self, key: TrialKey) -> PathBuf {
        self.path.join("trials").join(format!("{}.trial", key.name()))
    }

    /// The run folder of a trial.
    pub(super) fn run(&self, key: TrialKey) -> PathBuf {
        self.path.join("runs").join(key.name())
    }

    /// What is kept of these trials.
    pub(super) fn trials(&self, spec: &SweepSpec, keys: &[TrialKey]) -> Result<Vec<Trial>, RunError> {
        let mut trials = Vec::new();
        for key in keys {
            trials.extend(Trial::read(&self.trial(*key), *key, spec.recipe(*key))?);
        }
        Ok(trials)
    }

    /// Copies the complete trials of other folders of the same sweep.
    ///
    /// # Errors
    /// If a trial cannot be read or written, or is of another recipe.
    pub fn take_trials(&self, spec: &SweepSpec, parts: &[&SweepFolder]) -> Result<(), RunError> {
        self.prepare()?;
        for key in spec.trials() {
            for part in parts {
                let trial = Trial::read(&part.trial(key), key, spec.recipe(key))?;
                if let Some(trial) = trial.filter(|trial| trial.is_at(None)) {
                    trial.write(&self.trial(key))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes the folders of trials and runs.
    pub(super) fn prepare(&self) -> Result<(), RunError> {
        for name in ["trials", "runs"] {
            create_folder(&self.path.join(name))?;
        }
        Ok(())
    }

    /// Writes the table, the plots, the report and the best recipe, of which there is none if all `diverged`.
    pub(super) fn write_results(
        &self,
        spec: &SweepSpec,
        standings: &Standings,
        trials: &[Trial],
        diverged: Option<&AllDiverged>,
    ) -> Result<(), RunError> {
        let json = serde_json::to_string_pretty(standings)
            .map_err(|e| RunError::file("write", self.path.join("sweep.json"), e.into()))?;
        self.write("sweep.json", &(json + "\n"))?;
        write_atomic(self.path.join("runs.csv"), |out| write_runs(standings, out))?;
        self.write("scores.svg", &page::scores(standings))?;
        if diverged.is_some() {
            // Those of an earlier version, or of a time when not all candidates had ended.
            for name in [BEST, OUT_OF_FOLD] {
                let _ = std::fs::remove_file(self.path.join(name));
            }
        } else if let Some(best) = standings.best() {
            let recipe = seeded(&spec.candidates[best.candidate].recipe, spec.seeds[0]);
            let mut head = String::new();
            if best.is_ruined() {
                let fate = best.fate_in_words(spec.seeds.len() * spec.folds()).replace('\n', " ");
                head += &format!("// No combination of the sweep ended sound; this one: {fate}.\n");
            }
            if standings.different_images {
                head += "// The combinations of the sweep were measured on different images or labels, this one on its own.\n";
            }
            self.write(BEST, &(head + &recipe))?;
            let whole = OutOfFold::of(spec, best.candidate, trials).filter(|_| spec.folds() > 1);
            if let Some(whole) = whole.filter(OutOfFold::is_regular) {
                write_atomic(self.path.join(OUT_OF_FOLD), |out| whole.write(out))?;
            }
        }
        self.write("report.html", &page::page(standings, &spec.origin, diverged))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RunError> {
        Ok(write_atomic(self.path.join(name), |out| out.write_all(text.as_bytes()))?)
    }
}

/// The text of a recipe with this seed: that of `--seed` is not in it, and without would make another run.
fn seeded(recipe: &Recipe, seed: u64) -> String {
    let text = recipe.kept_text();
    if recipe.seed() == seed {
        return text;
    }
    let seed = Override { key: "seed".to_string(), value: Some(seed.to_string()), option: "--set" };
    RecipeText::new(BEST, &text, &[seed]).result.map_or(text, |checked| checked.recipe.kept_text())
}

/// Takes the folder for this process.
fn lock(path: &Path) -> Result<std::fs::File, RunError> {
    let file = path.join(".lock");
    let opened = std::fs::File::options().create(true).write(true).truncate(false).open(&file);
    let opened = opened.map_err(|e| RunError::file("create", &file, e))?;
    match locked(&opened) {
        Err(std::fs::TryLockError::WouldBlock) => Err(ResumeError::Running(path.to_path_buf()).into()),
        // File systems without locks.
        _ => Ok(opened),
    }
}

/// `runs.csv`: a row for each complete run, with a column for each changed key.
fn write_runs(standings: &Standings, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let keys: Vec<&str> =
        standings.standings.first().map_or_else(Vec::new, |s| s.settings.iter().map(|(key, _)| key.as_str()).collect());
    let fixed = ["candidate", "seed", "fold"];
    let measured = [standings.metric.as_str(), "val_loss", "seconds"];
    csv.write_record(fixed.iter().chain(&keys).chain(&measured))?;
    for standing in &standings.standings {
        for run in &standing.runs {
            let mut row = vec![standing.candidate.to_string(), run.key.seed.to_string(), run.key.fold.to_string()];
            row.extend(standing.settings.iter().map(|(_, value)| value.clone()));
            row.extend([run.score.to_string(), run.val_loss.to_string(), format!("{:.3}", run.seconds)]);
            csv.write_record(&row)?;
        }
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{recipe, result, spec};
    use super::super::trial::{TrialEnd, TrialResult};
    use super::super::{Candidate, Ruin};
    use super::*;
    use crate::train::Course;

    #[test]
    fn the_best_of_a_sweep_of_which_none_ended_sound_says_so() {
        let recipe = recipe("fit(0.01, 4);");
        let candidate = Candidate { settings: Vec::new(), folds: vec![recipe.clone()], recipe: recipe.clone() };
        let spec = spec(vec![candidate]);
        let ruin = Some(Ruin { step: 0, course: Course::NothingLearned, epoch: 1 });
        let result = TrialResult { ruin, ..result(&[], &[], 0.7) };
        let mut trial = Trial::new(spec.trials()[0], &recipe);
        trial.end = Some(TrialEnd::Complete(Box::new(result)));
        let trials = [trial];
        let standings = Standings::new(&spec, &trials, &|_| true);
        let diverged = AllDiverged::of(&spec, &standings);
        assert_eq!(diverged, None, "it is the best there is");
        let scratch = tempfile::tempdir().unwrap();
        let folder = SweepFolder::create(Some(scratch.path()), "A", &spec.origin).unwrap();
        folder.write_results(&spec, &standings, &trials, diverged.as_ref()).unwrap();
        let written = |name: &str| std::fs::read_to_string(scratch.path().join(name)).unwrap();
        let (best, page) = (written(BEST), written("report.html"));
        let fate = "ended sound; this one: nothing learned at epoch 1 of step 1.";
        assert_eq!(best, format!("// No combination of the sweep {fate}\n{}", recipe.kept_text()));
        assert!(RecipeText::new(BEST, &best, &[]).result.is_ok(), "{best}");
        assert!(page.contains(&format!("No candidate {fate}")) && !page.contains("TRAINING FAILED"), "{page}");
    }
}
