//! Interrupted runs go on as if nothing had happened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chips::{self, Chips, StopAt, bar, history, in_pieces};
use fastai_dsl::Recipe;
use fastai_runtime::engine::{recipe_of_run, resume, run};
use fastai_runtime::progress::{Progress, Silent};
use fastai_runtime::report::{Status, Summary};
use fastai_runtime::{RunError, RunOptions};

const LESSON: &str = "precompute(on); let lr = lr_find(or = 0.03, iters = 12); fit(lr, 2); head(hidden = [8]); fit(0.05, 1);
    precompute(off); fit(0.02, 1, cycle_len = 1); save(\"head\"); unfreeze(); fit([0.0005, 0.001, 0.01], 1, cycle_len = 1);
    tta(n_aug = 1); load(\"head\"); resize(48); freeze(); fit(0.01, 1);";

fn figures(summary: &Summary) -> impl PartialEq + std::fmt::Debug + use<> {
    let stages: Vec<_> =
        summary.stages.iter().map(|s| (s.step, s.text.clone(), s.evaluation.clone(), s.suggestion, s.images)).collect();
    (stages, summary.tta.clone(), summary.r#final.clone(), summary.found_rates.clone(), summary.status)
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_as_one_that_never_was() {
    let chips = Chips::new(40);
    let text = chips.tags(LESSON, "", "clip: 1.0, mixup: 0.4, cutmix: 1,").to_string();
    let more = "transforms.augment=[trivial_augment, erase(value = noise)]".parse().unwrap();
    let recipe = fastai_dsl::source::RecipeText::new("x", &text, &[more]).result.unwrap().recipe;
    let whole = run(&recipe, &chips.options("whole"), &mut Silent).unwrap();
    assert!(!whole.folder.join("resume").exists());

    // A fit has four bars: every stage is interrupted before, within and after its first epoch.
    let (outcome, stops) = in_pieces(
        &recipe,
        &chips,
        |stops| bar([1, 4, 2, 5][stops % 4]),
        |parts| {
            let held: Vec<_> = std::fs::read_dir(parts.join("resume")).unwrap().collect();
            assert!(held.len() <= 9, "the lock, and of two states each weights, optimizer and best weights: {held:?}");
            assert_eq!(Summary::read(parts).unwrap().status, Status::Stopped);
        },
    );
    let parts = outcome.folder.clone();
    assert!(stops >= 8, "{stops}");
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole.folder) == model(&parts), "the weights differ");
    assert_eq!(history(&whole.folder), history(&parts));
    assert_eq!(figures(&whole.summary), figures(&outcome.summary));
    assert!(!parts.join("resume").exists() && !parts.join("models/interrupted.safetensors").exists());

    let error = resume(&recipe, &parts, &chips.options("parts"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::Resume(_)) && error.to_string().contains("is complete"), "{error}");
}

/// Copies the run folder whenever a bar advances, as a killed run would leave it.
struct Copies {
    run: PathBuf,
    to: PathBuf,
    count: usize,
    bar: String,
}

impl Progress for Copies {
    fn warn(&mut self, line: &str) {
        assert!(!line.contains("is not kept"), "{line}");
    }
    fn begin(&mut self, what: &str, _: u64) {
        self.bar = what.to_string();
    }
    fn advance(&mut self, _: u64, _: &str) {
        if !self.bar.contains("epoch") {
            return;
        }
        let to = self.to.join(self.count.to_string());
        self.count += 1;
        for folder in ["", "resume", "models"] {
            std::fs::create_dir_all(to.join(folder)).unwrap();
            for entry in std::fs::read_dir(self.run.join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    std::fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_killed_run_goes_on_from_the_batch_whose_state_was_kept() {
    let chips = Chips::new(40);
    let recipe = chips.tags(
        "fit(0.05, 2, cycle_len = 1); unfreeze(); fit([0.0005, 0.001, 0.01], 3);",
        "",
        "clip: 1.0, mixup: 0.4, keep_best: f2,",
    );
    let options = RunOptions { snapshot_every: Some(Duration::ZERO), ..chips.options("whole") };
    let copies = chips.path().join("copies");
    let mut progress = Copies { run: options.out.clone().unwrap(), to: copies.clone(), count: 0, bar: String::new() };
    let whole = run(&recipe, &options, &mut progress).unwrap();
    // Four batches in each of five epochs.
    assert_eq!(progress.count, 20);
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    for copy in [1, 3, 4, 6, 9, 13, 15, 16, 19] {
        let folder = copies.join(copy.to_string());
        let states: Vec<_> =
            std::fs::read_dir(folder.join("resume")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(states.iter().any(|name| name.to_str().unwrap().contains("-batch-")), "{copy}: {states:?}");
        let outcome = resume(&recipe, &folder, &chips.options("x"), &mut Silent).unwrap();
        assert!(model(&whole.folder) == model(&folder), "the weights differ after copy {copy}");
        assert_eq!(history(&whole.folder), history(&folder), "copy {copy}");
        assert_eq!(figures(&whole.summary), figures(&outcome.summary), "copy {copy}");
        let (ours, theirs) = (&outcome.batches, &whole.batches);
        assert_eq!(ours, theirs, "copy {copy}");
        assert!(!folder.join("resume").exists());
    }
    // A damaged state of an optimizer: the one before it serves.
    let folder = copies.join("17");
    let entries = std::fs::read_dir(folder.join("resume")).unwrap().map(|entry| entry.unwrap().path());
    let newest = entries.filter(|path| path.to_str().unwrap().ends_with("-optimizer.safetensors")).max().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let mut warnings = Warnings::default();
    resume(&recipe, &folder, &chips.options("x"), &mut warnings).unwrap();
    assert!(
        warnings.0.iter().any(|line| line.contains("-optimizer.safetensors: its content does not")),
        "{:?}",
        warnings.0
    );
    assert!(model(&whole.folder) == model(&folder), "the weights differ");
}

/// Accumulated gradients, averaged weights and a fit that ends early, with what else is part of a step or of an epoch: from a
/// state at any batch to the same bytes.
#[test]
fn averages_and_early_ends_go_on_from_every_batch() {
    let early = "precompute(on); fit(0.05, 1); precompute(off); fit(0.05, 5, stop_early = 1); unfreeze(); \
                 fit([0.0005, 0.001, 0.01], 3, cycle_len = 1, stop_early = 1); tta(n_aug = 1);";
    let means = "precompute(on); fit(0.05, 3, swa = 2); precompute(off); fit(0.05, 1); unfreeze(); \
                 fit([0.0005, 0.001, 0.01], 3, cycle_len = 1, swa = 2, cycle_save_name = \"c\"); \
                 average([\"c_cyc_0\", \"c_cyc_2\"]); tta(n_aug = 1);";
    for (steps, extra, every) in [
        (early, "ema: 0.9, accumulate: 3, clip: 1.0, mixup: 0.4, keep_best: f2, optimizer: adamw,", 2),
        (early, "ema: 0.99, clip_value: 0.5, loss: focal { gamma: 1.5 },", 5),
        (early, "accumulate: 2, keep_best: val_loss, loss: asymmetric,", 5),
        (means, "mixup: 0.4,", 5),
        (means, "accumulate: 3, keep_best: f2,", 7),
    ] {
        let chips = Chips::new(40);
        let recipe = chips.tags(steps, "", extra);
        let options = RunOptions { snapshot_every: Some(Duration::ZERO), ..chips.options("whole") };
        let copies = chips.path().join("copies");
        let mut progress =
            Copies { run: options.out.clone().unwrap(), to: copies.clone(), count: 0, bar: String::new() };
        let whole = run(&recipe, &options, &mut progress).unwrap();
        let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
        // Other devices than the CPU are read, and their states kept, 16 batches at a time.
        let each_batch = crate::device::request() == fastai_dsl::DeviceWish::Cpu.into();
        assert!(progress.count >= if each_batch { 4 * 4 } else { 4 }, "{}", progress.count);
        for copy in (0..progress.count).step_by(every) {
            let folder = copies.join(copy.to_string());
            let outcome = resume(&recipe, &folder, &chips.options("x"), &mut Silent).unwrap();
            assert!(model(&whole.folder) == model(&folder), "{extra}: the weights differ after copy {copy}");
            assert_eq!(history(&whole.folder), history(&folder), "{extra}: copy {copy}");
            assert_eq!(figures(&whole.summary), figures(&outcome.summary), "{extra}: copy {copy}");
            assert_eq!(outcome.batches, whole.batches, "{extra}: copy {copy}");
        }
        // Stopped at any batch: the state that is kept lies between two steps.
        let (outcome, stops) = in_pieces(&recipe, &chips, |stops| bar([2, 3, 4, 1][stops % 4]), |_| ());
        let parts = outcome.folder;
        assert!(stops >= 3, "{extra}: {stops}");
        assert!(model(&whole.folder) == model(&parts), "{extra}: the weights differ");
        assert_eq!(history(&whole.folder), history(&parts), "{extra}");
    }
}

#[test]
fn a_run_goes_on_with_other_threads_to_the_same_weights() {
    let chips = Chips::new(30);
    let steps = "precompute(on); fit(0.05, 1); precompute(off); unfreeze(); fit([0.0005, 0.001, 0.01], 2, wds = 0.01); \
         fit_one_cycle(0.001, 1);";
    let extra = "mixup: 0.4, class_weights: [1, 2], optimizer: lamb,";
    let text = chips.classes(steps, "sampler: balanced", extra).to_string();
    let sets = ["transforms.size=40", "data.resize_to=48"].map(|set| set.parse().unwrap());
    let recipe = fastai_dsl::source::RecipeText::new("x", &text, &sets).result.unwrap().recipe;
    // Each with a cache of its own, so that activations are computed on these threads too.
    let with = |name: &str, threads: usize| RunOptions {
        threads: Some(threads),
        cache: Some(chips.path().join(format!("{name}-cache"))),
        ..chips.options(name)
    };
    let whole = run(&recipe, &with("whole", 1), &mut Silent).unwrap();
    let parts = chips.path().join("parts");
    let mut stops = 0;
    loop {
        let options = with("parts", [3, 1, 2, 4][stops % 4]);
        // Within the first fit on images, then before it ends for good.
        let mut progress = StopAt::new(&options, bar([6, 5, 1000][stops.min(2)]));
        let result = match stops {
            0 => run(&recipe, &options, &mut progress),
            _ => resume(&recipe, &parts, &options, &mut progress),
        };
        match result {
            Ok(_) => break,
            Err(RunError::Stopped(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(stops, 2);
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole.folder) == model(&parts), "the weights differ");
    assert_eq!(history(&whole.folder), history(&parts));
}

#[test]
fn what_differs_is_named_and_nothing_goes_on() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 1); fit(0.01, 2);", "", "");
    let options = chips.options("stopped");
    let mut progress = StopAt::new(&options, bar(4));
    let error = run(&recipe, &options, &mut progress).unwrap_err();
    assert!(matches!(error, RunError::Stopped(_)), "{error}");
    let folder = options.out.unwrap();
    let before = std::fs::read(folder.join("summary.json")).unwrap();
    let refused = |recipe: &Recipe, options: &RunOptions| {
        let error = resume(recipe, &folder, options, &mut Silent).unwrap_err();
        assert!(matches!(error, RunError::Resume(_)), "{error}");
        assert_eq!(std::fs::read(folder.join("summary.json")).unwrap(), before);
        error.to_string()
    };

    let other = chips.tags("fit(0.05, 1); fit(0.02, 2);", "", "");
    let error = refused(&other, &chips.options("x"));
    assert!(error.contains("- fit(0.01, 2);\n  + fit(0.02, 2);"), "{error}");

    let seeded = RunOptions { seed: Some(43), ..chips.options("x") };
    let error = refused(&recipe, &seeded);
    assert!(error.contains("the seed differs: 42 when the run began, 43 now"), "{error}");

    let labels = chips.path().join("labels.csv");
    let text = std::fs::read_to_string(&labels).unwrap();
    let fewer: Vec<&str> = text.lines().take(21).collect();
    std::fs::write(&labels, fewer.join("\n")).unwrap();
    let error = refused(&recipe, &chips.options("x"));
    assert!(error.contains("training set: 21 images when the run began, 14 now"), "{error}");
    std::fs::write(&labels, text.replace(" coast", "")).unwrap();
    let error = refused(&recipe, &chips.options("x"));
    assert!(error.contains("classes: ") && error.contains("images as before, but other"), "{error}");
    std::fs::write(&labels, text).unwrap();

    let error = resume(&recipe, &chips.path().join("none"), &chips.options("x"), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("there is no run folder"), "{error}");
    let error = resume(&recipe, chips.path(), &chips.options("x"), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("holds nothing that a run could go on from"), "{error}");

    resume(&recipe, &folder, &chips.options("x"), &mut Silent).unwrap();
}

#[test]
fn original_weights_are_needed_only_until_the_first_state_of_a_fit_is_kept() {
    let chips = Chips::new(30);
    let weights = chips.path().join("body.safetensors");
    std::fs::copy(chips::weights(), &weights).unwrap();
    let recipe = chips::with_weights(&chips.tags("fit(0.05, 1); fit(0.01, 2);", "", ""), &weights);
    let stop_at = |name: &str, bars| {
        let options = chips.options(name);
        let mut progress = StopAt::new(&options, bar(bars));
        let error = run(&recipe, &options, &mut progress).unwrap_err();
        assert!(matches!(error, RunError::Stopped(_)), "{error}");
        options.out.unwrap()
    };
    let (early, late) = (stop_at("early", 2), stop_at("late", 2));
    // What a run leaves that is killed before it keeps the state of a batch.
    for entry in std::fs::read_dir(early.join("resume")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().contains("-batch-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::remove_file(&weights).unwrap();
    let error = resume(&recipe, &early, &chips.options("x"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::Weights(_)) && error.to_string().contains("body.safetensors"), "{error}");
    resume(&recipe, &late, &chips.options("x"), &mut Silent).unwrap();

    // Other weights at that place are noticed.
    let head = fastai_dsl::HeadSpec { hidden: vec![], dropout: vec![0.0] };
    let network = fastai_runtime::models::Network::new("squeezenet1_1", &head, 2, 7, &burn::tensor::Device::flex());
    let meta = fastai_runtime::models::ModelMeta::of(&recipe, vec!["a".into(), "b".into()]);
    let other = chips.path().join("other.safetensors");
    fastai_runtime::models::save_model(&network, &meta, &other).unwrap();
    let file = std::fs::read(&other).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let body = tensors.iter().filter_map(|(name, view)| Some((name.strip_prefix("body.")?, view)));
    safetensors::serialize_to_file(body, None, &weights).unwrap();
    let error = resume(&recipe, &early, &chips.options("x"), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("not those that the run began with"), "{error}");
}

/// Keeps the warnings.
#[derive(Default)]
struct Warnings(Vec<String>);

impl Progress for Warnings {
    fn warn(&mut self, line: &str) {
        self.0.push(line.to_string());
    }
}

#[test]
fn what_is_damaged_or_swapped_is_named() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 1); save(\"a\"); fit(0.01, 1); load(\"a\"); fit(0.02, 1);", "", "");
    let whole = run(&recipe, &chips.options("whole"), &mut Silent).unwrap();
    let newest = |folder: &Path| {
        let entries = std::fs::read_dir(folder.join("resume")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_prefix("after-")?.strip_suffix(".cbor")?.parse::<usize>().ok()).max()
    };
    // Stopped after `save`, within the second fit.
    let folder = (2..20).find_map(|bars| {
        let options = chips.options(&format!("parts-{bars}"));
        let error = run(&recipe, &options, &mut StopAt::new(&options, bar(bars))).map(drop).unwrap_err();
        assert!(matches!(error, RunError::Stopped(_)), "{error}");
        options.out.filter(|folder| folder.join("resume").is_dir() && newest(folder) == Some(2))
    });
    let folder = folder.expect("a stop within the second fit");
    let held = |name: &str| folder.join(name);
    let flipped = |path: &Path| {
        let kept = std::fs::read(path).unwrap();
        let mut other = kept.clone();
        other[kept.len() / 2] ^= 8;
        std::fs::write(path, other).unwrap();
        kept
    };
    let resumed = || {
        let (options, mut warnings) = (chips.options("x"), Warnings::default());
        // Stopped before the next stage ends, so that the folder can be tried again.
        let mut stop = StopAt::new(&options, bar(1));
        assert!(resume(&recipe, &folder, &options, &mut Both(&mut warnings, &mut stop)).is_err());
        warnings.0.join("\n")
    };

    // A model, before the step that loads it.
    let model = held("models/a.safetensors");
    let kept = flipped(&model);
    let said = resumed();
    assert!(said.contains("a.safetensors: its content does not match its digest"), "{said}");
    std::fs::copy(whole.folder.join("models/final.safetensors"), &model).unwrap();
    let said = resumed();
    assert!(said.contains("a.safetensors: a sound model, but not the one that this run saved there"), "{said}");
    let error = resume(&recipe, &folder, &chips.options("x"), &mut Silent).map(drop).unwrap_err().to_string();
    assert!(error.contains("a.safetensors: a sound model, but not the one"), "{error}");
    std::fs::write(&model, &kept).unwrap();

    // An image of the same size.
    let images = chips.path().join("images");
    let mut files: Vec<_> = std::fs::read_dir(&images).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let (small, large) = (std::fs::read(&files[0]).unwrap(), std::fs::read(&files[29]).unwrap());
    let more = large.len() - small.len();
    let comment = [&[0xff, 0xfe][..], &(more as u16 - 2).to_be_bytes(), &vec![b'x'; more - 4]].concat();
    std::fs::write(&files[29], [&small[..2], &comment, &small[2..]].concat()).unwrap();
    let error = resume(&recipe, &folder, &chips.options("x"), &mut Silent).map(drop).unwrap_err().to_string();
    let name = files[29].file_stem().unwrap().to_str().unwrap();
    assert!(error.contains(&format!("images as before, but other content: {name:?}")), "{error}");
    std::fs::write(&files[29], large).unwrap();

    // A run that was killed right after its first snapshot has its recipe in the snapshot alone.
    std::fs::remove_file(held("recipe.recipe")).unwrap();
    assert_eq!(recipe_of_run(&folder).unwrap(), recipe.kept_text());
    resume(&recipe, &folder, &chips.options("x"), &mut Silent).unwrap();
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole.folder) == model(&folder), "the weights differ");
    assert!(held("recipe.recipe").is_file());
}

#[test]
fn the_recipe_in_the_folder_names_the_seed_of_the_options_and_goes_on() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 1); fit(0.01, 2);", "", "");
    let seeded = |name: &str| RunOptions { seed: Some(7), ..chips.options(name) };
    let whole = run(&recipe, &seeded("whole"), &mut Silent).unwrap();
    let (options, folder) = (seeded("parts"), chips.path().join("parts"));
    run(&recipe, &options, &mut StopAt::new(&options, bar(4))).map(drop).unwrap_err();
    let kept = || std::fs::read_to_string(folder.join("recipe.recipe")).unwrap();
    let text = kept();
    assert!(text.contains("\n    seed: 7,\n"), "{text}");
    let again = |text: &str| resume(&chips::recipe(text), &folder, &chips.options("x"), &mut Silent);
    let error = again(&text.replace("seed: 7", "seed: 8")).map(drop).unwrap_err().to_string();
    assert!(error.contains("the recipe differs") && error.contains("+ seed: 8,"), "{error}");
    again(&text).unwrap();
    // The recipe in their headers is the one without the seed.
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole.folder) == model(&folder) && kept() == text);
    for same in [&text, &recipe.to_string()] {
        let error = again(same).map(drop).unwrap_err().to_string();
        assert!(error.contains("is complete") && !error.contains("not what is asked for"), "{error}");
    }
}

/// Warnings to one, bars to the other.
struct Both<'a>(&'a mut Warnings, &'a mut dyn Progress);

impl Progress for Both<'_> {
    fn warn(&mut self, line: &str) {
        self.0.warn(line);
    }
    fn begin(&mut self, what: &str, total: u64) {
        self.1.begin(what, total);
    }
    fn advance(&mut self, done: u64, text: &str) {
        self.1.advance(done, text);
    }
}
