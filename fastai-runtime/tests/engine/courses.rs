//! What whole runs say of fits that fail, and when.

use crate::chips::Chips;
use fastai_dsl::DeviceWish;
use fastai_runtime::RunError;
use fastai_runtime::device::pick;
use fastai_runtime::engine::{is_unfinished, run};
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
    let [warned, short] = lines.verdicts()[..] else { panic!("{:#?}", lines.0) };
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
    let RunError::LostWeights { step, parameter } = &error else { panic!("{error}") };
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
    let steps = "precompute(on); fit(10, 2); precompute(off); fit(1e-4, 1); fit(1e-4, 1);";
    let recipe = chips.classes(steps, "", "");
    // Whether or not the values are still numbers at the end.
    let _ = run(&recipe, &chips.options("lost"), &mut Silent);
    let summary = Summary::read(&chips.path().join("lost")).unwrap();
    assert_eq!(summary.stages[1].judgement.map(|judgement| judgement.course), Some(Course::Diverged));
    let lost = summary.lost().unwrap();
    assert!(
        lost.starts_with("step 2 `fit(10.0, 2)`: diverged ") && lost.contains("no later fit mended that"),
        "{lost}"
    );
    assert_eq!(notes(&summary, "underfitting") + notes(&summary, "overfitting"), 0, "{:?}", summary.notes);
    let report = std::fs::read_to_string(chips.path().join("lost/report.html")).unwrap();
    assert!(report.contains("TRAINING FAILED: step 2 ") && !report.contains("BETTER THAN A CONSTANT: "));
}
