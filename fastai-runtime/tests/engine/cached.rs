//! Activations whose computation ends early are computed from there, to the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fastai_dsl::{DeviceWish, Recipe};
use fastai_runtime::engine::{resume, run};
use fastai_runtime::progress::Progress;
use fastai_runtime::{RunError, RunOptions};

use crate::chips::Chips;

/// A bar of activations: the part of the data, its images, and how many it reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bar {
    part: String,
    images: u64,
    reached: u64,
}

fn bar(part: &str, images: u64) -> Bar {
    Bar { part: part.to_string(), images, reached: images }
}

/// Keeps the bars of activations, and calls `at` whenever one advances.
struct Watched<F> {
    bars: Vec<Bar>,
    notes: Vec<String>,
    is_open: bool,
    at: F,
}

impl<F: FnMut(&Bar) + Send> Watched<F> {
    fn new(at: F) -> Self {
        Watched { bars: Vec::new(), notes: Vec::new(), is_open: false, at }
    }
}

impl<F: FnMut(&Bar) + Send> Progress for Watched<F> {
    fn note(&mut self, line: &str) {
        self.notes.push(line.to_string());
    }
    fn warn(&mut self, line: &str) {
        assert!(!line.contains("activations"), "{line}");
    }
    fn begin(&mut self, what: &str, total: u64) {
        let part = what.strip_prefix("images, activations of the ").and_then(|rest| rest.split(' ').next());
        self.is_open = part.is_some();
        self.bars.extend(part.map(|part| Bar { part: part.to_string(), images: total, reached: 0 }));
    }
    fn advance(&mut self, done: u64, _: &str) {
        if let Some(bar) = self.bars.last_mut().filter(|_| self.is_open) {
            bar.reached = done;
            (self.at)(bar);
        }
    }
}

/// Computes on the CPU, which is read after each batch.
fn options(chips: &Chips, name: &str, cache: &Path) -> RunOptions {
    RunOptions { cache: Some(cache.to_path_buf()), device: Some(DeviceWish::Cpu.into()), ..chips.options(name) }
}

fn recipe(chips: &Chips) -> Recipe {
    chips.tags("precompute(on); fit(0.05, 1);", "", "")
}

/// The files of activations in a cache with this suffix, by name.
fn files(cache: &Path, suffix: &str) -> BTreeMap<String, Vec<u8>> {
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let paths = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    paths
        .filter(|path| path.extension().is_some_and(|end| end == suffix))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// Copies the files of a cache, as a process leaves them that is killed now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

fn model(run: &Path) -> Vec<u8> {
    fs::read(run.join("models/final.safetensors")).unwrap()
}

#[test]
fn a_killed_run_computes_only_the_activations_that_are_missing() {
    let chips = Chips::new(40);
    let recipe = recipe(&chips);
    let cache = chips.path().join("whole-cache");
    let mut copies: Vec<(Bar, PathBuf)> = Vec::new();
    let mut watched = Watched::new(|bar: &Bar| {
        let to = chips.path().join(format!("copy-{}", copies.len()));
        copy(&cache, &to);
        copies.push((bar.clone(), to));
    });
    let whole = run(&recipe, &options(&chips, "whole", &cache), &mut watched).unwrap();
    assert_eq!(watched.bars, [bar("training", 28), bar("validation", 12)]);
    let sound = files(&cache, "features");
    assert_eq!((sound.len(), files(&cache, "partial").len()), (2, 0));

    let counted: Vec<(&str, u64)> = copies.iter().map(|(bar, _)| (bar.part.as_str(), bar.reached)).collect();
    let batches: [(&str, u64); 4] = [("training", 8), ("training", 16), ("training", 24), ("training", 28)];
    assert_eq!(counted, [&batches[..], &[("validation", 8), ("validation", 12)]].concat());
    let goes_on = |name: &str, cache: &Path, missing: &[Bar]| {
        let mut watched = Watched::new(|_: &Bar| ());
        let outcome = run(&recipe, &options(&chips, name, cache), &mut watched).unwrap();
        assert_eq!(watched.bars, missing, "{name}");
        assert!(files(cache, "features") == sound, "{name}: other activations");
        assert!(files(cache, "partial").is_empty(), "{name}: something is left");
        assert!(model(&outcome.folder) == model(&whole.folder), "{name}: other weights");
        watched.notes
    };
    for (number, (killed, cache)) in copies.iter().enumerate() {
        let mut missing = vec![bar("training", 28), bar("validation", 12)];
        if killed.part == "validation" {
            missing.remove(0);
        }
        missing[0] = bar(&killed.part, killed.images - killed.reached);
        missing.retain(|bar| bar.images > 0);
        let damaged = chips.path().join(format!("damaged-{number}"));
        copy(cache, &damaged);
        let notes = goes_on(&format!("killed-{number}"), cache, &missing);
        if killed.reached < killed.images {
            let known = format!(
                "activations of the {} set: {} of {} known already",
                killed.part, killed.reached, killed.images
            );
            assert!(notes.contains(&known), "{known}: {notes:?}");
        }

        // Without the last batch, if its bytes are others.
        let folder = fs::read_dir(&damaged).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
        let folder = folder.unwrap();
        let (name, mut bytes) = files(&damaged, "partial").pop_last().unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(folder.join(name), bytes).unwrap();
        let before = copies[..number].iter().rev().find(|(before, _)| before.part == killed.part);
        let known = before.map_or(0, |(before, _)| before.reached);
        let mut missing = vec![bar(&killed.part, killed.images - known)];
        if killed.part == "training" {
            missing.push(bar("validation", 12));
        }
        goes_on(&format!("damaged-run-{number}"), &damaged, &missing);
    }
}

#[test]
fn a_stopped_run_goes_on_with_the_activations_that_it_had_computed() {
    let chips = Chips::new(40);
    let recipe = recipe(&chips);
    let (cache, other) = (chips.path().join("parts-cache"), chips.path().join("whole-cache"));
    let whole = run(&recipe, &options(&chips, "whole", &other), &mut Watched::new(|_: &Bar| ())).unwrap();

    let stopped = options(&chips, "parts", &cache);
    let signal = stopped.stop.clone();
    let mut watched = Watched::new(|bar: &Bar| {
        if bar.reached == 16 {
            signal.request();
        }
    });
    let error = run(&recipe, &stopped, &mut watched).unwrap_err();
    assert!(matches!(error, RunError::Stopped(_)), "{error}");
    assert_eq!(watched.bars, [Bar { reached: 16, ..bar("training", 28) }]);
    assert_eq!((files(&cache, "features").len(), files(&cache, "partial").len()), (0, 1));

    let mut watched = Watched::new(|_: &Bar| ());
    let parts = stopped.out.clone().unwrap();
    resume(&recipe, &parts, &options(&chips, "parts", &cache), &mut watched).unwrap();
    assert_eq!(watched.bars, [bar("training", 12), bar("validation", 12)]);
    assert!(files(&cache, "features") == files(&other, "features"), "other activations");
    assert!(files(&cache, "partial").is_empty() && model(&parts) == model(&whole.folder));
}

/// Keeps what a run says about its cache.
#[derive(Default)]
struct Said {
    notes: Vec<String>,
    warnings: Vec<String>,
    computes: bool,
}

impl Progress for Said {
    fn note(&mut self, line: &str) {
        self.notes.extend(line.contains("activations").then(|| line.to_string()));
    }
    fn warn(&mut self, line: &str) {
        self.warnings.extend(line.contains("activations").then(|| line.to_string()));
    }
    fn begin(&mut self, what: &str, _: u64) {
        self.computes |= what.contains("activations");
    }
}

/// What a folder in the place of a file does to a run, a full disk does too.
#[test]
fn a_cache_that_takes_no_complete_file_is_called_incomplete_and_completed_later() {
    let chips = Chips::new(40);
    let recipe = recipe(&chips);
    let cache = chips.path().join("blocked-cache");
    let said = |name: &str| {
        let mut said = Said::default();
        let outcome = run(&recipe, &options(&chips, name, &cache), &mut said).unwrap();
        (said, outcome.summary.stages[0].cache.clone().unwrap(), model(&outcome.folder))
    };
    let (first, state, whole) = said("first");
    assert!(first.notes[0].starts_with("made the cache of activations of 40 images") && !state.incomplete);
    let sound = files(&cache, "features");
    let folder = Path::new(&state.path);
    fs::remove_dir_all(folder).unwrap();
    for name in sound.keys() {
        fs::create_dir_all(folder.join(name)).unwrap();
    }

    let (blocked, state, weights) = said("blocked");
    assert!(!blocked.notes.iter().any(|note| note.starts_with("made ")), "{:?}", blocked.notes);
    let [warning] = &blocked.warnings[..] else { panic!("one for both parts: {:?}", blocked.warnings) };
    assert!(
        warning.contains("the activations of 40 images") && warning.contains("completes the cache in"),
        "{warning}"
    );
    assert!(state.incomplete);
    assert!(blocked.computes && weights == whole);

    for name in sound.keys() {
        fs::remove_dir(folder.join(name)).unwrap();
    }
    let (completed, state, weights) = said("completed");
    assert!(!completed.computes && !state.incomplete && completed.warnings.is_empty(), "{:?}", completed.warnings);
    assert!(weights == whole && files(&cache, "features") == sound && files(&cache, "partial").is_empty());
}

/// Rows that no file takes are in memory alone.
#[cfg(unix)]
#[test]
fn a_cache_that_takes_no_row_is_warned_of_once() {
    let chips = Chips::new(40);
    let recipe = recipe(&chips);
    // A link to itself can be neither listed nor written.
    let cache = chips.path().join("loop");
    std::os::unix::fs::symlink("loop", &cache).unwrap();
    let mut said = Said::default();
    let outcome = run(&recipe, &options(&chips, "lost", &cache), &mut said).unwrap();
    let [warning] = &said.warnings[..] else { panic!("one for both parts: {:?}", said.warnings) };
    assert!(warning.contains("the activations of 40 of 40 images") && warning.contains("`--cache`"), "{warning}");
    assert!(outcome.summary.stages[0].cache.as_ref().unwrap().incomplete);
}

/// Images that were added are computed; the others are copied.
#[test]
fn a_larger_set_computes_its_new_images_only() {
    let chips = Chips::new(40);
    let labels = chips.path().join("labels.csv");
    let text = fs::read_to_string(&labels).unwrap();
    let rows = |n: usize| text.lines().take(n + 1).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(&labels, rows(30)).unwrap();
    let drawn = recipe(&chips).to_string();
    let recipe = crate::chips::recipe(&drawn.replace("random(0.3, seed = 42, fold = 0)", "rows([28, 29])"));
    let computed = |name: &str, cache: &str| {
        let mut watched = Watched::new(|_: &Bar| ());
        let outcome = run(&recipe, &options(&chips, name, &chips.path().join(cache)), &mut watched).unwrap();
        (watched.bars, model(&outcome.folder))
    };
    let (bars, _) = computed("small", "cache");
    assert_eq!(bars, [bar("training", 28), bar("validation", 2)]);
    fs::write(&labels, &text).unwrap();
    let (bars, large) = computed("large", "cache");
    assert_eq!(bars, [bar("training", 10)]);
    let (bars, alone) = computed("alone", "other-cache");
    assert_eq!(bars, [bar("training", 38), bar("validation", 2)]);
    assert!(large == alone, "other weights");
}
