//! Train image classifiers in Rust.
//!
//! A recipe states data, transforms, architecture and the staged fit calls of fastai's 2018 lesson 2. The compiler checks
//! it with the program that contains it, and burn runs it on CUDA, wgpu or the CPU, in that order of preference.
//!
//! ```no_run
//! use fastai::prelude::*;
//!
//! recipe! {
//!     /// Cats or dogs?
//!     pub DogsCats {
//!         task: single_label,
//!         data: folders { root: "data/dogscats" },
//!         transforms: side_on { size: 224, max_zoom: 1.1 },
//!         model: squeezenet1_1,
//!         metrics: [accuracy],
//!         train: {
//!             precompute(on);
//!             let lr = lr_find(or = 1e-2);
//!             fit(lr, 2);
//!             precompute(off);
//!             fit(lr, 1, cycle_len = 1);
//!             tta();
//!         },
//!     }
//! }
//!
//! fn main() -> Result<(), RunError> {
//!     let trained = DogsCats::run(&RunOptions::default())?;
//!     println!("{:?}", trained.outcome.summary.r#final);
//!     Ok(())
//! }
//! ```
//!
//! # Speed
//!
//! Unoptimised kernels take many times as long, and a program says so when it trains or predicts. `cargo run --release` optimises
//! everything. A program whose manifest has these lines, which `fastai new` writes, trains at full speed without it:
//!
//! ```toml
#![doc = include_str!("cli/new/crate/profile.txt")]
//! ```
//!
//! Every batch takes and frees large buffers. The program `fastai` uses mimalloc for them; the library leaves the allocator to
//! the program that uses it. For mimalloc there, run `cargo add mimalloc` and write
//!
//! ```no_run,standalone_crate
//! # #[cfg(feature = "cli")]
//! #[global_allocator]
//! static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! The default features are those of the program `fastai`. A program or library of your own compiles less without them:
//!
//! ```toml
#![doc = concat!("fastai = { version = \"", env!("CARGO_PKG_VERSION"), "\", default-features = false }")]
//! ```
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | the program `fastai` |
//! | `serve` (default) | its command `serve` |
//! | `embedded-weights` (default) | the published weights of SqueezeNet 1.1 inside the program, 2.5 MB |
//! | `gpu` | `cuda`, `wgpu` and `vulkan`, of which a program picks one when it runs; the CPU is always in |
//! | `metal` | graphics cards of a Mac |
//! | `cuda-nvrtc` | `cuda` for builds that cannot download LLVM |
//! | `remote` | devices of other machines |
//!
//! Not affiliated with fast.ai.
#![forbid(unsafe_code)]

/// Declares a recipe as a type. The crate's documentation has an example; LANGUAGE.md defines the language.
///
/// rustfmt formats `recipe!( Name { .. } );` unless it starts with `pub` or `///`; it leaves `recipe! { .. }` unchanged.
#[macro_export]
macro_rules! recipe {
    ($($tokens:tt)*) => { $crate::__private::recipe_at! { [$crate] $($tokens)* } };
}

/// Declares the recipe of a file as a type: `include_recipe!("dogbreed.recipe");`. The path is relative to the source file,
/// otherwise to the package's folder. Cargo rebuilds when the file changes.
#[macro_export]
macro_rules! include_recipe {
    ($path:literal) => {
        $crate::__private::include_recipe_at! { [$crate] $path }
    };
}

/// Embeds a trained model in the program: `include_model!(DogsVsCats, "runs/dogs/models/final.safetensors")` is a
/// `Result<Trained<DogsVsCats>, RunError>`. The path is relative to the source file, otherwise to the package's folder.
///
/// While compiling, the model must be one that loading it accepts, by what its header says: of the name of the recipe; of its
/// text but for the comment, or that of one of its folds, so that network, image size, preparation and all else are the same;
/// and of the classes in the summary of the recipe's data, if there is one. The file must be as long as the header says.
///
/// Two things are checked when the program loads the model: its digest, and the text of a recipe with Rust constants in it, whose
/// values a macro does not know.
#[macro_export]
macro_rules! include_model {
    ($recipe:ty, $path:literal) => {
        $crate::engine::Trained::<$recipe>::from_bytes(
            &$crate::__private::include_model_at! { [$crate] $recipe, $path }[..],
        )
    };
}

/// The items that a training program needs.
pub mod prelude {
    pub use crate::{include_model, include_recipe, recipe};
    pub use fastai_dsl::{Class, Classified, Experiment, MultiLabel, Regression, SingleLabel};
    pub use fastai_runtime::predict::{Prediction, Predictions};
    pub use fastai_runtime::{Run, RunError, RunOptions, Trained};
}

/// The typed builder: a recipe as Rust calls. [`schema`](pipeline::schema) has the settings of each construct,
/// [`words`](pipeline::words) the words of the language.
pub mod pipeline {
    pub use fastai_dsl::pipeline::*;
    pub use fastai_dsl::{schema, words};
}

/// Runs recipes: [`run`](engine::run), [`resume`](engine::resume), their [`RunOptions`](engine::RunOptions) and their
/// [`RunError`](engine::RunError).
pub mod engine {
    pub use fastai_dsl::{DeviceWish, Recipe};
    pub use fastai_runtime::device::DeviceRequest;
    pub use fastai_runtime::engine::{
        HeldOut, Measured, MeasuringLimits, Outcome, Probed, ProbedStage, Run, RunOptions, RunPlace, Surveys, Trained,
        Validated, completed, is_unfinished, probe, recipe_of_run, resume, run, validate, validate_all, validate_on,
    };
    pub use fastai_runtime::error::{
        DataError, DataKey, DataPart, DeviceError, FailedStep, FileError, Finding, FindingKind, MissingWeights,
        OpenReached, Reached, ResumeError, RowFault, RunError, StateError, SuppliedError, WantedWeights, WeightsError,
    };
}

/// Images and labels that a program supplies for `data: given`.
pub mod data {
    pub use fastai_dsl::{Dealing, Valid};
    pub use fastai_runtime::data::{Dataset, Item, Label, RgbImage, Target, decode};
}

/// Predictions of trained networks and submissions.
pub mod predict {
    pub use fastai_runtime::device::{DeviceKind, DeviceRequest, Picked, pick};
    pub use fastai_runtime::metrics::{Probabilities, Truth};
    pub use fastai_runtime::predict::{
        Embeddings, FileAnswer, ImageAnswer, ImageFiles, NpyRows, PredictOptions, Prediction, Predictions, Predictor,
        Said, Submission, SubmissionCell, SubmissionFormat, Unreadable, image_files,
    };
}

/// Losses and metrics of one's own: a [`Criterion`](train::Criterion) for [`RunOptions::loss`](engine::RunOptions), and a
/// [`Measure`](train::Measure) for [`RunOptions::metrics`](engine::RunOptions). `examples/own_loss.rs` has one of each.
pub mod train {
    pub use fastai_dsl::Direction;
    pub use fastai_runtime::metrics::{Measure, Probabilities, Statistic, Truth, Weighted, bootstrap};
    pub use fastai_runtime::tensor;
    pub use fastai_runtime::train::{Criterion, Targets};
}

pub use fastai_runtime::progress;

/// The content of a run folder.
pub mod report {
    pub use fastai_dsl::{Direction, MetricKind, StepKind, TaskKind};
    pub use fastai_runtime::metrics::{ClassRow, ClassScore, ClassTable, MetricValue};
    pub use fastai_runtime::report::{
        Baseline, ByClass, CacheUse, Counts, DataFingerprint, Evaluation, FoldSummary, Folds, InitialWeights,
        MeasuredSet, PartFingerprint, Spread, StageSummary, Status, Summary,
    };
}

#[doc(hidden)]
pub mod __private {
    pub use fastai_dsl::__private::*;
    pub use fastai_macros::{include_model_at, include_recipe_at, recipe_at};
}
