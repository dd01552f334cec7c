//! The run folder: all files that a run writes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fastai_dsl::seeded_text;

use super::html::{self, WrittenFile};
use super::record::{Record, metric_names};
use super::{BatchRow, Summary, batches, plot};
use crate::RunError;
use crate::atomic::{create_folder, sweep, sync_folder, write_own};
use crate::error::ResumeError;
use crate::summary_file::{MODELS, RESUME, SUMMARY, is_running, keeps_nothing, resuming};
use crate::train::{EpochRow, FindCurve};

const RECIPE: &str = "recipe.recipe";
const HISTORY: &str = "history.csv";
const REPORT: &str = "report.html";

/// The folder of a run: `recipe.recipe`, `history.csv`, `batches.csv`, `summary.json`, plots (`*.svg`), `report.html`, `models/`.
/// The engine adds the digests of the training images, `trained_images.bin`.
///
/// Every file is written with [`write_own`], so a run that is killed at any instant leaves complete files.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    history: Vec<(usize, EpochRow)>,
}

impl RunFolder {
    /// Creates the folder: `out`, or `runs/NAME-YYYYMMDD-HHMMSS` (UTC) in the working directory.
    ///
    /// The function never writes into an existing run: `out` may exist only as an empty folder.
    ///
    /// # Errors
    /// If `out` is a file, contains an earlier run or anything else, or cannot be created.
    pub fn create(out: Option<&Path>, recipe_name: &str) -> Result<Self, RunError> {
        Ok(RunFolder { path: claim_folder(out, "runs", recipe_name)?, history: Vec::new() })
    }

    /// Checks that [`create`](Self::create) can use `out`, and creates nothing.
    ///
    /// # Errors
    /// If `out` is a file, a link that leads nowhere, or contains anything.
    pub(crate) fn check(out: Option<&Path>) -> Result<(), RunError> {
        out.map_or(Ok(()), |path| is_empty(path).map(drop).map_err(|e| RunError::file("create", path, e)))
    }

    /// Opens the folder of a resumed run: `history` contains its finished epochs, and `history.csv` is
    /// rewritten to match.
    ///
    /// # Errors
    /// If `path` is no folder, or cannot be written.
    pub fn reopen(path: &Path, history: Vec<(usize, EpochRow)>) -> Result<Self, RunError> {
        let folder = RunFolder { path: path.to_path_buf(), history };
        let models = path.join(MODELS);
        refuse_link(&models)?;
        for folder in [path, &models] {
            // The remains of a killed writer.
            sweep(folder);
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                refuse_link(&entry.path())?;
            }
        }
        folder.write_history()?;
        Ok(folder)
    }

    /// The epochs so far, each with the 0-based index of its step.
    pub fn history(&self) -> &[(usize, EpochRow)] {
        &self.history
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `recipe.recipe`: the text that a run keeps, with its seed, which can run again unchanged. Returns the file's path,
    /// like the other writers.
    pub fn write_recipe(&self, text: &str, seed: u64) -> Result<PathBuf, RunError> {
        self.write_text(RECIPE, &seeded_text(text, seed))
    }

    /// Adds an epoch to `history.csv`. `stage` is the 0-based index of the recipe's step, as in [`StageSummary`](super::StageSummary).
    ///
    /// Columns: `step` (from 1), `epoch` (from 0), `trn_loss, val_loss`, one per metric, `seconds`. A metric that an earlier row
    /// lacks stays empty there. The file is small and is rewritten as a whole each time, so it is always complete.
    pub fn append_epoch(&mut self, stage: usize, row: &EpochRow) -> Result<PathBuf, RunError> {
        self.history.push((stage, row.clone()));
        self.write_history()
    }

    fn write_history(&self) -> Result<PathBuf, RunError> {
        let path = self.path.join(HISTORY);
        if !self.history.is_empty() {
            write_own(&path, |out| write_history(&self.history, out))?;
        } else if path.exists() {
            std::fs::remove_file(&path).map_err(|e| RunError::file("remove", &path, e))?;
        }
        Ok(path)
    }

    /// Writes `batches.csv`, unless nothing has trained yet.
    ///
    /// Columns: `step` (from 1), `epoch` and `batch` (from 0), `loss, smoothed`, and the learning rate of each of the network's
    /// `groups` layer groups, `lr_0, lr_1, ..`, empty while the group does not train; the last one is the head's.
    pub fn write_batches(&self, record: &Record, groups: usize) -> Result<PathBuf, RunError> {
        let path = self.path.join(batches::FILE);
        let rows = BatchRow::of_run(record);
        if !rows.is_empty() {
            write_own(&path, |out| batches::write(&rows, groups, out))?;
        }
        Ok(path)
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &Summary) -> Result<PathBuf, RunError> {
        let path = self.path.join(SUMMARY);
        let text = summary.sealed().map_err(|e| RunError::file("write", &path, e.into()))?;
        write_own(&path, |out| out.write_all(text.as_bytes()))?;
        Ok(path)
    }

    /// Returns the path for `save("NAME")`, `models/NAME.safetensors`, and creates `models/`.
    ///
    /// # Errors
    /// If the name is not a plain file name (letters, digits, `_`, `-`, `.`; not starting with `.`), longer than 100 bytes,
    /// or `tmp`.
    pub fn model_path(&self, name: &str) -> Result<PathBuf, RunError> {
        let folder = self.path.join(MODELS);
        check_model_name(name)
            .map_err(|e| RunError::file("write", folder.join(name), io::Error::new(io::ErrorKind::InvalidInput, e)))?;
        create_folder(&folder)?;
        Ok(folder.join(format!("{name}.safetensors")))
    }

    /// Draws the curve of one `lr_find` into `lr_find-N.svg`, `N` the number of its step counted from 1.
    pub fn write_find_plot(&self, curve: &FindCurve) -> Result<PathBuf, RunError> {
        self.write_text(&format!("lr_find-{}.svg", curve.step + 1), &plot::find(curve))
    }

    /// Writes every plot that the record has data for (`lr_find-N.svg`, `rates.svg`, `losses.svg`), then `report.html`; returns
    /// the report's path.
    ///
    /// Call this function last, since the report lists the files in the folder.
    pub fn write_report(&self, summary: &Summary, record: &Record) -> Result<PathBuf, RunError> {
        for curve in &record.finds {
            self.write_find_plot(curve)?;
        }
        if !record.fits.is_empty() {
            self.write_text("rates.svg", &plot::rates(&record.fits))?;
            self.write_text("losses.svg", &plot::losses(&record.fits))?;
        }
        let files = self.files().map_err(|e| RunError::file("read", &self.path, e))?;
        self.write_text(REPORT, &html::report(summary, record, &files))
    }

    fn write_text(&self, name: &str, text: &str) -> Result<PathBuf, RunError> {
        let path = self.path.join(name);
        write_own(&path, |out| out.write_all(text.as_bytes()))?;
        Ok(path)
    }

    /// The files in the folder and its subfolders, sorted by name, without the report itself.
    fn files(&self) -> io::Result<Vec<WrittenFile>> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(self.path.join(&folder))? {
                let entry = entry?;
                let name = folder.join(entry.file_name());
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    // The resume folder is removed when the run completes.
                    if name != Path::new(RESUME) {
                        folders.push(name);
                    }
                } else if kind.is_file() && name != Path::new(REPORT) {
                    files.push(WrittenFile {
                        name: name.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"),
                        bytes: entry.metadata()?.len(),
                    });
                }
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// A run writes no links, so one in its folder leads to what is not its own.
pub(crate) fn refuse_link(path: &Path) -> Result<(), RunError> {
    match std::fs::read_link(path) {
        Ok(target) => {
            let reason = format!("a link to {}, and a run writes no links", target.display());
            Err(ResumeError::Broken { path: path.to_path_buf(), reason }.into())
        }
        Err(_) => Ok(()),
    }
}

/// Whether this is what remains of a run that was killed before its first snapshot: a lock, and a file in the making.
fn is_begun(entry: &std::fs::DirEntry) -> bool {
    let nothing_else = |entries: std::fs::ReadDir| entries.flatten().all(|entry| keeps_nothing(&entry.file_name()));
    entry.file_name() == RESUME
        && entry.file_type().is_ok_and(|kind| kind.is_dir())
        && std::fs::read_dir(entry.path()).is_ok_and(nothing_else)
}

/// Creates a folder of results: `out`, which may exist only as an empty folder, or `PARENT/NAME-YYYYMMDD-HHMMSS` (UTC) in the
/// working directory.
pub(crate) fn claim_folder(out: Option<&Path>, parent: &str, name: &str) -> Result<PathBuf, RunError> {
    match out {
        Some(path) => {
            claim(path).map_err(|e| RunError::file("create", path, e))?;
            Ok(path.to_path_buf())
        }
        None => {
            let name = format!("{}-{}", file_name_of(name), utc(SystemTime::now()));
            claim_new(Path::new(parent), &name)
        }
    }
}

/// Creates `path`, or uses it if it is an empty folder.
fn claim(path: &Path) -> io::Result<()> {
    if is_empty(path)? { Ok(()) } else { create_folder(path).map_err(|e| e.error) }
}

/// Whether `path` is an empty folder; `false` if nothing is there. Anything else is an error.
fn is_empty(path: &Path) -> io::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.find(|entry| !entry.as_ref().is_ok_and(is_begun)) {
            None => Ok(true),
            Some(_) => {
                let what = if is_running(path) {
                    "a run is there, and is being run by another process; name another folder".to_string()
                } else if let Some(command) = resuming(path) {
                    format!("an unfinished run is there: {command}; or name another folder")
                } else if [RECIPE, HISTORY, SUMMARY].iter().any(|name| path.join(name).exists()) {
                    "an earlier run is there; name another folder or delete this one".to_string()
                } else {
                    "the folder is not empty; name one that is empty or does not exist".to_string()
                };
                Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
            }
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let what = "a link that leads nowhere is in the way; name a folder that is empty or does not exist";
            Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            Err(io::Error::new(e.kind(), "a file is in the way; name a folder that is empty or does not exist"))
        }
        Err(e) => Err(e),
    }
}

/// Creates `parent/name`, or `parent/name-2`, `-3`, .. if another run started in the same second.
fn claim_new(parent: &Path, name: &str) -> Result<PathBuf, RunError> {
    create_folder(parent)?;
    let mut path = parent.join(name);
    let mut n = 1;
    loop {
        match std::fs::create_dir(&path) {
            Ok(()) => {
                sync_folder(parent);
                return Ok(path);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                n += 1;
                path = parent.join(format!("{name}-{n}"));
            }
            Err(e) => return Err(RunError::file("create", path, e)),
        }
    }
}

/// The recipe's name with all characters except letters, digits, `_` and `-` replaced by `_`.
fn file_name_of(recipe_name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = recipe_name.chars().take(60).map(plain).collect();
    if name.is_empty() { "run".to_string() } else { name }
}

fn check_model_name(name: &str) -> Result<(), &'static str> {
    if name == "tmp" {
        return Err("the name `tmp` is kept for the finder; choose another");
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '+');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(
            "a model's name is up to 100 letters, digits, spaces, `_`, `-`, `+` or `.`, and does not start with `.`",
        );
    }
    Ok(())
}

fn write_history(rows: &[(usize, EpochRow)], out: &mut dyn io::Write) -> io::Result<()> {
    let names = metric_names(rows.iter().map(|(_, row)| row));
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(
        ["step", "epoch", "trn_loss", "val_loss"].into_iter().chain(names.iter().copied()).chain(["seconds"]),
    )?;
    for (stage, row) in rows {
        let mut fields =
            vec![(stage + 1).to_string(), row.epoch.to_string(), row.trn_loss.to_string(), row.val_loss.to_string()];
        for name in &names {
            let value = row.metrics.iter().find(|(n, _)| n == name);
            fields.push(value.map(|(_, v)| v.to_string()).unwrap_or_default());
        }
        fields.push(format!("{:.3}", row.seconds));
        csv.write_record(fields)?;
    }
    csv.flush()
}

/// `YYYYMMDD-HHMMSS`, UTC. A clock before 1970 reads as 1970.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{h:02}{m:02}{s:02}")
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`). Years begin in March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn epoch(epoch: u64, metrics: &[(&str, f64)]) -> EpochRow {
        let metrics = metrics.iter().map(|(n, v)| ((*n).to_string(), *v)).collect();
        EpochRow { epoch, trn_loss: 0.5, val_loss: 0.25, metrics, seconds: 1.5, ..EpochRow::default() }
    }

    #[test]
    fn dates_are_right_across_leap_days_and_centuries() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        // date -u -d @SECONDS +%Y%m%d-%H%M%S
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_782_400), "20000229-000000");
        assert_eq!(at(951_868_799), "20000229-235959");
        assert_eq!(at(1_709_210_096), "20240229-123456");
        assert_eq!(at(1_735_689_599), "20241231-235959");
        assert_eq!(at(4_107_542_400), "21000301-000000");
    }

    #[test]
    fn out_must_be_new_or_empty() {
        let base = tempfile::tempdir().unwrap();
        let out = base.path().join("a/b");
        let folder = RunFolder::create(Some(&out), "Cats").unwrap();
        assert_eq!(folder.path(), out);
        RunFolder::create(Some(&out), "Cats").expect("an empty folder may be used");
        let resume = out.join(RESUME);
        std::fs::create_dir(&resume).unwrap();
        std::fs::write(resume.join("lock"), b"").unwrap();
        std::fs::write(resume.join(".after-0.cbor.abcdef.tmp"), b"x").unwrap();
        RunFolder::create(Some(&out), "Cats").expect("so may that of a run that was killed before its first snapshot");
        std::fs::write(resume.join("after-0.cbor"), b"x").unwrap();
        let error = RunFolder::create(Some(&out), "Cats").unwrap_err().to_string();
        assert!(error.contains(&format!("`fastai run --resume {}` goes on with it", out.display())), "{error}");
        let lock = std::fs::File::create(resume.join("lock")).unwrap();
        lock.lock().unwrap();
        let error = RunFolder::create(Some(&out), "Cats").unwrap_err().to_string();
        assert!(error.contains("being run by another process") && !error.contains("--resume"), "{error}");
        drop(lock);
        std::fs::remove_dir_all(&resume).unwrap();

        folder.write_recipe("recipe Cats {}\n", 42).unwrap();
        let error = RunFolder::create(Some(&out), "Cats").unwrap_err().to_string();
        assert!(error.contains("an earlier run is there"), "{error}");

        let other = base.path().join("holiday");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("beach.jpg"), b"x").unwrap();
        let error = RunFolder::create(Some(&other), "Cats").unwrap_err().to_string();
        assert!(error.contains("not empty") && error.contains("holiday"), "{error}");

        let error = RunFolder::create(Some(&other.join("beach.jpg")), "Cats").unwrap_err().to_string();
        assert!(error.contains("a file is in the way"), "{error}");

        #[cfg(unix)]
        {
            let link = base.path().join("link");
            std::os::unix::fs::symlink(base.path().join("gone"), &link).unwrap();
            let error = RunFolder::check(Some(&link)).unwrap_err().to_string();
            assert!(error.contains("a link that leads nowhere is in the way"), "{error}");
        }
    }

    #[test]
    fn two_runs_in_one_second_get_two_folders() {
        let base = tempfile::tempdir().unwrap();
        let first = claim_new(base.path(), "Cats-20240229-123456").unwrap();
        let second = claim_new(base.path(), "Cats-20240229-123456").unwrap();
        assert_eq!(first.file_name().unwrap(), "Cats-20240229-123456");
        assert_eq!(second.file_name().unwrap(), "Cats-20240229-123456-2");
        assert_eq!(file_name_of("../a b"), "___a_b");
        assert_eq!(file_name_of(""), "run");
    }

    #[test]
    fn history_has_a_column_a_metric() {
        let base = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(Some(&base.path().join("run")), "Cats").unwrap();
        folder.append_epoch(1, &epoch(0, &[("accuracy", 0.9)])).unwrap();
        let path = folder.append_epoch(3, &epoch(0, &[("accuracy", f64::NAN), ("log, loss", 0.125)])).unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "step,epoch,trn_loss,val_loss,accuracy,\"log, loss\",seconds\n\
             2,0,0.5,0.25,0.9,,1.500\n\
             4,0,0.5,0.25,NaN,0.125,1.500\n"
        );
    }

    #[test]
    fn a_summary_reads_back() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&base.path().join("run")), "Cats").unwrap();
        let summary = Summary { format: 1, name: "Cats".into(), classes: vec!["<b>\"".into()], ..Summary::default() };
        let path = folder.write_summary(&summary).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.ends_with("}\n") && text.contains("\n  \"name\": \"Cats\""), "{text}");
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }

    #[test]
    fn model_names_stay_in_the_folder() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&base.path().join("run")), "Cats").unwrap();
        let path = folder.model_path("224_all").unwrap();
        assert_eq!(path, folder.path().join("models/224_all.safetensors"));
        assert!(path.parent().unwrap().is_dir());
        for bad in ["", "tmp", ".hidden", "..", "../x", "a/b", "a\\b", "/etc/x", "a\0", &"x".repeat(101)] {
            let error = folder.model_path(bad).unwrap_err().to_string();
            assert!(error.starts_with("cannot write "), "{bad:?}: {error}");
        }
    }

    #[test]
    fn an_unwritable_folder_is_an_error_not_a_panic() {
        let base = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::create(Some(&base.path().join("run")), "Cats").unwrap();
        std::fs::remove_dir(folder.path()).unwrap();
        let error = folder.append_epoch(0, &epoch(0, &[])).unwrap_err().to_string();
        assert!(error.contains("history.csv"), "{error}");
        assert!(folder.write_report(&Summary::default(), &Record::default()).is_err());
    }
}
