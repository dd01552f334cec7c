//! The folder with the states of a run.

use std::path::{Path, PathBuf};

use super::snapshot::{KeptFile, KeptMidway, Snapshot, read_state, reason, write_state};
use super::snapshot_moment::SnapshotMoment;
use crate::RunError;
use crate::atomic::create_folder;
use crate::error::ResumeError;
use crate::folder_lock::FolderLock;
use crate::models;
use crate::report::refuse_link;
use crate::summary_file::{LOCK, RESUME};

/// The number of snapshots that are kept: if the newest turns out to be damaged, the run continues from the one before.
const KEPT: usize = 2;
/// The state of a run of folds, which has no snapshots of its own.
pub(super) const FOLDS: &str = "folds.state";
/// Of a folder without a state.
const NO_SNAPSHOT: &str = "it holds no snapshot";

/// The snapshot folder of a run, locked by this process.
///
/// It contains, for each of the last snapshots, the state with the digest of its content: `after-N.cbor` after N stages, or
/// `after-N-batch-B.cbor` after B batches of the next one. Beside them are the weights, if the run has trained any, and within a
/// fit the optimizer's state and the weights of the best epoch.
#[derive(Debug)]
pub(super) struct SnapshotFolder {
    path: PathBuf,
    lock: FolderLock,
    /// The snapshots that are kept, newest last, and the names of their files beside the state.
    kept: Vec<(SnapshotMoment, Vec<String>)>,
}

impl SnapshotFolder {
    /// Locks the snapshot folder of the run folder `run` and creates it if necessary.
    ///
    /// # Errors
    /// If another process holds the lock: the run is still in progress. If the folder is a link.
    pub(super) fn take(run: &Path) -> Result<Self, RunError> {
        let path = run.join(RESUME);
        refuse_link(&path)?;
        create_folder(&path)?;
        let lock = path.join(LOCK);
        refuse_link(&lock)?;
        Ok(SnapshotFolder { lock: FolderLock::take(run, &lock)?, path, kept: Vec::new() })
    }

    /// What to warn of, where another process is not kept out.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.lock.warning()
    }

    /// Whether the run folder `run` contains a snapshot to continue from.
    pub(super) fn exists(run: &Path) -> bool {
        !states(&run.join(RESUME)).is_empty()
    }

    /// Removes what a process left in the run folder `run` that was killed after it had completed the run.
    pub(super) fn sweep_complete(run: &Path) {
        let path = run.join(RESUME);
        if path.is_dir()
            && !super::is_unfinished(run)
            && let Ok(folder) = Self::take(run)
        {
            // Without its states the folder is meaningless; what cannot be removed only costs space.
            let _ = folder.remove();
        }
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes `snapshot` as the state to continue from and removes files that only older snapshots needed.
    pub(super) fn write(&mut self, snapshot: &Snapshot) -> Result<(), RunError> {
        let place = snapshot.place();
        write_state(&self.file(&place.state()), snapshot)?;
        self.kept.retain(|(before, _)| *before < place);
        self.kept.push((place, snapshot.files().map(|kept| kept.file.clone()).collect()));
        self.kept.drain(..self.kept.len().saturating_sub(KEPT));
        let needed = |name: &str| {
            name == LOCK
                || self.kept.iter().any(|(place, files)| name == place.state() || files.iter().any(|file| file == name))
        };
        // A file that cannot be removed only costs space; the next snapshot tries again.
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !needed(name)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Changes the state to continue from: the last that was written, or else the one that was read. The files beside it stay.
    ///
    /// # Errors
    /// If there is none, it is damaged, or it cannot be written; it is then what it was.
    pub(super) fn amend(&self, change: impl FnOnce(&mut Snapshot)) -> Result<(), RunError> {
        let broken = |path: PathBuf, reason: String| RunError::from(ResumeError::Broken { path, reason });
        let Some((place, _)) = self.kept.last() else {
            return Err(broken(self.path.clone(), NO_SNAPSHOT.to_string()));
        };
        let path = self.file(&place.state());
        let mut snapshot = read_state(&path, *place).map_err(|why| broken(path.clone(), why))?;
        change(&mut snapshot);
        debug_assert_eq!(snapshot.place(), *place, "another moment has another file");
        write_state(&path, &snapshot)
    }

    /// Reads the newest snapshot whose files are undamaged, and describes the newer ones that are not.
    ///
    /// # Errors
    /// If none is undamaged; the error names the newest.
    pub(super) fn read(&mut self) -> Result<(Snapshot, Vec<String>), RunError> {
        let mut damaged: Vec<(PathBuf, String)> = Vec::new();
        for place in states(&self.path).into_iter().rev() {
            let path = self.file(&place.state());
            match self.read_one(&path, place) {
                Ok(snapshot) => {
                    self.kept = vec![(place, snapshot.files().map(|kept| kept.file.clone()).collect())];
                    let words = |(path, why): (PathBuf, String)| {
                        format!("{}: {why}; the run continues from the snapshot before it", path.display())
                    };
                    return Ok((snapshot, damaged.into_iter().map(words).collect()));
                }
                Err(broken) => damaged.push(broken),
            }
        }
        let newest = damaged.into_iter().next();
        let (path, reason) = newest.unwrap_or_else(|| (self.path.clone(), NO_SNAPSHOT.to_string()));
        Err(ResumeError::Broken { path, reason }.into())
    }

    /// Reads one snapshot; the error names the file that cannot be used.
    fn read_one(&self, path: &Path, place: SnapshotMoment) -> Result<Snapshot, (PathBuf, String)> {
        let snapshot = read_state(path, place).map_err(|why| (path.to_path_buf(), why))?;
        let fails = |kept: &KeptFile, error: RunError| (self.file(&kept.file), reason(error));
        let weights = snapshot.weights.iter().chain(snapshot.midway.iter().flat_map(KeptMidway::networks));
        for kept in weights {
            let path = self.file(&kept.file);
            refuse_link(&path).map_err(|e| fails(kept, e))?;
            let found = models::verify_model(&path).map_err(|e| fails(kept, e.into()))?;
            if found != kept.digest {
                return Err((path, "sound weights, but not those of this snapshot".to_string()));
            }
        }
        if let Some(KeptMidway { optimizer, .. }) = &snapshot.midway {
            let path = self.file(&optimizer.file);
            refuse_link(&path).map_err(|e| fails(optimizer, e))?;
            models::verify_state(&path, &optimizer.digest).map_err(|e| fails(optimizer, e.into()))?;
        }
        Ok(snapshot)
    }

    /// Removes the folder, since the run is complete.
    pub(super) fn remove(self) -> Result<(), RunError> {
        let path = self.path.clone();
        // Windows cannot remove an open file.
        drop(self);
        let places = states(&path).into_iter().map(|place| path.join(place.state()));
        for state in places.chain([path.join(FOLDS)]) {
            match std::fs::remove_file(&state) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(RunError::file("remove", state, e)),
                _ => {}
            }
        }
        // Without its states the rest is meaningless, whether or not it can be removed.
        let _ = std::fs::remove_dir_all(path);
        Ok(())
    }
}

/// The places of the snapshots in `folder`, ascending.
fn states(folder: &Path) -> Vec<SnapshotMoment> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<SnapshotMoment> = names.filter_map(|name| SnapshotMoment::of_state(name.to_str()?)).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::TensorData;

    use super::*;
    use crate::engine::snapshot::KIND;
    use crate::engine::snapshot::tests::{between, kept, snapshot};
    use crate::sealed::write_sealed;
    use crate::train::Midway;

    fn names(folder: &SnapshotFolder) -> Vec<String> {
        let entries = std::fs::read_dir(&folder.path).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_snapshots_are_kept_with_what_they_need() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        for name in ["after-1", "after-2", ".after-3.x.tmp"] {
            std::fs::write(folder.file(name), b"x").unwrap();
        }
        for (finished, weights) in [(0, None), (1, Some("after-1")), (2, Some("after-2")), (3, Some("after-2"))] {
            folder.write(&Snapshot { finished, weights: weights.map(kept), ..snapshot() }).unwrap();
            // Weights come before their state.
            if finished == 0 {
                std::fs::write(folder.file("after-1"), b"x").unwrap();
                std::fs::write(folder.file("after-2"), b"x").unwrap();
            }
            if finished == 1 {
                assert_eq!(names(&folder), ["after-0.cbor", "after-1", "after-1.cbor", LOCK]);
                std::fs::write(folder.file("after-2"), b"x").unwrap();
            }
        }
        assert_eq!(names(&folder), ["after-2", "after-2.cbor", "after-3.cbor", LOCK]);
        assert!(SnapshotFolder::exists(run.path()));
        folder.remove().unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_snapshot_is_named_and_the_one_before_is_taken() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        for finished in 0..3 {
            folder.write(&Snapshot { finished, ..snapshot() }).unwrap();
        }
        let newest = folder.file(&between(2).state());
        let whole = std::fs::read(&newest).unwrap();
        for at in [0, 20, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(&newest, flipped).unwrap();
            let (read, warnings) = folder.read().unwrap();
            assert_eq!(read.finished, 1);
            assert!(warnings.len() == 1 && warnings[0].contains("after-2.cbor: "), "{warnings:?}");
        }
        // An older state under a newer name is not taken for it.
        std::fs::copy(folder.file(&between(1).state()), &newest).unwrap();
        assert!(folder.read().unwrap().1[0].contains("the snapshot after-1"));
        std::fs::write(folder.file(&between(1).state()), b"").unwrap();
        let error = folder.read().unwrap_err().to_string();
        assert!(error.contains("after-2.cbor: the snapshot after-1") && error.contains("start it anew"), "{error}");
    }

    #[test]
    fn a_file_of_a_snapshot_that_is_gone_or_broken_is_named_once() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        let weights = folder.file("after-1.safetensors");
        folder.write(&Snapshot { weights: Some(kept("after-1.safetensors")), ..snapshot() }).unwrap();
        let mut error = || folder.read().unwrap_err().to_string();
        let gone = format!("{}: it is gone; the run cannot be continued: start it anew", weights.display());
        assert_eq!(error(), gone);
        std::fs::write(&weights, [0xff; 600]).unwrap();
        let broken = error();
        assert_eq!(broken.matches("after-1.safetensors").count(), 1, "{broken}");
        assert!(broken.ends_with("; the run cannot be continued: start it anew"), "{broken}");
    }

    #[test]
    fn the_state_to_go_on_from_changes_alone() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        assert!(folder.amend(|_| ()).unwrap_err().to_string().contains(NO_SNAPSHOT));
        folder.write(&Snapshot { parts: vec![1, 1], ..snapshot() }).unwrap();
        // In the middle of a fit.
        let (place, file) = (SnapshotMoment { finished: 0, batches: 31 }, "after-0-batch-31-optimizer.safetensors");
        let tensors = BTreeMap::from([("velocity".to_string(), TensorData::new(vec![0.5f32, -0.0], [2]))]);
        let digest = models::save_state(&tensors, &folder.file(file)).unwrap();
        let losses = vec![0.1 + 0.2, 5e-324, f64::NAN, f64::INFINITY];
        let kept = KeptMidway {
            midway: Midway { iterations: 31, losses, ..Midway::default() },
            steps: 31,
            optimizer: KeptFile { file: file.into(), digest },
            best: None,
            average: None,
        };
        folder.write(&Snapshot { midway: Some(kept), parts: vec![1, 1], ..snapshot() }).unwrap();
        let contents = |folder: &SnapshotFolder| -> BTreeMap<String, Vec<u8>> {
            let names = names(folder).into_iter().filter(|name| name != LOCK);
            names.map(|name| (name.clone(), std::fs::read(folder.file(&name)).unwrap())).collect()
        };
        let before = contents(&folder);

        folder.amend(|state| state.parts = vec![2, 1]).unwrap();
        let after = contents(&folder);
        assert!(before.keys().eq(after.keys()), "{:?}", after.keys());
        let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
        assert_eq!(changed, [&place.state()]);
        let (read, warnings) = folder.read().unwrap();
        assert!(read.parts == [2, 1] && read.place() == place && warnings.is_empty(), "{warnings:?}");
        folder.amend(|state| state.parts = vec![1, 1]).unwrap();
        assert!(contents(&folder) == before, "all but the parts is what it was");

        // A damaged state stays as it is, and then the one before it is the one to go on from.
        std::fs::write(folder.file(&place.state()), b"x").unwrap();
        let error = folder.amend(|state| state.parts = vec![2, 1]).unwrap_err().to_string();
        assert!(error.contains("after-0-batch-31.cbor: "), "{error}");
        folder.read().unwrap();
        folder.amend(|state| state.parts = vec![4, 1]).unwrap();
        let (read, warnings) = folder.read().unwrap();
        assert!(read.parts == [4, 1] && read.midway.is_none() && warnings.len() == 1, "{warnings:?}");
    }

    #[test]
    fn what_a_killed_process_left_of_a_complete_run_is_removed() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        folder.write(&snapshot()).unwrap();
        std::fs::write(folder.file("after-1.safetensors"), b"x").unwrap();
        drop(folder);
        SnapshotFolder::sweep_complete(run.path());
        assert!(SnapshotFolder::exists(run.path()), "a state is left alone");
        std::fs::remove_file(run.path().join(RESUME).join(between(0).state())).unwrap();
        SnapshotFolder::sweep_complete(run.path());
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

    #[cfg(unix)]
    #[test]
    fn links_are_refused() {
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        folder.write(&snapshot()).unwrap();
        let (state, moved) = (folder.file(&between(0).state()), other.path().join("state"));
        std::fs::rename(&state, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &state).unwrap();
        let error = folder.read().unwrap_err().to_string();
        assert!(error.contains("after-0.cbor: ") && error.contains("a link to "), "{error}");
        drop(folder);
        std::fs::rename(run.path().join(RESUME), other.path().join(RESUME)).unwrap();
        std::os::unix::fs::symlink(other.path().join(RESUME), run.path().join(RESUME)).unwrap();
        let error = SnapshotFolder::take(run.path()).unwrap_err().to_string();
        assert!(error.contains("resume: a link to "), "{error}");
    }

    #[test]
    fn hostile_snapshots_are_errors() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        folder.write(&snapshot()).unwrap();
        let mut whole = Vec::new();
        ciborium::into_writer(&snapshot(), &mut whole).unwrap();
        // An array that claims 2^60 entries, half a state, nothing, deep nesting.
        let cases =
            [vec![0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0], whole[..whole.len() / 2].to_vec(), vec![], vec![0x81; 100_000]];
        for bytes in cases {
            write_sealed(&folder.file(&between(0).state()), KIND, &bytes).unwrap();
            let error = folder.read().unwrap_err().to_string();
            assert!(error.contains("after-0.cbor") && error.contains("start it anew"), "{error}");
        }
        for weights in ["../../x", "..", "", "a\\b", "absent"] {
            folder.write(&Snapshot { weights: Some(kept(weights)), ..snapshot() }).unwrap();
            assert!(folder.read().is_err(), "{weights}");
        }
    }
}
