//! What whole runs say of fits that fail, and when.

use crate::chips::{self, Chips};
use crate::run::Log;
use fastai_dsl::DeviceWish;
use fastai_runtime::RunError;
use fastai_runtime::device::pick;
use fastai_runtime::engine::{is_unfinished, resume, run};
use fastai_runtime::predict::Predictor;
use fastai_runtime::progress::{Progress, Silent};
use fastai_runtime::report::{FailureKind, Status, Summary};
use fastai_runtime::train::Course;

/// Keeps what a run says, in order: warnings, notes, the bars and rows of epochs.
#[derive(Default)]
struct Lines(Vec<String>);

impl Progress for Lines {
    fn note(&mut self, line: &str) {
        self.0.push(format!("note {line}"));
    }
    fn warn(&mut self, line: &str) {
        self.0.push(format!("warn {line}"));
    }
    fn begin(&mut self, what: &str, _: u64) {
        self.0.push(format!("begin {what}"));
    }
    fn table_row(&mut self, epoch: u64, _: &[f64]) {
        self.0.push(format!("row {epoch}"));
    }
}

impl Lines {
    /// The places of the lines that hold `part`.
    fn places(&self, part: &str) -> Vec<usize> {
        (0..self.0.len()).filter(|line| self.0[*line].contains(part)).collect()
    }

    /// The place of the only line that holds `part`.
    fn place(&self, part: &str) -> usize {
        let places = self.places(part);
        assert_eq!(places.len(), 1, "`{part}` in {:#?}", self.0);
        places[0]
    }

    /// What was warned of fits and of the whole run.
    fn verdicts(&self) -> Vec<&str> {
        let warned = self.0.iter().filter_map(|line| line.strip_prefix("warn "));
        warned.filter(|line| line.starts_with("step") || line.starts_with("the run ")).collect()
    }
}

/// The report of the run, which has one banner, and that begins so.
fn report_with_banner(chips: &Chips, name: &str, begins: &str) -> String {
    let report = std::fs::read_to_string(chips.path().join(name).join("report.html")).unwrap();
    assert_eq!(report.matches("<div class=\"banner\">").count(), 1, "{name}");
    assert!(report.contains(&format!("<div class=\"banner\">{begins}")), "{name}");
    report
}

fn notes(summary: &Summary, part: &str) -> usize {
    summary.notes.iter().filter(|note| note.contains(part)).count()
}

#[test]
fn a_divergence_is_said_at_its_epoch_and_stays_said_where_the_best_epoch_is_kept() {
    let chips = Chips::new(40);
    let recipe = chips.classes("unfreeze(); fit(10, 2);", "", "clip: 1.0, keep_best: val_loss,");
    let mut lines = Lines::default();
    let outcome = run(&recipe, &chips.options("diverged"), &mut lines).unwrap();
    // After the row of its epoch, while the fit goes on; the loss is ten thousand times any that a network has.
    let said = lines.places("`: diverged in epoch 0")[0];
    assert!(lines.0[said].starts_with("warn step 2 `fit(10"), "{}", lines.0[said]);
    assert!(said == lines.place("row 0") + 1 && said < lines.place("begin images, epoch 1"), "{:#?}", lines.0);
    // And once more when the run has ended, with what came of it.
    let summary = &outcome.summary;
    let (lost, short) = (summary.lost().unwrap(), summary.lost_in_short().unwrap());
    assert_eq!(lines.verdicts()[1..], [&short], "{:#?}", lines.0);
    assert!(short.starts_with("step 2 diverged; the run ends with accuracy "), "{short}");
    assert!(short.len() < lost.len() && !short.contains("rate"), "what helps was said: {short}");
    assert!(
        lost.contains("diverged in epoch 0") && lost.ends_with("what the network predicts cannot be trusted"),
        "{lost}"
    );
    assert_eq!(notes(summary, "`: diverged in epoch 0"), 1, "{:?}", summary.notes);
    assert_eq!(notes(summary, "keep_best: epoch"), 1, "one of two was kept: {:?}", summary.notes);
    let judgement = summary.stages[1].judgement.unwrap();
    assert_eq!((judgement.course, judgement.epoch), (Course::Diverged, 0));
    let report = report_with_banner(&chips, "diverged", "TRAINING FAILED: step 2 ");
    assert_eq!(report.matches("the learning rate is too high").count(), 1, "the banner says it, and no note does");
}

#[test]
fn a_network_whose_units_died_is_named_at_its_epoch_whatever_follows() {
    let chips = Chips::new(60);
    // A rate and a decay of 1 leave of the body's weights a gradient of norm 0.01 after a step, and the head trains on.
    let steps = "precompute(on); fit(0.05, 3); precompute(off); unfreeze(); fit([1.0, 1.0, 0.001], 2, wds = [1, 1, 0]); \
                 freeze(); fit(0.001, 1);";
    let recipe = chips.tags(steps, "", "optimizer: sgd { momentum: 0 }, clip: 0.01,");
    let mut lines = Lines::default();
    let outcome = run(&recipe, &chips.options("dead"), &mut lines).unwrap();
    let (summary, same) = (&outcome.summary, "the same answer for every image from epoch 0");
    let course = |stage: usize| summary.stages[stage].judgement.map(|judgement| judgement.course);
    assert_eq!((course(4), course(6)), (Some(Course::SameAnswer), Some(Course::SameAnswer)), "{:?}", summary.notes);
    let dies = lines.places(&format!("warn step 5 `{}`: {same}", summary.stages[4].text))[0];
    let epochs: Vec<usize> = (0..lines.0.len()).filter(|line| lines.0[*line] == "begin images, epoch 1").collect();
    // The second epoch of the second fit.
    assert!(lines.0[dies - 1] == "row 0" && dies < epochs[1], "{:#?}", lines.0);
    // The fit after it finds the same network, which is told once: at that epoch, and in the end.
    assert_eq!(notes(summary, same), 1, "{:?}", summary.notes);
    let (lost, short) = (summary.lost().unwrap(), summary.lost_in_short().unwrap());
    assert_eq!(lines.verdicts()[1..], [&short], "{:#?}", lines.0);
    assert!(short.starts_with("steps 5 and 7 left the same answer for every image; the run ends with f2 "), "{short}");
    assert!(lost.starts_with("step 5 ") && lost.ends_with("no later fit mended that"), "{lost}");
    report_with_banner(&chips, "dead", "TRAINING FAILED: step 5 ");
    // The answers are so.
    let probabilities = &outcome.held_out.as_ref().unwrap().probabilities;
    assert!(probabilities.rows().all(|row| row.iter().zip(probabilities.row(0)).all(|(a, b)| (a - b).abs() < 1e-3)));
}

#[test]
fn a_body_that_its_rate_destroyed_is_warned_of_where_the_run_ends() {
    let chips = Chips::new(60);
    let steps = "precompute(on); fit(0.05, 6); precompute(off); unfreeze(); fit(2.0, 1);";
    let mut lines = Lines::default();
    let outcome = run(&chips.tags(steps, "", "clip: 1.0,"), &chips.options("spoilt"), &mut lines).unwrap();
    let summary = &outcome.summary;
    let judgement = summary.stages[4].judgement.unwrap();
    assert!(judgement.course.is_failure(), "{judgement:?}");
    let lost = summary.lost().unwrap();
    assert!(lost.starts_with("step 5 `fit(2.0, 1)`: "), "{lost}");
    // What helps is said with the fit, and in the end what came of it.
    let [.., warned, short] = lines.verdicts()[..] else { panic!("{:#?}", lines.0) };
    assert!(lost.starts_with(warned), "{warned} {lost}");
    assert_eq!(Some(short), summary.lost_in_short().as_deref());
    // That the body cost more than it brought follows from it.
    assert!(summary.stages[4].body_lost && notes(summary, "training the body cost") == 0, "{:?}", summary.notes);
    let report = report_with_banner(&chips, "spoilt", "TRAINING FAILED: step 5 ");
    assert!(!report.contains("training the body cost"));
}

#[test]
fn a_network_with_values_that_are_no_numbers_is_no_model() {
    let chips = Chips::new(40);
    // The activations of the head grow until their variance is beyond 32-bit floats, and the losses are still numbers.
    let recipe = chips.classes("precompute(on); fit(10, 5);", "", "");
    let mut lines = Lines::default();
    let error = run(&recipe, &chips.options("infinite"), &mut lines).unwrap_err();
    let RunError::LostWeights { step, parameter, .. } = &error else { panic!("{error}") };
    assert_eq!((step.number, parameter.as_str()), (2, "head.layers.1.norm.running_var"), "{error}");
    let folder = chips.path().join("infinite");
    let summary = Summary::read(&folder).unwrap();
    let failure = summary.failure.as_ref().unwrap();
    assert_eq!((summary.status, failure.kind, failure.step), (Status::Failed, FailureKind::WeightsNotFinite, Some(2)));
    assert!(
        summary.lost_in_short().is_some_and(|short| lines.verdicts().last() == Some(&short.as_str())),
        "{:#?}",
        lines.0
    );
    // What was measured is kept, and nothing that could be used or go on.
    assert!(summary.r#final.is_some() && !folder.join("models/final.safetensors").exists() && !is_unfinished(&folder));
    let device = pick(DeviceWish::Cpu).unwrap().device;
    let refused = Predictor::load(&folder, None, &device).unwrap_err().to_string();
    assert!(refused.contains("it failed at step 2 (its weights are no longer numbers): lower its rates"), "{refused}");
}

#[test]
fn a_fit_on_weights_that_another_lost_is_told_as_that() {
    let chips = Chips::new(40);
    let steps = "precompute(on); fit(10, 1); precompute(off); fit(1e-4, 1); fit(1e-4, 1);";
    let recipe = chips.classes(steps, "", "");
    let summary = run(&recipe, &chips.options("lost"), &mut Silent).unwrap().summary;
    assert_eq!(summary.stages[1].judgement.map(|judgement| judgement.course), Some(Course::Diverged));
    let lost = summary.lost().unwrap();
    assert!(
        lost.starts_with("step 2 `fit(10.0, 1)`: diverged ") && lost.contains("no later fit mended that"),
        "{lost}"
    );
    assert_eq!(notes(&summary, "underfitting") + notes(&summary, "overfitting"), 0, "{:?}", summary.notes);
    let report = std::fs::read_to_string(chips.path().join("lost/report.html")).unwrap();
    assert!(report.contains("TRAINING FAILED: step 2 ") && !report.contains("BETTER THAN A CONSTANT: "));
}

#[test]
fn a_training_that_diverged_is_said_whatever_the_metrics_are() {
    let chips = Chips::new(40);
    let recipe = chips.classes("unfreeze(); fit(10, 2);", "", "clip: 1.0,");
    let mut log = Log::default();
    let outcome = run(&recipe, &chips.options("diverged"), &mut log).unwrap();
    let judgement = outcome.summary.stages[1].judgement.unwrap();
    assert_eq!(judgement.course, Course::Diverged, "{judgement:?}");
    assert!(log.has("diverged in epoch 0") && outcome.summary.lost().is_some());
    let notes = outcome.summary.notes.join("\n");
    assert!(notes.contains("diverged from epoch 0 on") && !notes.contains("by heart"), "{notes}");
    let report = std::fs::read_to_string(outcome.folder.join("report.html")).unwrap();
    assert!(report.contains("TRAINING FAILED"));
    // What helps is said at the epoch; the end says what came of it.
    let said = log.0.lock().unwrap().join("\n");
    for text in [&said, &report] {
        assert_eq!(text.matches("the learning rate is too high").count(), 1, "{text}");
        assert!(!text.contains("the run ended with"), "{text}");
    }
}

#[test]
fn a_loss_that_explodes_is_told_once_with_the_rates_of_what_trains() {
    let chips = Chips::new(40);
    let recipe = chips.tags("precompute(on); fit(10.0, 300);", "", "");
    let mut log = Log::default();
    let error = run(&recipe, &chips.options("head"), &mut log).unwrap_err();
    let RunError::Diverged { rates, batch, .. } = &error else { panic!("{error}") };
    assert_eq!(rates, &[10.0], "the head alone trains");
    assert!(error.to_string().contains("learning rates 10): use smaller"), "{error}");
    let summary = Summary::read(&chips.path().join("head")).unwrap();
    let told = |what: &str| summary.notes.iter().filter(|note| note.contains(what)).count();
    let warned = log.0.lock().unwrap().iter().filter(|line| line.contains("`: diverged ")).count();
    assert_eq!((told("use smaller rates"), told("`: diverged ")), (1, warned), "{:?}", summary.notes);
    assert!(warned <= 1, "{warned}");
    // All batches before the one whose loss is no number.
    let batches = std::fs::read_to_string(chips.path().join("head/batches.csv")).unwrap();
    assert_eq!(batches.lines().count() as u64 - 1, *batch);
    // The report has the epochs that the fit finished.
    let history = std::fs::read_to_string(chips.path().join("head/history.csv")).unwrap();
    let last = history.lines().count() - 2;
    let report = std::fs::read_to_string(chips.path().join("head/report.html")).unwrap();
    assert!(report.contains("<h2>Epochs</h2>") && report.contains(&format!("After epoch {last} of step 2;")));
    assert!(report.contains("<h3>Last measured</h3>") && !report.contains("Nothing was measured"));
    assert!(!report.contains("00000000.0000"), "large losses are powers of ten");
    assert!(!report.contains("no batch was trained"));
}

#[test]
fn a_few_batches_advise_neither_more_epochs_nor_another_rate() {
    let chips = Chips::new(40);
    // Four batches at a rate that changes nothing do not show that.
    let summary = run(&chips.tags("fit(1e-9, 1);", "", ""), &chips.options("short"), &mut Silent).unwrap().summary;
    for advice in ["underfitting", "standing still", "far above a constant"] {
        assert_eq!(notes(&summary, advice), 0, "{:?}", summary.notes);
    }
}

#[test]
fn where_validation_turns_is_marked() {
    let chips = Chips::new(40);
    // In small batches of so few images, it is the head's batch norms that raise the loss.
    let text = chips.tags("precompute(on); fit(0.3, 90);", "", "").to_string().replace("batch: 8", "batch: 28");
    let outcome = run(&chips::recipe(&text), &chips.options("turn"), &mut Silent).unwrap();
    let history = std::fs::read_to_string(outcome.folder.join("history.csv")).unwrap();
    let val_loss: Vec<f64> = history.lines().skip(1).map(|l| l.split(',').nth(3).unwrap().parse().unwrap()).collect();
    let lowest = (0..90).min_by(|a, b| val_loss[*a].total_cmp(&val_loss[*b])).unwrap();
    assert_eq!(outcome.summary.stages[1].turned_at, Some(lowest as u64), "{history}");
    let notes = &outcome.summary.notes;
    assert!(notes.iter().any(|n| n.contains(&format!("overfitting from epoch {lowest} on"))), "{notes:?}");
}

#[test]
fn a_body_that_lost_by_training_is_named_where_chance_does_not_explain_it() {
    let chips = Chips::new(67);
    let says = "training the body cost more than it brought";
    let ended = |rate: &str| {
        let steps = format!("precompute(on); fit(0.05, 6); precompute(off); unfreeze(); fit({rate}, 1);");
        let text = chips.tags(&steps, "", "clip: 1.0,").to_string();
        let recipe = chips::recipe(&text.replace("metrics: [f2, log_loss]", "metrics: [log_loss, f2]"));
        let outcome = run(&recipe, &chips.options(rate), &mut Silent).unwrap();
        let report = std::fs::read_to_string(outcome.folder.join("report.html")).unwrap();
        (outcome.summary, report.contains(says))
    };
    // Of rates that cost more than they bring and yet ruin nothing, some do so by more than chance.
    let costly = ["0.05", "0.06", "0.07", "0.08", "0.1", "0.15"].map(|rate| (rate, ended(rate)));
    let (rate, (summary, is_in_report)) = costly
        .iter()
        .find(|(_, (summary, _))| summary.stages[4].body_lost)
        .expect("a rate that costs more than it brings");
    let loss = |stage: usize| summary.stages[stage].evaluation.as_ref().unwrap().metrics[0].value;
    let expected = format!("step 5 `fit({rate}, 1)`: log_loss {:.4} became {:.4}: {says}", loss(1), loss(4));
    let notes = &summary.notes;
    assert!(notes.iter().any(|note| note.starts_with(&expected)), "{expected} is not in {notes:?}");
    assert!(!notes.iter().any(|note| note.contains("underfitting")), "{notes:?}");
    assert!(*is_in_report && !summary.stages[1].body_lost);
    // What a verdict on the fit explains is not told beside it.
    let (summary, is_in_report) = ended("2.0");
    let told: Vec<&String> = summary.notes.iter().filter(|note| note.starts_with("step 5")).collect();
    assert!(told.len() == 1 && summary.stages[4].judgement.is_some_and(|found| found.course.is_failure()), "{told:?}");
    assert!(!is_in_report && !told[0].contains(says), "{told:?}");
    // A rate that changes next to nothing, for better or worse, on 18 images.
    let (summary, is_in_report) = ended("1e-5");
    assert!(!is_in_report && !summary.stages[4].body_lost, "{:?}", summary.stages[4]);
    assert!(!summary.notes.iter().any(|note| note.contains(says)), "{:?}", summary.notes);
}

#[test]
fn a_result_that_a_constant_reaches_is_warned_of_whatever_the_task() {
    let (chips, more) = (Chips::new(40), Chips::new(60));
    let learn = "precompute(on); fit(0.1, 15);";
    let learned = more.classes(learn, "", "");
    let baseline = run(&learned, &more.options("learned"), &mut Silent).unwrap().summary.baseline.unwrap();
    assert!(baseline.reached.unwrap() > baseline.value && baseline.unbeaten().is_none(), "{baseline:?}");
    // Every third image has the other class, and those are held out: what is learned does not hold for them.
    let path = more.path().join("classes.csv");
    let labels = std::fs::read_to_string(&path).unwrap();
    let of_row = |(row, line): (usize, &str)| match line.split_once(',') {
        Some((id, kind)) if row > 0 && (row - 1) % 3 == 0 => {
            format!("{id},{}\n", if kind == "wet" { "dry" } else { "wet" })
        }
        _ => format!("{line}\n"),
    };
    std::fs::write(&path, labels.lines().enumerate().map(of_row).collect::<String>()).unwrap();
    let held_out: Vec<String> = (0..60).step_by(3).map(|row| row.to_string()).collect();
    let rows = format!("rows([{}])", held_out.join(", "));
    let misled = chips::recipe(&learned.to_string().replace("random(0.3, seed = 42, fold = 0)", &rows));
    for (recipe, options, metric, is_certain) in [
        // A rate that changes nothing.
        (chips.tags("fit(1e-9, 1);", "", ""), chips.options("tags"), "f2", true),
        (misled, more.options("misled"), "accuracy", true),
        // It is worse than a constant answer, which three of twelve images gainsay.
        (chips.classes("fit(1e-9, 1);", "", ""), chips.options("few"), "accuracy", false),
    ] {
        let mut log = Log::default();
        let outcome = run(&recipe, &options, &mut log).unwrap();
        let baseline = outcome.summary.baseline.as_ref().unwrap();
        assert!(baseline.reached.unwrap() < baseline.value, "a network that knows nothing: {baseline:?}");
        assert_eq!(baseline.reached, Some(outcome.summary.r#final.as_ref().unwrap().metrics[0].value), "{baseline:?}");
        assert_eq!(outcome.summary.unbeaten().is_some(), is_certain, "{baseline:?}");
        assert_eq!(log.has(&format!("warn the run ended with {metric} ")), is_certain, "{baseline:?}");
        let report = std::fs::read_to_string(outcome.folder.join("report.html")).unwrap();
        assert_eq!(report.contains("BETTER THAN A CONSTANT: "), is_certain, "{baseline:?}");
    }
    let mut options = chips.options("smoke");
    options.smoke = true;
    let smoke = run(&chips.classes("fit(1e-9, 1);", "", ""), &options, &mut Silent).unwrap();
    assert_eq!(smoke.summary.baseline.unwrap().reached, None, "two batches are not held against anything");
}

#[test]
fn a_loss_that_explodes_names_the_step_and_a_way_out() {
    let chips = Chips::new(40);
    let recipe = chips.tags("unfreeze(); fit(10.0, 30);", "", "");
    match run(&recipe, &chips.options("diverged"), &mut Silent) {
        Err(error) => {
            let RunError::Diverged { epoch, batch, .. } = &error else { panic!("{error}") };
            // Counted as the table and `batches.csv` count: from 0, and four batches are an epoch.
            let history = std::fs::read_to_string(chips.path().join("diverged/history.csv"));
            let finished = history.map_or(0, |history| history.lines().count() as u64 - 1);
            assert_eq!((*epoch, *batch / 4), (finished, finished), "{error}");
            let said = error.to_string();
            assert!(
                said.starts_with("step 2 `fit(") && said.ends_with("): use smaller rates"),
                "no bound helps: {said}"
            );
            let folder = chips.path().join("diverged");
            let summary = Summary::read(&folder).unwrap();
            let failure = summary.failure.unwrap();
            assert_eq!((summary.status, failure.kind), (Status::Failed, FailureKind::LossNotFinite));
            assert_eq!((failure.step, &failure.error), (Some(2), &error.to_string()));
            let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
            assert!(
                report.contains("<div class=\"banner\">FAILED: step 2 <code>fit(10.0, 30)</code>: the training loss")
            );
            assert_eq!(report.matches("use smaller rates").count(), 1, "the banner says it, and no note does");
            // What was measured last, and all epochs of the history.
            assert_eq!(report.contains("Nothing was measured"), finished == 0);
            assert_eq!(report.contains("<h3>Last measured</h3>"), finished > 0);
            assert_eq!(report.contains("<h2>Epochs</h2>"), finished > 0);
            // Who wants its model is not sent to what fails again, and who goes on with it is warned.
            let device = pick(DeviceWish::Cpu).unwrap().device;
            let refused = Predictor::load(&folder, None, &device).unwrap_err().to_string();
            assert!(
                refused.ends_with(
                    "it failed at step 2 (the training loss is no longer a number): lower its rates and run anew"
                ),
                "{refused}"
            );
            let mut log = Log::default();
            let again = resume(&recipe, &folder, &chips.options("diverged"), &mut log).unwrap_err();
            assert!(matches!(again, RunError::Diverged { .. }), "{again}");
            assert!(log.has("and the same batches follow at the same rates: lower them and run anew"));
        }
        Ok(_) => panic!("a rate of 10 on the whole network must diverge"),
    }
}
