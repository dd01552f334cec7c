//! The folder of a sweep.

use std::path::{Path, PathBuf};

use fastai_dsl::overrides::Override;
use fastai_dsl::seeded_text;
use fastai_dsl::source::{RecipeText, with_values};

use super::out_of_fold::OutOfFold;
use super::standings::Standings;
use super::trial::{Trial, TrialKey};
use super::{AllDiverged, SweepOrigin, SweepSpec, page};
use crate::RunError;
use crate::atomic::{create_folder, write_own};
use crate::error::ResumeError;
use crate::folder_lock::FolderLock;
use crate::locks::is_locked;
use crate::names::typed;
use crate::report::claim_folder;
use crate::sealed::{read_sealed, write_sealed};

/// The file that says what the sweep is, and its kind.
const STATE: (&str, &str) = ("sweep.state", "fastai sweep 2");
/// The kind of earlier versions, whose names of files count candidates and folds from 0.
const COUNTS_FROM_0: &str = "fastai sweep 1";
/// Largest state, bytes.
const LARGEST: u64 = 16 << 20;
/// The file that the process has locked which works on the sweep.
const LOCK: &str = ".lock";
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
    /// The number of the first candidate and of the first fold in the names of files.
    first: usize,
    /// Held while the sweep is worked on.
    lock: FolderLock,
}

impl SweepFolder {
    /// Creates the folder of a new sweep: `out`, or `sweeps/NAME-TIME`.
    ///
    /// # Errors
    /// If `out` contains anything, or cannot be created.
    pub fn create(out: Option<&Path>, name: &str, origin: &SweepOrigin) -> Result<Self, RunError> {
        if let Some(running) = out.filter(|path| is_locked(&path.join(LOCK))) {
            return Err(ResumeError::Running(running.to_path_buf()).into());
        }
        if let Some(begun) = out.filter(|path| SweepFolder::exists(path)) {
            let resumed = format!("`fastai sweep --resume {}` goes on with it", typed(begun));
            let what = format!("a sweep is there: {resumed}; or name another folder");
            let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, what);
            return Err(RunError::file("create", begun, error));
        }
        let path = claim_folder(out, "sweeps", name)?;
        let folder = SweepFolder { lock: FolderLock::take(&path, &path.join(LOCK))?, path, first: 1 };
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
        let (bytes, first) = match read_sealed(&state, COUNTS_FROM_0, LARGEST)? {
            Ok(bytes) => (bytes, 0),
            Err(_) => (read_sealed(&state, STATE.1, LARGEST)?.map_err(broken)?, 1),
        };
        let origin = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        let lock = FolderLock::take(path, &path.join(LOCK))?;
        Ok((SweepFolder { lock, path: path.to_path_buf(), first }, origin))
    }

    /// Whether a sweep began in this folder.
    pub fn exists(path: &Path) -> bool {
        path.join(STATE.0).is_file()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to warn of, where another process is not kept out.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.lock.warning()
    }

    /// The file of a trial's result.
    pub(super) fn trial(&self, key: TrialKey) -> PathBuf {
        self.path.join("trials").join(format!("{}.trial", key.name(self.first)))
    }

    /// The run folder of a trial.
    pub(super) fn run(&self, key: TrialKey) -> PathBuf {
        self.path.join("runs").join(key.name(self.first))
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
        write_own(self.path.join("runs.csv"), |out| write_runs(standings, out))?;
        self.write("scores.svg", &page::scores(standings))?;
        if diverged.is_some() {
            // Those of an earlier version, or of a time when not all candidates had ended.
            for name in [BEST, OUT_OF_FOLD] {
                let _ = std::fs::remove_file(self.path.join(name));
            }
        } else if let Some(best) = standings.best() {
            let recipe = text_of(spec, best.candidate);
            let mut head = String::new();
            if best.is_ruined() {
                let fate = best.fate_in_words().replace('\n', " ");
                head += &format!("// No combination of the sweep ended sound; this one: {fate}.\n");
            }
            if standings.different_images {
                head += "// The combinations of the sweep were measured on different images or labels, this one on its own.\n";
            }
            if let Some(other) = spec.other_split(best.candidate) {
                head += &format!("// In the sweep, {other}.\n");
            }
            self.write(BEST, &(head + &recipe))?;
            match OutOfFold::of(spec, best.candidate, trials).filter(OutOfFold::is_regular) {
                Some(whole) => write_own(self.path.join(OUT_OF_FOLD), |out| whole.write(out))?,
                // That of another candidate, which was the best when the sweep paused.
                None => _ = std::fs::remove_file(self.path.join(OUT_OF_FOLD)),
            }
        }
        self.write("report.html", &page::page(standings, &spec.origin, diverged))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RunError> {
        Ok(write_own(self.path.join(name), |out| out.write_all(text.as_bytes()))?)
    }
}

/// The text of a candidate's recipe with the first seed: that of the author with the candidate's values in it, or else one that
/// says the same in short.
fn text_of(spec: &SweepSpec, candidate: usize) -> String {
    let (candidate, seed) = (&spec.candidates[candidate], spec.seeds[0]);
    let in_short = seeded_text(&candidate.recipe.kept_text(), seed);
    let of = |key: &str, value: &str| Override { key: key.into(), value: Some(value.into()), option: "--set" };
    let set = spec.origin.set.iter().filter_map(|set| set.parse::<Override>().ok());
    let mut values: Vec<Override> = set.chain(candidate.settings.iter().map(|(key, value)| of(key, value))).collect();
    if candidate.recipe.seed() != seed {
        values.push(of("seed", &seed.to_string()));
    }
    let says_the_same = |text: &String| {
        let read = RecipeText::new(BEST, text, &[]).result;
        read.is_ok_and(|checked| checked.recipe.kept_text() == in_short)
    };
    // A byte order mark has no place behind the remarks.
    with_values(spec.origin.text.trim_start_matches('\u{feff}'), &values).filter(says_the_same).unwrap_or(in_short)
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
            // In tables and in the names of files, all but epochs and batches count from 1.
            let (candidate, fold) = (standing.candidate + 1, run.key.fold + 1);
            let mut row = vec![candidate.to_string(), run.key.seed.to_string(), fold.to_string()];
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
    fn a_folder_of_an_earlier_version_keeps_its_names() {
        let scratch = tempfile::tempdir().unwrap();
        let key = TrialKey { candidate: 1, fold: 0, seed: 42 };
        let name = |folder: &SweepFolder| folder.run(key).file_name().unwrap().to_string_lossy().into_owned();
        let origin = SweepOrigin::default();
        let now = SweepFolder::create(Some(&scratch.path().join("now")), "A", &origin).unwrap();
        assert_eq!(name(&now), "002-fold1-seed42");
        let error = SweepFolder::create(Some(now.path()), "A", &origin).unwrap_err().to_string();
        assert!(error.ends_with("now is being run by another process"), "{error}");
        drop(now);
        assert_eq!(name(&SweepFolder::open(&scratch.path().join("now")).unwrap().0), "002-fold1-seed42");
        let bytes = serde_json::to_vec(&origin).unwrap();
        write_sealed(&scratch.path().join(STATE.0), COUNTS_FROM_0, &bytes).unwrap();
        let (earlier, read) = SweepFolder::open(scratch.path()).unwrap();
        assert_eq!((name(&earlier).as_str(), read), ("001-fold0-seed42", origin));
    }

    #[test]
    fn the_best_recipe_is_the_text_of_its_author() {
        let text = "// Which rate?\nA { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 64 }, model: \
                    squeezenet1_1, metrics: [accuracy], train: { let lr = 1e-2; fit(lr, 1); /* the body */ } }";
        let settings = vec![("lr".to_string(), "0.1".to_string())];
        let overrides = [Override { key: "lr".into(), value: Some("0.1".into()), option: "--over" }];
        let recipe = RecipeText::new("a.recipe", text, &overrides).result.unwrap().recipe;
        let candidate = Candidate { settings, folds: vec![recipe.clone()], recipe: recipe.clone() };
        let mut spec = SweepSpec { seeds: vec![7], ..spec(vec![candidate]) };
        let in_short = seeded_text(&recipe.kept_text(), 7);
        assert_eq!(text_of(&spec, 0), in_short, "the text is not known");
        spec.origin.text = text.to_string();
        assert_eq!(text_of(&spec, 0), text.replace("1e-2", "0.1").replace("train:", "seed: 7, train:"));
        spec.origin.text = text.replace("1e-2", "(1e-2 + 0) * 1");
        assert_eq!(text_of(&spec, 0), in_short, "the place of the value is not known");
    }

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
