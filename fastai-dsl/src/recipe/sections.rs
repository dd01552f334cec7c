//! The sections of a recipe.

use super::{DeviceWish, KeepBest, LossSpec, Precision, TaskKind};
use crate::construct::{Section, above, below, open, range};
use crate::word;

/// The section of that name.
///
/// # Panics
/// If there is none.
pub fn section(name: &str) -> &'static Section {
    SECTIONS.iter().find(|section| section.name == name).expect("a section of the registry")
}

/// All sections, in the order in which they are printed.
pub const SECTIONS: &[Section] = &[
    Section::new(
        "task",
        "task: single_label",
        "The kind of label. It is stated instead of guessed, so that one stray two-word label cannot make a task multi-label.",
    )
    .required()
    .one_of(TaskKind::WORDS),
    Section::new("data", "data: folders { root: \"data/dogscats\" }", "The source of images and labels.").required(),
    Section::new("transforms", "transforms: side_on { size: 224 }", "Image size and augmentation.").required(),
    Section::new("model", "model: squeezenet1_1", "The network.").required(),
    Section::new("metrics", "metrics: [accuracy]", "The metrics after each epoch.").required(),
    Section::new("train", "train: { fit(1e-2, 3); }", "The steps.").required(),
    // Whole numbers that a double holds exactly.
    Section::new("seed", "seed: 42", "Seed of every random draw.")
        .within(range(0.0, 9_007_199_254_740_991.0))
        .unless_given("42"),
    Section::new("device", "device: auto", "The device: `auto` selects the first of CUDA, Metal, Vulkan and wgpu that computes, else the CPU.")
        .one_of(DeviceWish::WORDS)
        .unless_given("auto"),
    Section::new(
        "precision",
        "precision: mixed",
        "The numbers of the convolutions while the body trains: `f32`, or 16-bit floats with `mixed` on a GPU that has them. Weights, batch norms, the head, the loss and all evaluation stay in 32 bits.",
    )
    .one_of(Precision::WORDS)
    .unless_given("f32"),
    Section::new("report", "report: on", "Whether the run writes report.html.")
        .one_of(word::SWITCH)
        .unless_given("on"),
    Section::new(
        "loss",
        "loss: focal { gamma: 2 }",
        "What training lowers: `cross_entropy`, `bce` or `focal` for single_label, `bce`, `focal` or `asymmetric` for multi_label, `l1`, `mse` or `huber` for regression, or `given` for one that the Rust program supplies. The default is the first of the task.",
    )
    .one_of(&[LossSpec::GIVEN]),
    Section::new(
        "class_weights",
        "class_weights: balanced",
        "Weights of the classes in the loss: `balanced`, or one per class in class order.",
    )
    .within(above(0.0, 1e6))
    .one_of(&["balanced"]),
    Section::new(
        "label_smoothing",
        "label_smoothing: 0.1",
        "Share of each label that training spreads over all classes; single_label only.",
    )
    .within(below(0.0, 1.0))
    .unless_given("0"),
    Section::new(
        "mixup",
        "mixup: 0.2",
        "Blends each training image and its label with another of its batch. The value is the parameter of the Beta distribution of shares; 0 turns mixing off.",
    )
    .within(range(0.0, 100.0)),
    Section::new(
        "cutmix",
        "cutmix: 1.0",
        "Pastes a part of another training image of the batch, with the same share of its label, into each image. The value is the parameter of the Beta distribution of areas. With `mixup` as well, each batch uses one of the two.",
    )
    .within(range(0.0, 100.0)),
    Section::new(
        "optimizer",
        "optimizer: adamw",
        "The rule that turns gradients into steps: `sgd`, `adam`, `adamw`, `rmsprop` or `lamb`. Each `fit` starts it anew.",
    )
    .unless_given("sgd"),
    Section::new("clip", "clip: 1.0", "Largest global gradient norm.").within(above(0.0, 1e6)),
    Section::new(
        "clip_value",
        "clip_value: 0.5",
        "Largest absolute value of each number of a gradient, after `clip`.",
    )
    .within(above(0.0, 1e6)),
    Section::new(
        "accumulate",
        "accumulate: 4",
        "Batches whose mean gradient makes one step, as if the batch were so many times larger but for batch norm. The last step of an epoch takes the batches that are left.",
    )
    .within(range(1.0, 65536.0))
    .unless_given("1"),
    Section::new(
        "ema",
        "ema: 0.999",
        "Decay of the moving average of the weights over the steps of each `fit`. The average is what is measured, kept, saved and gone on with. In step t, from 0, the decay is at most (1 + t) / (10 + t).",
    )
    .within(open(0.0, 1.0)),
    Section::new(
        "keep_best",
        "keep_best: accuracy",
        "Keeps the best epoch by one of the recipe's metrics, or by `val_loss`, instead of the last one.",
    )
    .one_of(KeepBest::WORDS),
];
