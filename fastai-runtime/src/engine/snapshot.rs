//! The state that a run writes after each stage, so that it can continue from there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fastai_dsl::HeadSpec;
use serde::{Deserialize, Serialize};

use super::measured::Look;
use crate::RunError;
use crate::atomic::write_atomic;
use crate::data::{Dataset, Item, Target};
use crate::error::ResumeError;
use crate::metrics::Probabilities;
use crate::report::{Record, Summary};
use crate::train::EpochRow;

/// Version of the snapshot's layout.
const FORMAT: u32 = 1;
/// The folder within a run folder; it exists exactly while the run is incomplete.
const FOLDER: &str = "resume";
const STATE: &str = "state.cbor";
const LOCK: &str = "lock";
/// Largest snapshot that is read, bytes; the curves of a million batches take less.
const MAX_BYTES: u64 = 1 << 30;

/// Everything that the next stage needs from earlier ones, except the weights, which are in a file beside it.
///
/// The format is CBOR because floats come back with identical bits, including NaN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) format: u32,
    /// Canonical text of the recipe.
    pub(super) recipe: String,
    pub(super) seed: u64,
    pub(super) smoke: bool,
    pub(super) data: DataDigest,
    /// Digest of the initial body.
    pub(super) body: String,
    /// Finished stages.
    pub(super) finished: usize,
    /// Name of the weights file within the folder; `None` while the weights are the initial ones.
    pub(super) weights: Option<String>,
    pub(super) head: HeadSpec,
    pub(super) heads: u64,
    pub(super) threshold: Option<f64>,
    pub(super) look: Option<SavedLook>,
    pub(super) summary: Summary,
    pub(super) record: Record,
    pub(super) history: Vec<(usize, EpochRow)>,
}

impl Snapshot {
    /// The snapshot of a run before its first stage.
    pub(super) fn begin(recipe: String, seed: u64, smoke: bool, data: DataDigest, body: String) -> Self {
        Snapshot {
            format: FORMAT,
            recipe,
            seed,
            smoke,
            data,
            body,
            finished: 0,
            weights: None,
            head: HeadSpec { hidden: Vec::new(), dropout: Vec::new() },
            heads: 1,
            threshold: None,
            look: None,
            summary: Summary::default(),
            record: Record::default(),
            history: Vec::new(),
        }
    }
}

/// Predictions of the current network for the validation part, in serialisable form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedLook {
    values: Vec<f32>,
    loss: f64,
    trn_loss: Option<f64>,
    made: String,
    chosen: Option<String>,
}

impl SavedLook {
    pub(super) fn of(look: &Look) -> Self {
        SavedLook {
            values: look.probabilities.values().to_vec(),
            loss: look.loss,
            trn_loss: look.trn_loss,
            made: look.made.clone(),
            chosen: look.chosen.clone(),
        }
    }

    /// Restores the predictions for `images` images and `classes` classes; `None` if the numbers differ.
    pub(super) fn restore(self, images: usize, classes: usize) -> Option<Look> {
        (self.values.len() == images * classes).then(|| Look {
            probabilities: Probabilities::new(self.values, classes),
            loss: self.loss,
            trn_loss: self.trn_loss,
            made: self.made,
            chosen: self.chosen,
        })
    }
}

/// A digest of a data set without its pixels: names, labels and file sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataDigest {
    classes: Vec<String>,
    /// Number of images and digest of the training, validation and test parts.
    parts: [(usize, String); 3],
}

impl DataDigest {
    pub(super) fn of(dataset: &Dataset) -> Self {
        DataDigest {
            classes: dataset.classes.clone(),
            parts: [&dataset.train, &dataset.valid, &dataset.test].map(|items| (items.len(), digest(items))),
        }
    }

    /// Returns the differences between the run's data and `now` in words, one per line.
    pub(super) fn differences(&self, now: &DataDigest) -> Vec<String> {
        let mut found = Vec::new();
        if self.classes != now.classes {
            let (was, is) = (self.classes.join(", "), now.classes.join(", "));
            found.push(format!("classes: {was} when the run began, {is} now"));
        }
        for (what, (was, is)) in ["training", "validation", "test"]
            .iter()
            .zip(self.parts.iter().zip(&now.parts))
            .filter(|(_, (a, b))| a != b)
        {
            found.push(if was.0 == is.0 {
                format!("{what} set: {} images as before, but other names, labels or file sizes", is.0)
            } else {
                format!("{what} set: {} images when the run began, {} now", was.0, is.0)
            });
        }
        found
    }
}

fn digest(items: &[Item]) -> String {
    let mut hash = blake3::Hasher::new();
    for item in items {
        hash.update(&(item.id.len() as u64).to_le_bytes());
        hash.update(item.id.as_bytes());
        match &item.target {
            Target::Class(class) => hash.update(&class.to_le_bytes()),
            Target::Tags(tags) => tags.iter().fold(&mut hash, |hash, tag| hash.update(&tag.to_le_bytes())),
            Target::Value(value) => hash.update(&value.to_le_bytes()),
            Target::Unlabelled => hash.update(b"?"),
        };
        hash.update(&std::fs::metadata(&item.path).map_or(u64::MAX, |m| m.len()).to_le_bytes());
    }
    hash.finalize().to_hex().to_string()
}

/// The snapshot folder of a run, locked by this process.
#[derive(Debug)]
pub(super) struct SnapshotFolder {
    path: PathBuf,
    // The lock lasts as long as the file is open; it ends with the process in every case.
    _lock: File,
}

impl SnapshotFolder {
    /// Locks the snapshot folder of the run folder `run` and creates it if necessary.
    ///
    /// # Errors
    /// If another process holds the lock: the run is still in progress.
    pub(super) fn take(run: &Path) -> Result<Self, RunError> {
        let path = run.join(FOLDER);
        std::fs::create_dir_all(&path).map_err(|e| RunError::file("create", &path, e))?;
        let lock = path.join(LOCK);
        let cannot = |e| RunError::file("create", &lock, e);
        let file = File::options().create(true).write(true).truncate(false).open(&lock).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(ResumeError::Running(run.to_path_buf()).into());
            }
            // Some network file systems have no locks; other processes are then not excluded.
            Err(std::fs::TryLockError::Error(_)) => {}
        }
        Ok(SnapshotFolder { path, _lock: file })
    }

    /// Whether the run folder `run` contains a snapshot to continue from.
    pub(super) fn exists(run: &Path) -> bool {
        run.join(FOLDER).join(STATE).is_file()
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes `snapshot` as the state to continue from and removes files that only older snapshots needed.
    pub(super) fn write(&self, snapshot: &Snapshot) -> Result<(), RunError> {
        write_atomic(self.file(STATE), |out| ciborium::into_writer(snapshot, out).map_err(io::Error::other))?;
        let needed = |name: &str| [Some(STATE), Some(LOCK), snapshot.weights.as_deref()].contains(&Some(name));
        // A file that cannot be removed only costs space; the next snapshot tries again.
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !needed(name)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Reads the snapshot.
    pub(super) fn read(&self) -> Result<Snapshot, RunError> {
        let path = self.file(STATE);
        let bad = |reason: String| RunError::from(ResumeError::Broken { path: path.clone(), reason });
        let mut bytes = Vec::new();
        let file = File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        file.map_err(|e| RunError::file("read", &path, e))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(bad(format!("larger than {} MiB", MAX_BYTES >> 20)));
        }
        let snapshot: Snapshot =
            ciborium::from_reader(bytes.as_slice()).map_err(|e| bad(format!("no snapshot of a run ({e})")))?;
        if snapshot.format != FORMAT {
            return Err(bad(format!("a snapshot of layout {}, not {FORMAT}", snapshot.format)));
        }
        let plain = |name: &String| !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        if !snapshot.weights.as_ref().is_none_or(plain) {
            return Err(bad("its weights are no file in its folder".to_string()));
        }
        Ok(snapshot)
    }

    /// Removes the folder, since the run is complete.
    pub(super) fn remove(self) -> Result<(), RunError> {
        let state = self.file(STATE);
        let path = self.path.clone();
        // Windows cannot remove an open file.
        drop(self);
        match std::fs::remove_file(&state) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(RunError::file("remove", state, e)),
            _ => {}
        }
        // Without its state the rest is meaningless, whether or not it can be removed.
        let _ = std::fs::remove_dir_all(path);
        Ok(())
    }
}

/// Returns the first lines in which two recipes differ, with `-` before those of the run and `+` before the others.
pub(super) fn text_differences(run: &str, other: &str) -> Vec<String> {
    const SHOWN: usize = 6;
    let (a, b): (Vec<&str>, Vec<&str>) = (run.lines().collect(), other.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let side = |sign: &str, lines: &[&str]| -> Vec<String> {
        let mut shown: Vec<String> = lines.iter().take(SHOWN).map(|line| format!("  {sign} {}", line.trim())).collect();
        if lines.len() > SHOWN {
            shown.push(format!("  {sign} and {} more lines", lines.len() - SHOWN));
        }
        shown
    };
    let mut found = side("-", &a[head..a.len() - tail]);
    found.extend(side("+", &b[head..b.len() - tail]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let digest = DataDigest { classes: vec!["a".into()], parts: [0, 1, 2].map(|n| (n, n.to_string())) };
        Snapshot::begin("A { }".into(), 7, false, digest, "0".into())
    }

    #[test]
    fn floats_come_back_with_the_same_bits() {
        let run = tempfile::tempdir().unwrap();
        let folder = SnapshotFolder::take(run.path()).unwrap();
        let mut saved = snapshot();
        let numbers = [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324, f64::NAN, f64::INFINITY, 6.1e-5];
        saved.summary.found_rates = numbers.to_vec();
        saved.look = Some(SavedLook {
            values: vec![f32::NAN, 1e-45, 0.1],
            loss: f64::NAN,
            trn_loss: None,
            made: String::new(),
            chosen: None,
        });
        folder.write(&saved).unwrap();
        let read = folder.read().unwrap();
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.summary.found_rates), bits(&numbers));
        let look = read.look.unwrap();
        assert!(look.values[0].is_nan() && look.values[1..] == [1e-45, 0.1] && look.loss.is_nan());
        assert!(look.restore(2, 2).is_none());
    }

    #[test]
    fn old_weights_go_when_the_next_are_safe() {
        let run = tempfile::tempdir().unwrap();
        let folder = SnapshotFolder::take(run.path()).unwrap();
        for name in ["after-1", "after-2", ".after-3.x.tmp"] {
            std::fs::write(folder.file(name), b"x").unwrap();
        }
        folder.write(&Snapshot { weights: Some("after-2".into()), ..snapshot() }).unwrap();
        let mut names: Vec<_> =
            std::fs::read_dir(&folder.path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["after-2", LOCK, STATE]);
        assert!(SnapshotFolder::exists(run.path()));
        folder.remove().unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_that_goes_on_is_left_alone() {
        let run = tempfile::tempdir().unwrap();
        let held = SnapshotFolder::take(run.path()).unwrap();
        let error = SnapshotFolder::take(run.path()).unwrap_err().to_string();
        assert!(error.contains("by another process"), "{error}");
        drop(held);
        SnapshotFolder::take(run.path()).unwrap();
    }

    #[test]
    fn hostile_snapshots_are_errors() {
        let run = tempfile::tempdir().unwrap();
        let folder = SnapshotFolder::take(run.path()).unwrap();
        folder.write(&snapshot()).unwrap();
        let whole = std::fs::read(folder.file(STATE)).unwrap();
        // An array that claims 2^60 entries, half a file, nothing, deep nesting.
        let cases =
            [vec![0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0], whole[..whole.len() / 2].to_vec(), vec![], vec![0x81; 100_000]];
        for bytes in cases {
            std::fs::write(folder.file(STATE), &bytes).unwrap();
            let error = folder.read().unwrap_err().to_string();
            assert!(error.contains(STATE) && error.contains("start it anew"), "{error}");
        }
        for weights in ["../../x", "..", "", "a\\b"] {
            folder.write(&Snapshot { weights: Some(weights.into()), ..snapshot() }).unwrap();
            assert!(folder.read().is_err(), "{weights}");
        }
    }

    #[test]
    fn differences_name_what_differs() {
        let was = snapshot().data;
        let mut now = was.clone();
        assert_eq!(was.differences(&now), Vec::<String>::new());
        now.parts[0] = (0, "other".into());
        now.parts[1].0 = 5;
        now.classes.push("b".into());
        let found = was.differences(&now).join("\n");
        for part in [
            "classes: a when the run began, a, b now",
            "training set: 0 images as before",
            "1 images when the run began, 5",
        ] {
            assert!(found.contains(part), "{found}");
        }
        let lines = text_differences("A {\n  x: 1,\n  y: 2,\n}\n", "A {\n  x: 1,\n  y: 3,\n}\n");
        assert_eq!(lines, ["  - y: 2,", "  + y: 3,"]);
    }
}
