//! Runs whose network diverged or is no longer made of numbers, and what is said to those who go on with it.

use fastai_dsl::{DeviceWish, Recipe};
use fastai_runtime::RunError;
use fastai_runtime::device::pick;
use fastai_runtime::engine::{resume, run};
use fastai_runtime::predict::Predictor;
use fastai_runtime::progress::Silent;
use fastai_runtime::report::{Status, Summary};
use fastai_runtime::train::Course;

use crate::chips::{self, Chips};
use crate::run::Log;

/// The fewest epochs at a rate of 10 after which the weights are no longer numbers while the losses of all batches are, in a recipe
/// of so many epochs. The activations of the head grow by some orders of magnitude in each.
fn epochs_that_lose(chips: &Chips, recipe: impl Fn(u32) -> Recipe) -> u32 {
    let loses = |epochs: &u32| {
        let ended = run(&recipe(*epochs), &chips.options(&format!("try-{epochs}")), &mut Silent);
        matches!(ended, Err(RunError::LostWeights { .. }))
    };
    (2..=12).find(loses).expect("a number of epochs")
}

#[test]
fn a_run_ends_with_the_fit_that_lost_its_weights_unless_a_model_is_put_back() {
    let chips = Chips::new(40);
    let steps = |epochs: u32| format!("precompute(on); save(\"first\"); fit(10, {epochs});");
    let epochs = epochs_that_lose(&chips, |epochs| chips.classes(&steps(epochs), "", ""));
    let with = |rest: &str| chips.classes(&format!("{} {rest}", steps(epochs)), "", "");

    let followed = with("save(\"bad\"); fit(1e-3, 2); load(\"bad\");");
    let error = run(&followed, &chips.options("followed"), &mut Silent).unwrap_err();
    let RunError::LostWeights { step, .. } = &error else { panic!("{error}") };
    assert_eq!(step.number, 3, "{error}");
    let folder = chips.path().join("followed");
    let summary = Summary::read(&folder).unwrap();
    assert_eq!((summary.stages.len(), summary.status), (3, Status::Failed), "no step of those after it");
    assert!(summary.r#final.is_some(), "what the fit measured");
    // Nothing goes on from such weights, and the run says why.
    let refused = resume(&followed, &folder, &chips.options("followed"), &mut Silent).unwrap_err().to_string();
    assert!(
        refused.contains("failed and keeps no state to go on from") && refused.contains(&error.to_string()),
        "{refused}"
    );
    assert!(
        refused.contains("recipe.recipe: change a copy") && refused.ends_with("`--model` takes first"),
        "{refused}"
    );

    let put_back = run(&with("load(\"first\");"), &chips.options("put-back"), &mut Silent).unwrap();
    assert_eq!((put_back.summary.status, put_back.summary.lost()), (Status::Complete, None));
}

#[test]
fn a_fit_on_a_model_that_was_saved_lost_is_not_the_one_that_is_named() {
    let chips = Chips::new(40);
    let steps = "precompute(on); fit(10, 1); save(\"bad\"); fit(1e-4, 1); load(\"bad\"); fit(1e-4, 1);";
    let mut log = Log::default();
    let summary = run(&chips.classes(steps, "", ""), &chips.options("lost"), &mut log).unwrap().summary;
    assert_eq!(summary.stages[1].judgement.map(|judgement| judgement.course), Some(Course::Diverged));
    assert_eq!(summary.stages[4].saved_by, Some(2));
    let lost = summary.lost().unwrap();
    assert!(lost.starts_with("step 2 `fit(10.0, 1)`: diverged "), "{lost}");
    assert!(!log.has("warn step 4") && !log.has("warn step 6"), "{:?}", log.0);
    assert!(summary.verdict_on(Some("bad")).is_some_and(|said| said.starts_with("step 2 diverged before ")));
}

fn folded(chips: &Chips, steps: &str) -> Recipe {
    chips::recipe(&chips.classes(steps, "", "").to_string().replace("random(0.3, seed = 42, fold = 0)", "folds(2)"))
}

#[test]
fn a_run_of_folds_that_diverged_says_so_as_a_whole() {
    let chips = Chips::new(40);
    let mut log = Log::default();
    let outcome = run(&folded(&chips, "precompute(on); fit(10, 1);"), &chips.options("folds"), &mut log).unwrap();
    let summary = Summary::read(&outcome.folder).unwrap();
    let short = summary.lost_in_short().unwrap();
    assert!(short.starts_with("step 2 diverged in folds 1 and 2 of 2; the run ends with accuracy "), "{short}");
    assert!(short.ends_with("what the ensemble predicts cannot be trusted"), "{short}");
    let lost = summary.lost().unwrap();
    assert!(!lost.contains("what the network predicts"), "what came of it is said once, of the ensemble: {lost}");
    let said = log.0.lock().unwrap();
    let warned: Vec<&String> = said.iter().filter(|line| line.starts_with("warn ")).collect();
    assert_eq!(warned.last().map(|line| line.as_str()), Some(format!("warn {short}").as_str()), "{warned:?}");
    let report = std::fs::read_to_string(outcome.folder.join("report.html")).unwrap();
    let banner = "<div class=\"banner\">TRAINING FAILED in folds 1 and 2 of 2: fold 1: step 2 <code>fit(10.0, 1)</code>: diverged";
    assert!(report.contains(banner), "{banner}");
    assert_eq!(report.matches("diverged at epoch 0 of step 2").count(), 2, "in the table of the folds");
}

#[test]
fn an_ensemble_without_a_fold_that_failed_names_it_and_sends_nobody_to_go_on() {
    let chips = Chips::new(40);
    let recipe = |epochs: u32| folded(&chips, &format!("precompute(on); fit(10, {epochs});"));
    let epochs = epochs_that_lose(&chips, recipe);
    let name = format!("try-{epochs}");
    let folder = chips.path().join(&name);
    let failure = Summary::read(&folder).unwrap().failure.unwrap();
    assert!(failure.error.starts_with("fold 1: step 2 `fit(10.0, "), "{failure:?}");
    let device = pick(DeviceWish::Cpu).unwrap().device;
    let refused = Predictor::load(&folder, None, &device).unwrap_err().to_string();
    assert!(refused.ends_with(&format!("the ensemble needs all: {}", failure.error)), "{refused}");
    // Who goes on with it is warned: the same batches follow.
    let mut log = Log::default();
    let again = resume(&recipe(epochs), &folder, &chips.options(&name), &mut log).unwrap_err();
    assert!(matches!(again, RunError::LostWeights { .. }), "{again}");
    assert!(log.has("goes on, but it failed at step 2 (its weights are no longer numbers)"), "{:?}", log.0);
}
