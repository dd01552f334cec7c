//! A loss and a metric of the program's own.

use std::sync::Arc;

use crate::call::{fastai, stderr};
use fastai::engine::{self, DeviceWish};
use fastai::prelude::*;
use fastai::progress::Silent;
use fastai::report::Direction;
use fastai::train::tensor::Tensor;
use fastai::train::{Criterion, Probabilities, Targets, Truth};
use tempfile::TempDir;

#[allow(dead_code)]
#[path = "../../examples/own_loss.rs"]
mod example;

use example::{Chips, Cost, Missed, options};

fn here(scratch: &TempDir, name: &str) -> RunOptions {
    RunOptions {
        cache: Some(scratch.path().join("cache")),
        device: Some(DeviceWish::Cpu.into()),
        ..options(Some(scratch.path().join(name)))
    }
}

#[test]
fn a_loss_and_a_metric_of_ones_own_train_and_measure() {
    let scratch = TempDir::new().unwrap();
    let trained = Chips::run(&here(&scratch, "run")).unwrap();
    let last = trained.outcome.summary.r#final.clone().unwrap();
    let names: Vec<&str> = last.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["f2", "cost"]);
    let [low, high] = last.metrics[1].interval.unwrap();
    assert!(low < last.metrics[1].value && last.metrics[1].value < high);
    assert_eq!(last.metrics[1].direction, Direction::Lower);
    let run = &trained.outcome.folder;
    let history = std::fs::read_to_string(run.join("history.csv")).unwrap();
    assert!(history.starts_with("step,epoch,trn_loss,val_loss,f2,cost,seconds\n"), "{history}");
    assert!(std::fs::read_to_string(run.join("report.html")).unwrap().contains("cost"));

    // The same loss otherwise weighted leads elsewhere; the recipe's own is another.
    let lighter = RunOptions { loss: Some(Arc::new(Missed { times: 1.0 })), ..here(&scratch, "lighter") };
    let lighter = Chips::run(&lighter).unwrap().outcome.summary.r#final.unwrap();
    assert!(lighter.val_loss < last.val_loss && lighter.metrics[1].value != last.metrics[1].value);

    // Its folder measures as it did, given both again; without them it says what is not measured.
    let again = Trained::<Chips>::load(run).unwrap().measuring_with(&here(&scratch, "run")).validate().unwrap().plain;
    assert!((again.evaluation.val_loss - last.val_loss).abs() < 1e-6 * last.val_loss, "{again:?}");
    assert_eq!(again.evaluation.metrics[1].value, last.metrics[1].value);
    let without = Trained::<Chips>::load(run).unwrap().validate().unwrap().plain.evaluation;
    assert!(without.val_loss.is_nan() && without.metrics.len() == 1);
    let few = RunOptions { loss: Some(Arc::new(Changed(|losses| losses[..2].to_vec()))), ..here(&scratch, "run") };
    let error = Trained::<Chips>::load(run).unwrap().measuring_with(&few).validate().unwrap_err().to_string();
    assert!(error.contains("returned 2 losses for 307 images"), "{error}");
    let error = stderr(fastai(&scratch).arg("run").arg(run.join("recipe.recipe")), 1);
    assert!(error.contains("loss of a Rust program (`loss: given`)"), "{error}");
}

#[test]
fn what_is_given_must_be_what_is_asked_for() {
    let scratch = TempDir::new().unwrap();
    let error = |options: RunOptions| Chips::run(&options).unwrap_err().to_string();
    let none = error(RunOptions { loss: None, ..here(&scratch, "none") });
    assert!(none.contains("RunOptions { loss: Some(Arc::new(MyLoss)), .. }"), "{none}");
    let twice = error(RunOptions { metrics: vec![Arc::new(Cost), Arc::new(Cost)], ..here(&scratch, "twice") });
    assert!(twice.contains("the program's metric \"cost\" needs another name"), "{twice}");
    let text = Chips::recipe().to_string().replace("loss: given", "loss: bce");
    let other = fastai_dsl::source::RecipeText::new("x", &text, &[]).result.unwrap().recipe;
    let error = engine::run(&other, &here(&scratch, "other"), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("trains with `bce`: write `loss: given`"), "{error}");
}

/// [`Missed`], whose losses of the images are changed.
#[derive(Debug)]
struct Changed(fn(Vec<f64>) -> Vec<f64>);

impl Criterion for Changed {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        Missed { times: 1.0 }.of_batch(logits, truth, targets)
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        (self.0)(Missed { times: 1.0 }.of_images(logits, truth))
    }
}

#[test]
fn a_loss_gives_each_image_a_number() {
    let scratch = TempDir::new().unwrap();
    let error = |name: &str, change| {
        Chips::run(&RunOptions { loss: Some(Arc::new(Changed(change))), ..here(&scratch, name) })
            .unwrap_err()
            .to_string()
    };
    let few = error("few", |losses| losses[..2].to_vec());
    assert!(few.contains("returned 2 losses for "), "{few}");
    let nan =
        error("nan", |losses| losses.iter().enumerate().map(|(i, x)| if i == 3 { f64::NAN } else { *x }).collect());
    assert!(nan.contains("returned NaN for image 3 (from 0) of "), "{nan}");
    let folders = ["few", "nan"].map(|name| scratch.path().join(name));
    assert!(!folders.iter().any(|folder| folder.exists()), "nothing was trained");
}

/// [`Missed`], one of whose methods does not give one number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Batch,
    Set,
    Predictions,
}

impl Criterion for Wrong {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let loss = Missed { times: 1.0 }.of_batch(logits, truth, targets);
        if *self == Wrong::Batch { Tensor::cat(vec![loss.clone(), loss], 0) } else { loss }
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        Missed { times: 1.0 }.of_images(logits, truth)
    }

    fn of_set(&self, losses: &[f64], _: &Truth) -> f64 {
        if *self == Wrong::Set { f64::NAN } else { losses.iter().sum::<f64>() / losses.len() as f64 }
    }

    fn of_predictions(&self, _: &Probabilities, _: &Truth) -> f64 {
        if *self == Wrong::Predictions { f64::NAN } else { 1.0 }
    }
}

#[test]
fn the_loss_of_a_batch_and_of_a_set_is_one_number() {
    let scratch = TempDir::new().unwrap();
    let error = |name: &str, loss: Wrong, steps: &str| {
        let text = Chips::recipe().to_string().replacen("precompute(on);", steps, 1);
        let recipe = fastai_dsl::source::RecipeText::new(name, &text, &[]).result.unwrap().recipe;
        let options = RunOptions { loss: Some(Arc::new(loss)), ..here(&scratch, name) };
        engine::run(&recipe, &options, &mut Silent).unwrap_err().to_string()
    };
    for (name, steps) in [("fit", "precompute(on);"), ("find", "precompute(on); let lr = lr_find(or = 0.05);")] {
        let batch = error(name, Wrong::Batch, steps);
        assert!(
            batch.contains("`Criterion::of_batch` of the program's loss returned 2 numbers for a batch"),
            "{batch}"
        );
    }
    let set = error("set", Wrong::Set, "precompute(on);");
    assert!(set.contains("`Criterion::of_set` of the program's loss returned NaN for "), "{set}");
    assert!(!scratch.path().join("set").exists(), "nothing was trained");
    let predictions = error("predictions", Wrong::Predictions, "tta(); precompute(on);");
    assert!(
        predictions.contains("`Criterion::of_predictions` of the program's loss returned NaN for "),
        "{predictions}"
    );
}
