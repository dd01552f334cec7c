//! Decodes every image once, before anything expensive begins.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decode::decode;
use super::findings::Findings;
use super::{DataError, Dataset};
use crate::progress::Progress;
use crate::report::write_atomic;

/// Raised whenever [`decode`] gets stricter, so that files which an older one passed are looked at again.
const VERSION: u32 = 1;
/// A longer list of verified files is not read.
const MAX_LIST_BYTES: u64 = 256 << 20;

/// Decodes every image of `dataset` (train, valid and test) once, on all cores.
///
/// `cache_file` remembers the files that were sound with their size and time of change, so that the next run only asks
/// for those; a list that is missing or broken is made anew, and one that cannot be written is a warning.
///
/// # Errors
/// All broken images at once: the first 20 with path and reason, then how many more, then what to do.
pub fn preflight(dataset: &Dataset, cache_file: Option<&Path>, progress: &mut dyn Progress) -> Result<(), DataError> {
    let known = cache_file.map(Verified::load).unwrap_or_default();
    let mut seen = HashSet::new();
    let items = dataset.train.iter().chain(&dataset.valid).chain(&dataset.test);
    let paths: Vec<&PathBuf> = items.map(|item| &item.path).filter(|path| seen.insert(*path)).collect();

    // Asked before decoding: a file that changes meanwhile will differ from what is written down.
    let stamps: Vec<Option<Stamp>> = paths.par_iter().map(|path| Stamp::of(path)).collect();
    let mut verified = Verified::default();
    let mut unknown = Vec::new();
    for (path, stamp) in paths.iter().copied().zip(stamps) {
        match (path.to_str(), stamp) {
            (Some(name), Some(stamp)) if known.files.get(name) == Some(&stamp) => {
                verified.files.insert(name.to_string(), stamp);
            }
            _ => unknown.push((path, stamp)),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }

    progress.begin("images checked", unknown.len() as u64);
    let mut broken = Vec::new();
    let mut done = 0;
    for chunk in unknown.chunks(32 * rayon::current_num_threads()) {
        let results: Vec<_> = chunk.par_iter().map(|(path, _)| decode(path).map(drop)).collect();
        for ((path, stamp), result) in chunk.iter().zip(results) {
            match (result, path.to_str(), stamp) {
                (Err(reason), ..) => broken.push(format!("{}: {reason}", path.display())),
                (Ok(()), Some(name), Some(stamp)) => drop(verified.files.insert(name.to_string(), *stamp)),
                (Ok(()), ..) => {}
            }
        }
        done += chunk.len() as u64;
        progress.advance(done, "");
    }
    progress.finish();

    if let Some(file) = cache_file {
        // Several data sets may share one list; of this one only what is still there is kept.
        let others = known.files.into_iter().filter(|(path, _)| !Path::new(path).starts_with(&dataset.root));
        verified.files.extend(others);
        if let Err(error) = verified.save(file) {
            progress.warn(&format!("the images will be checked again next time: {error}"));
        }
    }
    let mut findings = Findings::default();
    if !broken.is_empty() {
        let advice = format!(
            "{} of {} images cannot be decoded: replace each of these files, or remove it (and its row in the csv file)",
            broken.len(),
            paths.len()
        );
        findings.extend("broken images", broken);
        findings.push(advice);
    }
    findings.or(())
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    /// Bytes.
    size: u64,
    /// Time of change, nanoseconds since 1970.
    changed: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: metadata.len(), changed: changed.as_nanos().try_into().ok()? })
    }
}

/// Files that were decoded without a complaint, by absolute path.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Verified {
    version: u32,
    files: BTreeMap<String, Stamp>,
}

impl Verified {
    /// The list in `file`; empty if there is none that can be used.
    fn load(file: &Path) -> Verified {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_LIST_BYTES).read_to_end(&mut bytes));
        match read.map(|_| serde_json::from_slice::<Verified>(&bytes)) {
            Ok(Ok(list)) if list.version == VERSION => list,
            _ => Verified::default(),
        }
    }

    fn save(&mut self, file: &Path) -> Result<(), crate::RunError> {
        self.version = VERSION;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| crate::RunError::file("create", folder, e))?;
        }
        write_atomic(file, |out| Ok(serde_json::to_writer(out, &self)?))
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::TaskKind;
    use image::RgbImage;
    use tempfile::TempDir;

    use super::*;
    use crate::data::{Item, Target};
    use crate::progress::Silent;

    fn dataset(folder: &TempDir, images: usize) -> Dataset {
        let item = |i: usize| {
            let path = folder.path().join(format!("{i}.png"));
            RgbImage::new(8, 8).save(&path).unwrap();
            Item { id: i.to_string(), path, target: Target::Class(0) }
        };
        let mut train: Vec<Item> = (0..images).map(item).collect();
        let test = train.split_off(images - 1);
        let valid = train.split_off(images / 2);
        let classes = vec!["a".to_string(), "b".to_string()];
        let root = folder.path().to_path_buf();
        Dataset { root, classes, task: TaskKind::SingleLabel, train, valid, test, notes: Vec::new() }
    }

    /// Counts what the bar was told.
    #[derive(Default)]
    struct Counts {
        total: u64,
        done: u64,
        warnings: Vec<String>,
    }

    impl Progress for Counts {
        fn note(&mut self, _: &str) {}
        fn warn(&mut self, line: &str) {
            self.warnings.push(line.to_string());
        }
        fn stage(&mut self, _: usize, _: usize, _: &str) {}
        fn begin(&mut self, _: &str, total: u64) {
            self.total = total;
        }
        fn advance(&mut self, done: u64, _: &str) {
            self.done = done;
        }
        fn finish(&mut self) {}
        fn table_header(&mut self, _: &[&str]) {}
        fn table_row(&mut self, _: u64, _: &[f64]) {}
    }

    #[test]
    fn all_broken_images_are_named_in_one_error() {
        let folder = TempDir::new().unwrap();
        let dataset = dataset(&folder, 40);
        for i in 10..40 {
            std::fs::write(folder.path().join(format!("{i}.png")), b"nothing").unwrap();
        }
        let error = preflight(&dataset, None, &mut Silent).unwrap_err();
        assert_eq!(error.findings.len(), 22);
        assert!(error.findings[0].contains("10.png: not an image"), "{error}");
        assert_eq!(error.findings[20], "and 10 more broken images");
        assert!(error.findings[21].starts_with("30 of 40 images cannot be decoded"), "{error}");
    }

    #[test]
    fn a_second_run_only_decodes_what_changed() {
        let folder = TempDir::new().unwrap();
        let dataset = dataset(&folder, 6);
        let list = folder.path().join("cache/verified.json");
        let run = || {
            let mut counts = Counts::default();
            let result = preflight(&dataset, Some(&list), &mut counts);
            assert_eq!(counts.total, counts.done);
            (counts.total, result.is_ok())
        };
        assert_eq!(run(), (6, true));
        assert_eq!(run(), (0, true));
        std::fs::write(&dataset.valid[0].path, b"x").unwrap();
        assert_eq!(run(), (1, false));
        assert_eq!(run(), (1, false));
        RgbImage::new(9, 9).save(&dataset.valid[0].path).unwrap();
        assert_eq!(run(), (1, true));
        for broken in [&b"{\"version\": 1, \"fil"[..], b"", b"{\"version\": 0, \"files\": {}}"] {
            std::fs::write(&list, broken).unwrap();
            assert_eq!(run(), (6, true));
            assert_eq!(run(), (0, true));
        }
    }

    #[test]
    fn a_list_that_cannot_be_written_is_a_warning() {
        let folder = TempDir::new().unwrap();
        let dataset = dataset(&folder, 2);
        let blocked = folder.path().join("0.png").join("verified.json");
        let mut counts = Counts::default();
        preflight(&dataset, Some(&blocked), &mut counts).unwrap();
        assert_eq!(counts.warnings.len(), 1);
        assert!(counts.warnings[0].contains("0.png"), "{}", counts.warnings[0]);
    }

    #[test]
    fn lists_of_several_data_sets_live_in_one_file() {
        let (a, b, c) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
        let list = c.path().join("verified.json");
        let mut one = dataset(&a, 4);
        preflight(&one, Some(&list), &mut Silent).unwrap();
        one.train.pop();
        std::fs::write(&one.train[0].path, b"changed").unwrap();
        preflight(&dataset(&b, 3), Some(&list), &mut Silent).unwrap();
        assert_eq!(Verified::load(&list).files.len(), 7);
        assert!(preflight(&one, Some(&list), &mut Silent).is_err());
        assert_eq!(Verified::load(&list).files.len(), 3 + 2);
    }
}
