//! Whole runs on a few real satellite chips.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::chips::{self, Chips, StopAt, bar, parameters, with_weights};
use fastai_dsl::StepKind;
use fastai_runtime::RunError;
use fastai_runtime::engine::{RunOptions, resume, run};
use fastai_runtime::progress::{Progress, Silent};
use fastai_runtime::report::{BatchRow, Status, Summary};
use fastai_runtime::train::SmoothedLoss;

/// Keeps what a run says.
#[derive(Default)]
pub struct Log(pub Mutex<Vec<String>>);

impl Log {
    fn add(&mut self, line: String) {
        self.0.lock().unwrap().push(line);
    }
    pub fn has(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line.contains(part))
    }
}

impl Progress for Log {
    fn note(&mut self, line: &str) {
        self.add(format!("note {line}"));
    }
    fn warn(&mut self, line: &str) {
        self.add(format!("warn {line}"));
    }
    fn stage(&mut self, index: usize, count: usize, title: &str) {
        self.add(format!("stage {index}/{count} {title}"));
    }
    fn begin(&mut self, what: &str, total: u64) {
        self.add(format!("begin {what} {total}"));
    }
    fn table_header(&mut self, columns: &[&str]) {
        self.add(format!("header {}", columns.join(" ")));
    }
    fn table_row(&mut self, epoch: u64, values: &[f64]) {
        self.add(format!("row {epoch} {}", values.len()));
    }
}

const LESSON: &str = "precompute(on); fit(0.05, 2); precompute(off); fit(0.02, 1, cycle_len = 1); save(\"head\");
    unfreeze(); fit([0.0005, 0.001, 0.01], 1, cycle_len = 1); tta(n_aug = 2);";

#[test]
fn a_lesson_leaves_a_whole_run_folder_and_the_second_run_finds_the_cache() {
    let chips = Chips::new(60);
    let recipe = chips.tags(LESSON, "", "");
    let mut log = Log::default();
    let first = run(&recipe, &chips.options("first"), &mut log).unwrap();
    assert!(log.has("made the cache"));
    assert!(log.has("header epoch trn_loss val_loss f2 log_loss"));
    assert!(log.has("row 1 4"));
    for file in ["recipe.recipe", "history.csv", "summary.json", "report.html", "models/final.safetensors"] {
        assert!(first.folder.join(file).is_file(), "{file}");
    }
    assert!(first.folder.join("models/head.safetensors").is_file());
    let summary = &first.summary;
    assert_eq!(summary.status, Status::Complete);
    assert_eq!((summary.counts.train, summary.counts.valid), (42, 18));
    let last = summary.r#final.as_ref().unwrap();
    assert_eq!((last.set.word(), last.n, last.metrics.len()), ("valid", 18, 2));
    assert!(last.metrics.iter().all(|m| m.interval.is_some_and(|[low, high]| low <= m.value && m.value <= high)));
    assert_eq!(summary.tta.as_ref().unwrap().predictions, "tta: 1 plain + 2 augmented");
    let tags = summary.by_class.as_ref().unwrap();
    assert_eq!((tags.predictions.as_str(), tags.table.f_name().as_str()), ("tta: 1 plain + 2 augmented", "F2"));
    assert!(tags.table.rows.iter().map(|row| &row.name).eq(&summary.classes));
    assert!(tags.table.rows.iter().all(|row| row.support <= 18 && row.recall.is_some() == (row.support > 0)));
    let read = Summary::read(&first.folder).unwrap().by_class.unwrap();
    assert_eq!((&read.predictions, read.table.rows.len()), (&tags.predictions, summary.classes.len()));
    assert_eq!(summary.stages[1].trains.as_deref(), Some("the head, on cached activations"));
    assert!(!summary.stages[0].cache.as_ref().unwrap().found);

    let mut log = Log::default();
    let second = run(&recipe, &chips.options("second"), &mut log).unwrap();
    assert!(log.has("found the cache"));
    assert!(second.summary.stages[0].cache.as_ref().unwrap().found);
    assert_eq!(parameters(&first), parameters(&second));
}

#[test]
fn every_batch_is_written_with_its_loss_and_rates() {
    let chips = Chips::new(40);
    let steps = "let lr = lr_find(or = 0.01, iters = 12); fit(0.05, 2); unfreeze(); fit([0.0005, 0.001, 0.01], 1, cycle_len = 1);";
    let outcome = run(&chips.tags(steps, "", ""), &chips.options("batches"), &mut Silent).unwrap();
    let read = BatchRow::read(&outcome.folder).unwrap();
    assert_eq!(read, outcome.batches);
    let of = |step: usize| read.iter().filter(move |row| row.step == step).collect::<Vec<_>>();
    // 28 images in batches of 8.
    assert_eq!((of(0).len(), of(1).len(), of(3).len()), (12, 8, 4));
    assert!(of(0).iter().all(|row| row.epoch.is_none()) && of(0).windows(2).all(|w| w[0].rates < w[1].rates));
    assert_eq!(of(1).iter().map(|row| row.epoch.unwrap()).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!([0, 1, 3].map(|step| of(step)[1].rates.len()), [1, 1, 3], "of the groups that train");
    // The head's rate is in the last column, also in a run that trains nothing else.
    let head = run(&chips.tags("fit(0.05, 1);", "", ""), &chips.options("head"), &mut Silent).unwrap();
    let table = std::fs::read_to_string(head.folder.join("batches.csv")).unwrap();
    assert!(table.starts_with("step,epoch,batch,loss,smoothed,lr_0,lr_1,lr_2\n"), "{table}");
    assert!(table.lines().skip(1).all(|row| row.contains(",,,") && !row.ends_with(',')), "{table}");
    assert!((of(3)[1].rates[2] / of(3)[1].rates[0] - 20.0).abs() < 1e-9, "{:?}", of(3)[1]);
    // The table's training loss is the smoothed one after the last batch of its epoch.
    let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let trn_loss: Vec<f64> = history.lines().skip(1).map(|l| l.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(trn_loss, [of(1)[3].smoothed, of(1)[7].smoothed, of(3)[3].smoothed]);
    let mut smoothed = SmoothedLoss::default();
    assert!(of(1).iter().all(|row| smoothed.add(row.loss) == row.smoothed));
}

#[test]
fn a_resize_changes_the_batch_too_and_chosen_rows_are_held_out() {
    let chips = Chips::new(40);
    let steps = "fit(0.05, 1); resize(96, batch = 14); fit(0.05, 1); resize(64); fit(0.05, 1);";
    let recipe = chips.tags(steps, "", "").to_string();
    let rows = recipe.replace("random(0.3, seed = 42, fold = 0)", "rows([0, 3, 5, 39])");
    assert_ne!(rows, recipe);
    let outcome = run(&chips::recipe(&rows), &chips.options("rows"), &mut Silent).unwrap();
    assert_eq!((outcome.summary.counts.train, outcome.summary.counts.valid), (36, 4));
    let batches = |step: usize| outcome.batches.iter().filter(|row| row.step == step).count();
    assert_eq!((batches(0), batches(2), batches(4)), (5, 3, 3));
    let beyond = chips::recipe(&recipe.replace("random(0.3, seed = 42, fold = 0)", "rows([0, 40])"));
    let error = run(&beyond, &chips.options("beyond"), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("counts from 0 to 39, but names 40"), "{error}");
}

#[test]
fn a_later_search_that_finds_nothing_goes_on_with_a_tenth_of_the_heads_rate() {
    let chips = Chips::new(40);
    // Rates that change nothing, so that the loss neither falls nor rises.
    let steps = "fit(0.02, 1); let lr = lr_find(start = 1e-9, end = 1e-8, iters = 12); fit(lr, 1);";
    let mut log = Log::default();
    let outcome = run(&chips.tags(steps, "", ""), &chips.options("tenth"), &mut log).unwrap();
    assert!(log.has("lr_find suggests nothing; a tenth of the head's last rate is used, 0.002"));
    assert!((outcome.summary.found_rates[0] - 0.002).abs() < 1e-12);
    // A first search whose rate is used has nothing to go on with; one whose rate nothing uses need not.
    let nothing = "lr_find(start = 1e-9, end = 1e-8, iters = 12); fit(0.02, 1);";
    run(&chips.tags(nothing, "", ""), &chips.options("unused"), &mut Silent).unwrap();
    let first = "let lr = lr_find(start = 1e-9, end = 1e-8, iters = 12); fit(lr, 1);";
    let error = run(&chips.tags(first, "", ""), &chips.options("first"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::NoRate { .. }), "{error}");
}

#[test]
fn the_epoch_of_the_lowest_loss_can_be_kept() {
    let chips = Chips::new(40);
    let recipe = chips.tags("precompute(on); fit(0.3, 30);", "", "keep_best: val_loss,");
    let outcome = run(&recipe, &chips.options("val_loss"), &mut Silent).unwrap();
    let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let losses: Vec<f64> = history.lines().skip(1).map(|l| l.split(',').nth(3).unwrap().parse().unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(outcome.summary.r#final.unwrap().val_loss, lowest, "{losses:?}");
    assert!(lowest < *losses.last().unwrap(), "the last epoch would have been kept anyway: {losses:?}");
}

#[test]
fn one_thread_and_two_give_the_same_weights() {
    let chips = Chips::new(40);
    let recipe = chips.tags(LESSON, "", "");
    let run_on = |threads: usize| {
        let mut options = chips.options(&format!("threads-{threads}"));
        options.threads = Some(threads);
        options.cache = Some(chips.path().join(format!("cache-{threads}")));
        run(&recipe, &options, &mut Silent).unwrap()
    };
    let (one, two) = (run_on(1), run_on(2));
    assert_eq!(parameters(&one), parameters(&two));
    assert_eq!(one.summary.tta, two.summary.tta);
}

#[test]
fn a_damaged_cache_is_made_again() {
    let chips = Chips::new(30);
    let recipe = chips.tags("precompute(on); fit(0.05, 1);", "", "");
    let first = run(&recipe, &chips.options("first"), &mut Silent).unwrap();
    let folder = PathBuf::from(&first.summary.stages[0].cache.as_ref().unwrap().path);
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|end| end != "features") {
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let mut log = Log::default();
    let second = run(&recipe, &chips.options("second"), &mut log).unwrap();
    assert!(log.has("is damaged") && log.has("made the cache"));
    assert_eq!(parameters(&first), parameters(&second));
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_only() {
    let chips = Chips::new(30);
    let text = chips.tags("precompute(on); fit(0.05, 1); precompute(off); fit(0.01, 1);", "", "").to_string();
    let recipe = chips::recipe(&text.replace("size: 64", "size: 40").replace("batch: 8", "batch: 8, resize_to: 48"));
    let mut options = chips.options("first");
    let (sound, blocked) = (chips.path().join("sound"), chips.path().join("blocked"));
    options.cache = Some(sound.clone());
    let first = run(&recipe, &options, &mut Silent).unwrap();
    // A file where a folder belongs, and the reverse.
    std::fs::create_dir(&blocked).unwrap();
    for entry in std::fs::read_dir(&sound).unwrap().map(Result::unwrap) {
        let (path, is_folder) = (blocked.join(entry.file_name()), entry.file_type().unwrap().is_dir());
        if is_folder { std::fs::write(path, b"in the way") } else { std::fs::create_dir(path) }.unwrap();
    }
    let mut options = chips.options("second");
    options.cache = Some(blocked.clone());
    let mut log = Log::default();
    let second = run(&recipe, &options, &mut log).unwrap();
    for warning in ["images will be checked again", "scaled to 48 pixels whenever", "pixels stay in memory"] {
        let told =
            log.0.get_mut().unwrap().iter().filter(|line| line.starts_with("warn") && line.contains(warning)).count();
        assert_eq!(told, 1, "{warning}: {:?}", log.0);
    }
    assert_eq!(parameters(&first), parameters(&second));
    assert_eq!(std::fs::read(blocked.join("copies")).unwrap(), b"in the way");

    // A cache that is no folder at all is a mistake, told before anything is trained.
    options.cache = Some(blocked.join("copies"));
    let error = run(&recipe, &options, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("it is no folder; name one with `--cache`"), "{error}");
}

#[test]
fn a_stop_saves_the_weights_and_says_where() {
    let chips = Chips::new(30);
    let recipe = chips.tags("fit(0.05, 3);", "", "");
    let options = chips.options("stopped");
    let mut progress = StopAt::new(&options, |bar: &str| bar.contains("epoch 0"));
    let error = run(&recipe, &options, &mut progress).unwrap_err();
    assert!(matches!(error, RunError::Stopped(_)));
    let folder = chips.path().join("stopped");
    assert!(error.to_string().contains("interrupted.safetensors"), "{error}");
    assert!(folder.join("models/interrupted.safetensors").is_file());
    assert!(std::fs::read_to_string(folder.join("summary.json")).unwrap().contains("\"stopped\""));
}

#[test]
fn a_stop_at_any_place_keeps_what_was_reached() {
    let chips = Chips::new(30);
    let recipe =
        chips.tags("precompute(on); let lr = lr_find(or = 0.01); fit(lr, 2); precompute(off); tta(n_aug = 1);", "", "");
    for (bar, finished_epochs) in
        [("activations", 0), ("batches", 0), ("epoch 0", 0), ("epoch 1", 1), ("validation", 0), ("augmented", 2)]
    {
        let options = RunOptions { cache: None, ..chips.options(&format!("stop-{bar}")) };
        let options = RunOptions { cache: Some(chips.path().join(format!("cache-{bar}"))), ..options };
        let mut progress = StopAt::new(&options, |now: &str| now.contains(bar));
        let error = run(&recipe, &options, &mut progress).unwrap_err();
        assert!(matches!(error, RunError::Stopped(_)), "{bar}: {error}");
        let folder = options.out.unwrap();
        assert!(folder.join("models/interrupted.safetensors").is_file(), "{bar}");
        let rows = std::fs::read_to_string(folder.join("history.csv")).map_or(0, |h| h.lines().count() - 1);
        assert_eq!(rows, finished_epochs, "{bar}");
        let text = std::fs::read_to_string(folder.join("summary.json")).unwrap();
        let summary: fastai_runtime::report::Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(summary.status, Status::Stopped, "{bar}");
    }
}

#[test]
fn broken_and_missing_images_are_found_before_training() {
    let chips = Chips::new(30);
    let images: Vec<PathBuf> =
        std::fs::read_dir(chips.path().join("images")).unwrap().map(|e| e.unwrap().path()).collect();
    let bytes = std::fs::read(&images[0]).unwrap();
    std::fs::write(&images[0], &bytes[..100]).unwrap();
    let recipe = chips.tags("fit(0.05, 1);", "", "");
    let error = run(&recipe, &chips.options("broken"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::Data(_)), "{error}");
    assert!(error.to_string().contains(images[0].file_name().unwrap().to_str().unwrap()), "{error}");
    assert!(!chips.path().join("broken").exists());
    std::fs::remove_file(&images[0]).unwrap();
    let error = run(&recipe, &chips.options("missing"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::Data(_)), "{error}");
    assert!(error.to_string().contains(images[0].file_stem().unwrap().to_str().unwrap()), "{error}");
}

#[test]
fn foreign_weights_are_an_error_that_names_the_file() {
    let chips = Chips::new(30);
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/head.safetensors");
    let recipe = with_weights(&chips.tags("fit(0.05, 1);", "", ""), &foreign);
    let error = run(&recipe, &chips.options("foreign"), &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::Weights(_)), "{error}");
    assert!(error.to_string().contains("head.safetensors"), "{error}");
}

#[test]
fn an_output_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let chips = Chips::new(30);
    let mut options = chips.options("x");
    options.out = Some(chips.path().join("labels.csv").join("run"));
    let error = run(&chips.tags("fit(0.05, 1);", "", ""), &options, &mut Silent).unwrap_err();
    assert!(matches!(error, RunError::File(_)), "{error}");
    assert!(error.to_string().contains("labels.csv"), "{error}");
}

#[test]
fn the_best_epoch_is_kept_and_marked() {
    let chips = Chips::new(40);
    let recipe = chips.tags("precompute(on); fit(0.3, 8);", "", "keep_best: f2,");
    let searched = recipe.to_string().replace("[f2, log_loss]", "[f2(threshold = search), log_loss]");
    let searched = chips::recipe(&searched);
    let mut best_by_loss_is_another = false;
    // Several start weights: in some of these runs the epoch of the best F2 is not that of the smallest loss.
    for (name, recipe, seed) in [
        ("fixed", &recipe, 42),
        ("searched", &searched, 42),
        ("one", &recipe, 1),
        ("two", &recipe, 2),
        ("three", &recipe, 3),
    ] {
        let options = RunOptions { seed: Some(seed), ..chips.options(name) };
        let outcome = run(recipe, &options, &mut Silent).unwrap();
        let last = outcome.summary.r#final.unwrap();
        assert!(last.metrics[0].chosen_here.as_ref().unwrap().contains("the best of 8 by f2"), "{last:?}");
        let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
        let column = |i: usize| -> Vec<f64> {
            history.lines().skip(1).map(|l| l.split(',').nth(i).unwrap().parse().unwrap()).collect()
        };
        let (val_loss, f2) = (column(3), column(4));
        assert_eq!(f2.len(), 8);
        let best = f2.iter().copied().fold(f64::MIN, f64::max);
        assert!((last.metrics[0].value - best).abs() < 1e-12, "{name}: {} of {f2:?}", last.metrics[0].value);
        let by_loss = (0..8).min_by(|a, b| val_loss[*a].total_cmp(&val_loss[*b])).unwrap();
        best_by_loss_is_another |= f2[by_loss] < best;
    }
    assert!(best_by_loss_is_another, "a run in which the two agree proves nothing");
}

#[test]
fn the_area_under_the_curve_is_shown_kept_and_named_where_it_is_none() {
    let chips = Chips::new(40);
    let recipe = chips.tags("precompute(on); fit(0.3, 4);", "", "keep_best: f2,");
    let text = recipe.to_string().replace("[f2, log_loss]", "[auroc, f2]").replace("keep_best: f2", "keep_best: auroc");
    let mut log = Log::default();
    let outcome = run(&chips::recipe(&text), &chips.options("auroc"), &mut log).unwrap();
    assert!(log.has("header epoch trn_loss val_loss auroc f2"));
    let last = outcome.summary.r#final.unwrap();
    let (name, value, interval) = (&last.metrics[0].name, last.metrics[0].value, last.metrics[0].interval.unwrap());
    assert!(
        name == "auroc" && (0.0..=1.0).contains(&value) && interval[0] <= value && value <= interval[1],
        "{last:?}"
    );
    assert!(last.metrics[0].chosen_here.as_ref().unwrap().contains("the best of 4 by auroc"), "{last:?}");
    let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let column = |line: &str| -> f64 { line.split(',').nth(4).unwrap().parse().unwrap() };
    assert_eq!(history.lines().next(), Some("step,epoch,trn_loss,val_loss,auroc,f2,seconds"));
    let best = history.lines().skip(1).map(column).fold(f64::MIN, f64::max);
    assert!((value - best).abs() < 1e-12, "{value} of {history}");
    assert!(std::fs::read_to_string(outcome.folder.join("report.html")).unwrap().contains("auroc"));

    let dataset = |valid: usize| {
        let mut dataset = fastai_runtime::data::Dataset::open(recipe.data(), recipe.task()).unwrap();
        dataset.valid.truncate(valid);
        Some(dataset)
    };
    let given = recipe.to_string();
    let (start, end) = (given.find("data: ").unwrap(), given.find("transforms: ").unwrap());
    let given = format!("{}data: given,\n    {}", &given[..start], &given[end..]).replace("[f2, log_loss]", "[auroc]");
    let given = chips::recipe(&given.replace("keep_best: f2,", ""));

    // Three images all have, or all lack, some of the tags.
    let mut log = Log::default();
    run(&given, &RunOptions { dataset: dataset(3), ..chips.options("few") }, &mut log).unwrap();
    assert!(log.has("note auroc of the validation images leaves out "));

    // One image does so with every tag: said before anything trains.
    let options = RunOptions { dataset: dataset(1), ..chips.options("none") };
    let error = run(&given, &options, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("`auroc` cannot be measured on the validation images"), "{error}");
}

#[test]
fn a_trailing_batch_of_one_is_merged_with_a_notice() {
    // 17 training images in batches of 8.
    let chips = Chips::new(24);
    let steps = "let a = lr_find(or = 0.01, iters = 12); fit(a, 1); precompute(on);
        let b = lr_find(or = 0.01, iters = 12); fit(b, 2, cycle_len = 1); precompute(off); unfreeze(); fit(0.0001, 1);";
    let mut log = Log::default();
    let outcome = run(&chips.tags(steps, "", ""), &chips.options("tail"), &mut log).unwrap();
    let summary = &outcome.summary;
    assert_eq!(summary.counts.train, 17);
    let notice = "17 training images in batches of 8 leave one over";
    assert!(log.has(notice) && summary.notes.iter().any(|n| n.contains(notice)), "{:?}", summary.notes);
    let trained: Vec<u64> = summary.stages.iter().filter(|s| s.kind == StepKind::Fit).map(|s| s.images).collect();
    assert_eq!(trained, [17, 34, 17]);
    let mut log = Log::default();
    run(&Chips::new(22).tags("fit(0.01, 1);", "", ""), &chips.options("even"), &mut log).unwrap();
    assert!(!log.has("leave one over"));
}

#[test]
fn smoke_runs_two_batches_a_stage() {
    let chips = Chips::new(60);
    let mut options = chips.options("smoke");
    options.smoke = true;
    let outcome = run(&chips.tags(LESSON, "", ""), &options, &mut Silent).unwrap();
    assert!(outcome.summary.smoke);
    assert!(outcome.summary.stages.iter().all(|s| s.images <= 16));
}

#[test]
fn a_trained_network_predicts_files() {
    let chips = Chips::new(30);
    let outcome = run(&chips.tags("fit(0.05, 1);", "", ""), &chips.options("predict"), &mut Silent).unwrap();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(chips.path().join("images")).unwrap().map(|e| e.unwrap().path()).take(3).collect();
    files.sort();
    let predictions = outcome.predict(&files).unwrap();
    assert_eq!((predictions.len(), predictions.probabilities.classes()), (3, outcome.classes.len()));
    assert!(predictions.probabilities.values().iter().all(|p| (0.0..=1.0).contains(p)));
    let error = outcome.predict(&[chips.path().join("absent.jpg")]).unwrap_err().to_string();
    assert!(error.contains("absent.jpg"), "{error}");
}

#[test]
fn a_fit_ends_early_where_nothing_improves() {
    let chips = Chips::new(40);
    // The rates move no weights, and the running statistics of the head end where they are.
    let text = "fit(1e-12, 60, stop_early = 2); fit(1e-12, 9, cycle_len = 1, cycle_mult = 2, stop_early = 1);";
    let outcome = run(&chips.tags(text, "", ""), &chips.options("early"), &mut Silent).unwrap();
    let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let losses = |stage: &str| -> Vec<f64> {
        let rows = history.lines().filter(|line| line.starts_with(stage));
        rows.map(|row| row.split(',').nth(3).unwrap().parse().unwrap()).collect()
    };
    // It ends where the last two comparisons are no better than the best before them, and nowhere earlier.
    let tired = |losses: &[f64], patience: usize| {
        let ended = |n: usize| {
            let best = losses[..n - patience].iter().copied().fold(f64::INFINITY, f64::min);
            losses[n - patience..n].iter().all(|loss| *loss >= best)
        };
        (patience + 1..=losses.len()).find(|n| ended(*n))
    };
    let (first, second) = (losses("1,"), losses("2,"));
    assert_eq!(tired(&first, 2), Some(first.len()), "{first:?}");
    assert!(first.len() < 60);
    // Cycles of 1, 2, 4 .. epochs end after 1, 3, 7 ..
    let ends: Vec<f64> = (1..10).map_while(|cycle| second.get((1 << cycle) - 2).copied()).collect();
    assert_eq!(tired(&ends, 1), Some(ends.len()), "{ends:?}");
    assert_eq!(second.len(), (1 << ends.len()) - 1);
    let notes = outcome.summary.notes.join("\n");
    let said = format!("stop_early: step 1 ends after {} of 60 epochs, val_loss no longer improved", first.len());
    assert!(notes.contains(&said), "{notes}");
    assert!(notes.contains(&format!("step 2 ends after {} of 511 epochs", second.len())), "{notes}");
    // With a rate that trains, all epochs run.
    let outcome = run(&chips.tags("fit(0.05, 3, stop_early = 1);", "", ""), &chips.options("on"), &mut Silent).unwrap();
    assert!(!outcome.summary.notes.join("\n").contains("stop_early: step"), "{:?}", outcome.summary.notes);
}

#[test]
fn the_end_of_each_cycle_is_saved_and_loads() {
    let chips = Chips::new(40);
    let steps = "fit(0.05, 2, cycle_len = 1, cycle_mult = 2, cycle_save_name = \"c\"); save(\"after\"); \
                 load(\"c_cyc_0\"); fit(1e-9, 1);";
    let recipe = chips.tags(steps, "", "ema: 0.9,");
    let options = chips.options("cycles");
    let outcome = run(&recipe, &options, &mut Silent).unwrap();
    let model = |name: &str| std::fs::read(outcome.folder.join(format!("models/{name}.safetensors"))).unwrap();
    assert!(model("c_cyc_1") == model("after"), "the last cycle is what the fit ends with");
    assert!(model("c_cyc_0") != model("after"));
    assert!(!outcome.folder.join("models/c_cyc_2.safetensors").exists());
    // Stopped in the second cycle and in what follows: the models of the cycles are those of the run.
    let parts = chips.path().join("parts");
    for stop in [3, 4] {
        let options = chips.options("parts");
        let mut progress = StopAt::new(&options, bar(stop));
        let result = match parts.exists() {
            false => run(&recipe, &options, &mut progress),
            true => resume(&recipe, &parts, &options, &mut progress),
        };
        assert!(matches!(result, Err(RunError::Stopped(_))), "{result:?}");
    }
    resume(&recipe, &parts, &chips.options("parts"), &mut Silent).unwrap();
    for name in ["c_cyc_0", "c_cyc_1", "after", "final"] {
        let other = std::fs::read(parts.join(format!("models/{name}.safetensors"))).unwrap();
        assert!(model(name) == other, "{name}");
    }
}
