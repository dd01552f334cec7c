//! The sections of a recipe.

use super::{DeviceWish, KeepBest, LossSpec, Precision, TaskKind};
use crate::construct::{Section, above, below, open, range};
use crate::word;

/// The largest seed that a recipe can name: beyond it, its numbers are no longer exact.
pub const LARGEST_SEED: u64 = (1 << 53) - 1;

/// The section of that name.
///
/// # Panics
/// If there is none.
pub fn section(name: &str) -> &'static Section {
    SECTIONS.iter().find(|section| section.name == name).expect("a section of the registry")
}

/// Declares the sections: each with its meaning, an example of its value, and what else there is to say of it.
macro_rules! sections {
    ($($(#[doc = $doc:literal])+ $name:ident: $example:literal $(, $setter:ident($($value:expr)?))*;)+) => {
        /// All sections, in the order in which they are printed.
        pub const SECTIONS: &[Section] = &[$(
            Section::new(
                stringify!($name),
                concat!(stringify!($name), ": ", $example),
                concat!($($doc),+).trim_ascii(),
            )$(.$setter($($value)?))*
        ),+];
    };
}

sections! {
    /// The kind of label: a class, tags, or a number. The recipe states it, so that one stray two-word label cannot make the
    /// task multi-label.
    task: "single_label", required(), one_of(TaskKind::WORDS);
    /// The source of images and labels.
    data: "folders { root: \"data/dogscats\" }", required();
    /// Image size and augmentation.
    transforms: "side_on { size: 224 }", required();
    /// The network.
    model: "squeezenet1_1", required();
    /// The metrics after each epoch.
    metrics: "[accuracy]", required();
    /// The steps.
    train: "{ fit(1e-2, 3); }", required();
    /// Seed of every random draw.
    // Whole numbers that a double holds exactly.
    seed: "42", within(range(0.0, LARGEST_SEED as f64)), unless_given("42");
    /// The device: `auto` selects the first of CUDA, Metal, Vulkan and wgpu that computes, else the CPU.
    device: "auto", one_of(DeviceWish::WORDS), unless_given("auto");
    /// The numbers of the convolutions while the body trains: `f32`, or 16-bit floats with `mixed` on a GPU that has them.
    /// Weights, batch norms, the head, the loss and all evaluation stay in 32 bits.
    precision: "mixed", one_of(Precision::WORDS), unless_given("f32");
    /// Whether the run writes report.html.
    report: "on", one_of(word::SWITCH), unless_given("on");
    /// What training lowers: `cross_entropy`, `bce` or `focal` for single_label, `bce`, `focal` or `asymmetric` for
    /// multi_label, `l1`, `mse` or `huber` for regression, or `given` for one that the Rust program supplies. The default is
    /// the first of the task.
    loss: "focal { gamma: 2 }", one_of(&[LossSpec::GIVEN]);
    /// Weights of the classes in the loss: `balanced`, or one per class in class order.
    class_weights: "balanced", within(above(0.0, 1e6)), one_of(&["balanced"]);
    /// Share of each label that training spreads over all classes; single_label only.
    label_smoothing: "0.1", within(below(0.0, 1.0)), unless_given("0");
    /// Blends each training image and its label with another of its batch. The value is the parameter of the Beta
    /// distribution of shares; 0 turns mixing off.
    mixup: "0.2", within(range(0.0, 100.0));
    /// Pastes a part of another training image of the batch, with the same share of its label, into each image. The value is
    /// the parameter of the Beta distribution of areas. With `mixup` as well, each batch uses one of the two.
    cutmix: "1.0", within(range(0.0, 100.0));
    /// The rule that turns gradients into steps: `sgd`, `adam`, `adamw`, `rmsprop` or `lamb`. Each `fit` starts it anew.
    optimizer: "adamw", unless_given("sgd");
    /// Largest global gradient norm.
    clip: "1.0", within(above(0.0, 1e6));
    /// Largest absolute value of each number of a gradient, after `clip`.
    clip_value: "0.5", within(above(0.0, 1e6));
    /// Number of batches whose mean gradient makes one step, as if the batch were that many times larger, except for batch
    /// norm. The last step of an epoch takes the remaining batches.
    accumulate: "4", within(range(1.0, 65536.0)), unless_given("1");
    /// Decay of the moving average of the weights over the steps of each `fit`. The run measures, keeps and saves the average,
    /// and continues with it. In step t, from 0, the decay is at most (1 + t) / (10 + t).
    ema: "0.999", within(open(0.0, 1.0));
    /// Keeps the best epoch by one of the recipe's metrics, or by `val_loss`, instead of the last one.
    keep_best: "accuracy", one_of(KeepBest::WORDS);
}
