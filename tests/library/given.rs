//! Images that a program gives: run, measured, predicted, gone on with, and what is said where they are missing.

use std::path::{Path, PathBuf};

use crate::call::{fastai, stderr};
use fastai::data::{Dataset, Valid};
use fastai::engine::{self, DeviceWish, Recipe};
use fastai::prelude::*;
use fastai::progress::{Progress, Silent, StopSignal};
use fastai::report::{Status, Summary};
use fastai_dsl::source::RecipeText;
use tempfile::TempDir;

#[allow(dead_code)]
#[path = "../../examples/from_rust.rs"]
mod example;

use example::{Ocean, chips};

fn options(scratch: &TempDir, name: &str, dataset: Option<&Dataset>) -> RunOptions {
    RunOptions {
        out: Some(scratch.path().join(name)),
        cache: Some(scratch.path().join("cache")),
        device: Some(DeviceWish::Cpu.into()),
        dataset: dataset.cloned(),
        ..RunOptions::default()
    }
}

#[test]
fn a_run_on_given_images_is_measured_and_predicts_as_any_other() {
    let scratch = TempDir::new().unwrap();
    let dataset = chips(&scratch.path().join("images")).unwrap();
    let trained = Ocean::run(&options(&scratch, "run", Some(&dataset))).unwrap();
    let run = &trained.outcome.folder;
    let reached = trained.outcome.summary.r#final.clone().unwrap();
    assert!(reached.metrics[0].value > 0.8, "{reached:?}");
    let text = std::fs::read_to_string(run.join("recipe.recipe")).unwrap();
    assert!(text.contains("    data: given { batch: 32 },\n"), "{text}");

    let loaded = Trained::<Ocean>::load(run).unwrap();
    let error = loaded.validate().unwrap_err().to_string();
    assert!(error.contains("recipe `Ocean` were given by a Rust program") && error.contains("validate_on"), "{error}");
    let measured = loaded.validate_on(&dataset).unwrap().plain;
    assert_eq!((measured.evaluation.val_loss, measured.evaluation.n), (reached.val_loss, reached.n));
    assert_eq!(measured.evaluation.metrics[0].value, reached.metrics[0].value);
    let paths: Vec<PathBuf> = dataset.valid.iter().map(|item| item.path.clone()).collect();
    let said = loaded.predict(&paths).unwrap();
    let pairs = said.probabilities.values().iter().zip(measured.predictions.probabilities.values());
    assert!(pairs.clone().count() > 40 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5));

    // The program has no images, and says of each command what it needs; what needs none works.
    let recipe = run.join("recipe.recipe");
    let here = |word: &'static str| Path::new(word);
    for command in ["run", "show", "prepare"] {
        let message = stderr(fastai(&scratch).args([here(command), &recipe]), 1);
        assert!(message.contains("`data: given`") && message.contains("RunOptions { dataset: Some("), "{message}");
    }
    let message = stderr(fastai(&scratch).args([here("plan"), &recipe]), 0);
    assert!(message.contains("batches are not known") && message.contains("`data: given`"), "{message}");
    assert_eq!(stderr(fastai(&scratch).args([here("check"), &recipe]), 0), "");
    let message = stderr(fastai(&scratch).args([here("validate"), run]), 1);
    assert!(message.contains("validate_on"), "{message}");
    fastai(&scratch).args([here("predict"), run, &paths[0], here("--quiet")]).assert().success();
    let message = stderr(fastai(&scratch).args([here("submit"), run]), 2);
    assert!(message.contains("--images DIR"), "{message}");
    let images = scratch.path().join("images");
    stderr(fastai(&scratch).args([here("submit"), run, here("--quiet"), here("--images"), &images]), 0);
    assert!(run.join("submission.csv").is_file());
}

/// Asks for a stop as soon as the last stage gets on.
struct StopLate(StopSignal, bool);

impl Progress for StopLate {
    fn stage(&mut self, index: usize, count: usize, _: &str) {
        self.1 = index + 1 >= count;
    }
    fn advance(&mut self, _: u64, _: &str) {
        if self.1 {
            self.0.request();
        }
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_with_the_same_images_alone() {
    let scratch = TempDir::new().unwrap();
    let dataset = chips(&scratch.path().join("images")).unwrap();
    let whole = Ocean::run(&options(&scratch, "whole", Some(&dataset))).unwrap().outcome.folder;
    let begun = options(&scratch, "parts", Some(&dataset));
    let error = Ocean::run_with(&begun, &mut StopLate(begun.stop.clone(), false)).unwrap_err();
    assert!(matches!(error, RunError::Stopped(_)), "{error}");
    let parts = scratch.path().join("parts");
    let message = stderr(fastai(&scratch).args([Path::new("run"), Path::new("--resume"), &parts]), 1);
    assert!(message.contains("go on with its run, from that program"), "{message}");
    let mut other = dataset.clone();
    other.train.pop();
    let error = Ocean::resume(&parts, &options(&scratch, "x", Some(&other)), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("training set: "), "{error}");
    assert_eq!(Summary::read(&parts).unwrap().status, Status::Stopped);
    Ocean::resume(&parts, &options(&scratch, "x", Some(&dataset)), &mut Silent).unwrap();
    let model = |run: &Path| std::fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole) == model(&parts));
}

#[test]
fn what_does_not_fit_the_given_images_is_said_before_anything_is_trained() {
    let scratch = TempDir::new().unwrap();
    let dataset = chips(&scratch.path().join("images")).unwrap();
    let recipe = |data: &str, task: &str, rest: &str| -> Recipe {
        let text = format!(
            "Ocean {{ task: {task}, data: {data}, transforms: none {{ size: 64 }}, model: squeezenet1_1 {{ weights: \
             \"examples/data/squeezenet1_1.safetensors\" }}, metrics: [], {rest} }}"
        );
        RecipeText::new("x", &text, &[]).result.unwrap().recipe
    };
    let error = |recipe: &Recipe, dataset: Option<&Dataset>| {
        let error = engine::run(recipe, &options(&scratch, "none", dataset), &mut Silent).unwrap_err();
        assert!(matches!(error, RunError::Data(_)), "{error}");
        assert!(!scratch.path().join("none").exists());
        error.to_string()
    };
    let fit = "train: { fit(0.01, 1); }";
    let text = error(&recipe("folders { root: \"examples\" }", "single_label", fit), Some(&dataset));
    assert!(text.contains("gives a data set too: say `data: given`"), "{text}");
    let text = error(&recipe("given", "multi_label", fit), Some(&dataset));
    assert!(text.contains("`task: multi_label`") && text.contains("single_label"), "{text}");
    assert!(error(&recipe("given", "single_label", fit), None).contains("RunOptions { dataset: Some("));
    let files = dataset.train.iter().map(|item| (item.path.clone(), item.id.len().to_string()));
    let files: Vec<(PathBuf, String)> = files.enumerate().map(|(i, (p, l))| (p, format!("{l}{}", i % 2))).collect();
    let all = Dataset::from_files(files, &Valid::None).unwrap();
    let text = error(&recipe("given", "single_label", "train: { fit(0.01, 1); tta(); }"), Some(&all));
    assert!(text.contains("`tta` measures on validation images") && text.contains("from_parts"), "{text}");
}
