//! The sections of a recipe.

use super::Range;
use super::constructs::{above, below, range};

/// A section of a recipe.
#[derive(Debug)]
pub struct Section {
    /// Its key.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// How it is written.
    pub example: &'static str,
}

/// All sections, in the order in which they are printed.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "task",
        doc: "What a label is. Stated, never guessed: one stray two-word label must not turn a task multi-label.",
        required: true,
        example: "task: single_label",
    },
    Section {
        name: "data",
        doc: "Where images and labels come from.",
        required: true,
        example: "data: folders { root: \"data/dogscats\" }",
    },
    Section {
        name: "transforms",
        doc: "Image size and augmentation.",
        required: true,
        example: "transforms: side_on { size: 224 }",
    },
    Section { name: "model", doc: "The network.", required: true, example: "model: squeezenet1_1" },
    Section {
        name: "metrics",
        doc: "What is measured after each epoch.",
        required: true,
        example: "metrics: [accuracy]",
    },
    Section { name: "train", doc: "The steps.", required: true, example: "train: { fit(1e-2, 3); }" },
    Section { name: "seed", doc: "Seed of every random draw, 42 unless given.", required: false, example: "seed: 42" },
    Section {
        name: "device",
        doc: "auto (CUDA, else wgpu, else the CPU), cuda, wgpu or cpu.",
        required: false,
        example: "device: auto",
    },
    Section { name: "report", doc: "Whether report.html is written.", required: false, example: "report: on" },
    Section {
        name: "class_weights",
        doc: "Weights of the classes in the loss: balanced, or one a class in class order.",
        required: false,
        example: "class_weights: balanced",
    },
    Section {
        name: "label_smoothing",
        doc: "Share of each label that is spread over all classes while training; single_label only.",
        required: false,
        example: "label_smoothing: 0.1",
    },
    Section {
        name: "mixup",
        doc: "Blends each training image and its label with another of its batch; the parameter of the Beta distribution \
              that shares are drawn from, 0 for none.",
        required: false,
        example: "mixup: 0.2",
    },
    Section {
        name: "cutmix",
        doc: "Puts a part of another training image of the batch, and as much of its label, into each; the parameter as \
              for mixup. With both, each batch is one or the other.",
        required: false,
        example: "cutmix: 1.0",
    },
    Section { name: "clip", doc: "Largest global gradient norm.", required: false, example: "clip: 1.0" },
    Section {
        name: "keep_best",
        doc: "Keep the epoch that was best by this metric, instead of the last.",
        required: false,
        example: "keep_best: accuracy",
    },
];

/// Range of `seed`: whole numbers that a double holds exactly.
pub const SEED_RANGE: Range = range(0.0, 9_007_199_254_740_991.0);
/// Range of `label_smoothing`.
pub const LABEL_SMOOTHING_RANGE: Range = below(0.0, 1.0);
/// Range of the parameter of `mixup` and `cutmix`.
pub const MIXING_RANGE: Range = range(0.0, 100.0);
/// Range of `clip`.
pub const CLIP_RANGE: Range = above(0.0, 1e6);
/// Range of one class weight.
pub const CLASS_WEIGHT_RANGE: Range = above(0.0, 1e6);
