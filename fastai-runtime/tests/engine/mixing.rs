//! Smoothed labels and mixed images in whole runs: what they change, what they leave as it is, and that neither threads
//! nor anything but the seed decides what is drawn.

use std::path::Path;

use crate::chips::Chips;
use fastai_dsl::Recipe;
use fastai_runtime::engine::run;
use fastai_runtime::progress::Silent;

/// A run's weights, and its training and validation losses, epoch by epoch.
fn ran(chips: &Chips, recipe: &Recipe, name: &str, threads: usize) -> (Vec<u8>, Vec<[f64; 2]>) {
    let mut options = chips.options(name);
    options.threads = Some(threads);
    let outcome = run(recipe, &options, &mut Silent).unwrap();
    let weights = std::fs::read(outcome.folder.join("models/final.safetensors")).unwrap();
    (weights, losses(&outcome.folder))
}

fn losses(run: &Path) -> Vec<[f64; 2]> {
    let text = std::fs::read_to_string(run.join("history.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let columns = [column("trn_loss"), column("val_loss")];
    lines.map(|row| columns.map(|c| row[c].parse().unwrap())).collect()
}

/// The part of a model file that holds the weights: the rest has the recipe.
fn numbers(file: &[u8]) -> &[u8] {
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    &file[8 + header..]
}

#[test]
fn the_same_is_drawn_on_any_number_of_threads_and_with_another_seed_something_else() {
    let chips = Chips::new(36);
    let steps = "fit(0.02, 2, cycle_len = 1); unfreeze(); fit(0.001, 1);";
    for (i, task) in ["classes", "tags"].into_iter().enumerate() {
        let recipe = |more: &str| match task {
            "classes" => chips.classes(steps, "", more),
            _ => chips.tags(steps, "", more),
        };
        let more = ["label_smoothing: 0.1, mixup: 0.4, cutmix: 1,", "mixup: 0.4, class_weights: balanced,"][i];
        let mixed = ran(&chips, &recipe(more), &format!("{task}-1"), 1);
        let again = ran(&chips, &recipe(more), &format!("{task}-3"), 3);
        assert!(mixed == again, "{task}: threads play a part");
        let seeded = ran(&chips, &recipe(&format!("{more} seed: 43,")), &format!("{task}-seed"), 2);
        assert!(numbers(&seeded.0) != numbers(&mixed.0));
        let plain = ran(&chips, &recipe(""), &format!("{task}-plain"), 2);
        assert!(numbers(&plain.0) != numbers(&mixed.0), "{task}: nothing was mixed");
        assert!(mixed.1.iter().flatten().all(|loss| loss.is_finite()));
    }
}

#[test]
fn cached_activations_are_not_mixed() {
    let chips = Chips::new(30);
    let steps = "precompute(on); fit(0.02, 2);";
    let plain = ran(&chips, &chips.classes(steps, "", ""), "plain", 2);
    let mixed = ran(&chips, &chips.classes(steps, "", "mixup: 0.4, cutmix: 1,"), "mixed", 2);
    assert_eq!(plain.1, mixed.1);
    assert!(numbers(&plain.0) == numbers(&mixed.0));
}

#[test]
fn labels_are_smoothed_while_training_alone() {
    let chips = Chips::new(30);
    // A rate that changes nothing to speak of: the same network is measured. (Images that are mixed would do, through the
    // statistics of batch norm.)
    let losses = |name: &str, more: &str| ran(&chips, &chips.classes("fit(1e-9, 1);", "", more), name, 2).1[0];
    let plain = losses("plain", "");
    let smoothed = losses("smoothed", "label_smoothing: 0.3,");
    assert!((smoothed[1] - plain[1]).abs() < 1e-5, "validation: {} and {}", smoothed[1], plain[1]);
    assert!((smoothed[0] - plain[0]).abs() > 1e-4, "training: {} and {}", smoothed[0], plain[0]);
}
