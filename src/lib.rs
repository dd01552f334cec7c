//! Train image classifiers in Rust.
//!
//! A recipe states the data, the transforms, the network and the training steps of fastai's 2018 lesson 2. The compiler checks
//! the recipe together with the program that contains it. [burn](https://burn.dev) runs the recipe on the CPU, or on a graphics
//! card through CUDA, Metal, Vulkan or wgpu.
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
//! # Modules
//!
//! | module | for |
//! |---|---|
//! | [`prelude`] | what most programs need |
//! | [`pipeline`] | recipes built by Rust calls instead of [`recipe!`] |
//! | [`engine`] | running, resuming and measuring recipes; their options and errors |
//! | [`data`] | images and labels that a program supplies (`data: given`) |
//! | [`predict`] | predictions of trained networks, and submissions |
//! | [`train`] | losses and metrics of your own |
//! | [`progress`] | progress output and stop requests |
//! | [`report`] | the content of a run folder |
//!
//! # Speed
//!
//! Unoptimised kernels are many times slower, and a program says so when it trains or predicts. `cargo run --release` optimises
//! everything. A program whose manifest has the following lines, which `fastai new` writes, trains at full speed without
//! `--release`:
//!
//! ```toml
#![doc = include_str!("cli/new/crate/profile.txt")]
//! ```
//!
//! Every batch allocates and frees large buffers. The program `fastai` uses mimalloc; the library leaves the choice of the
//! allocator to your program. To use mimalloc, run `cargo add mimalloc` and write
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
//! The default features are those of the program `fastai`. Without them, a program or library of your own compiles faster:
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
//! | `gpu` | `cuda`, `vulkan` and `wgpu`; a program selects one of them, or the CPU, when it runs |
//! | `metal` | graphics cards of a Mac |
//! | `cuda-nvrtc` | `cuda` for builds that cannot download LLVM |
//! | `remote` | devices of other machines |
//!
//! Not affiliated with fast.ai.
#![forbid(unsafe_code)]

/// Declares a recipe as a type: a unit struct with the recipe's name, which implements
/// [`Experiment`](crate::prelude::Experiment) and therefore [`Run`](crate::prelude::Run). LANGUAGE.md defines the language.
///
/// Every mistake in the recipe is an error of the compiler, underlined in the recipe.
///
/// ```
/// use fastai::prelude::*;
///
/// recipe! {
///     pub Cats {
///         task: single_label,
///         data: folders { root: "data/dogscats" },
///         transforms: side_on { size: 64 },
///         model: squeezenet1_1,
///         metrics: [accuracy],
///         train: {
///             fit(1e-2, 3);
///         },
///     }
/// }
///
/// # fn main() {
/// assert_eq!(Cats::recipe().steps().len(), 1);
/// # }
/// ```
///
/// rustfmt formats `recipe!( Name { .. } );` unless it starts with `pub` or `///`; it leaves `recipe! { .. }` unchanged.
#[macro_export]
macro_rules! recipe {
    ($($tokens:tt)*) => { $crate::__private::recipe_at! { [$crate] $($tokens)* } };
}

/// Declares the recipe of a file as a type, like [`recipe!`]: `include_recipe!("dogbreed.recipe");`. The path is relative to the
/// source file; if no such file exists, to the package's folder. Cargo rebuilds when the file changes.
#[macro_export]
macro_rules! include_recipe {
    ($path:literal) => {
        $crate::__private::include_recipe_at! { [$crate] $path }
    };
}

/// Embeds a trained model in the program: `include_model!(DogsVsCats, "runs/dogs/models/final.safetensors")` is a
/// `Result<Trained<DogsVsCats>, RunError>`. The path is relative to the source file; if no such file exists, to the package's
/// folder.
///
/// The compiler compares the header of the model with the recipe. It refuses the model if one of these differs:
///
/// * the name of the recipe;
/// * its text, except for the comment (a model of one of the recipe's folds has the text of that fold), and with it the network,
///   the image size and the preparation of images;
/// * the classes, if a summary of the recipe's data states them;
/// * the length of the file, which the header states.
///
/// # Errors
/// Two checks wait until the program loads the model: the digest of the file, and the text of a recipe with Rust constants, whose
/// values the macro does not know.
#[macro_export]
macro_rules! include_model {
    ($recipe:ty, $path:literal) => {
        $crate::engine::Trained::<$recipe>::from_bytes(
            &$crate::__private::include_model_at! { [$crate] $recipe, $path }[..],
        )
    };
}

/// The items that most training programs need.
pub mod prelude {
    pub use crate::{include_model, include_recipe, recipe};
    pub use fastai_dsl::{Class, Classified, Experiment, MultiLabel, Regression, SingleLabel};
    pub use fastai_runtime::predict::{Prediction, Predictions};
    pub use fastai_runtime::{Run, RunError, RunOptions, Trained};
}

/// The typed builder: recipes as Rust calls. [`schema`](pipeline::schema) has the settings of each construct,
/// [`words`](pipeline::words) the words of the language.
///
/// ```
/// use fastai::pipeline::schema::{fit, folders, model, transforms};
/// use fastai::pipeline::{Start, words};
///
/// let recipe = Start::new("Cats", words::single_label)
///     .data(folders::new().root("data/dogscats"))
///     .transforms(words::side_on, transforms::new().size(64))
///     .metric(words::accuracy)
///     .model(words::squeezenet1_1, model::new())
///     .fit(1e-2, 3, fit::new())
///     .build()
///     .unwrap();
/// assert_eq!(recipe.name(), "Cats");
/// ```
pub mod pipeline {
    pub use fastai_dsl::pipeline::*;
    pub use fastai_dsl::{schema, words};
}

/// Runs recipes: [`run`](engine::run), [`resume`](engine::resume), their [`RunOptions`](engine::RunOptions) and their
/// [`RunError`](engine::RunError). A recipe that is a type has these as methods: see [`Run`](engine::Run).
///
/// ```no_run
/// use fastai::engine::{Recipe, RunError, RunOptions, run};
/// use fastai::progress;
///
/// fn train(recipe: &Recipe) -> Result<(), RunError> {
///     let options = RunOptions { out: Some("runs/cats".into()), seed: Some(1), ..RunOptions::default() };
///     let outcome = run(recipe, &options, progress::auto(false).as_mut())?;
///     println!("{} classes, results in {}", outcome.classes.len(), outcome.folder.display());
///     Ok(())
/// }
/// ```
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

/// Images and labels that a program supplies for a recipe with `data: given`.
///
/// ```no_run
/// use fastai::data::{Dataset, RgbImage, Valid};
/// use fastai::prelude::*;
///
/// recipe! {
///     Pets {
///         task: single_label,
///         data: given { batch: 16 },
///         transforms: side_on { size: 64 },
///         model: squeezenet1_1,
///         metrics: [accuracy],
///         train: {
///             fit(1e-2, 3);
///         },
///     }
/// }
///
/// /// Holds a fifth of the photos out for validation. `from_images` writes each photo once below the folder `photos`.
/// fn train(photos: Vec<(RgbImage, &str)>) -> Result<Trained<Pets>, Box<dyn std::error::Error>> {
///     let dataset = Dataset::from_images("photos", photos, &Valid::Stratified { share: 0.2, seed: 42, fold: 0 })?;
///     Ok(Pets::run(&RunOptions { dataset: Some(dataset), ..RunOptions::default() })?)
/// }
/// # fn main() {}
/// ```
pub mod data {
    pub use fastai_dsl::{Dealing, Valid};
    pub use fastai_runtime::data::{Dataset, DecodeError, ImageFormat, Item, Label, RgbImage, Target, decode};
}

/// Predictions of trained networks, and submissions. A [`Predictor`](predict::Predictor) is a saved model, ready to predict.
///
/// ```no_run
/// use std::path::Path;
///
/// use fastai::data::decode;
/// use fastai::engine::DeviceWish;
/// use fastai::predict::{Predictor, pick};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let device = pick(DeviceWish::Auto)?.device;
///     let predictor = Predictor::load(Path::new("runs/cats"), None, &device)?;
///     let photo = decode(Path::new("photo.jpg"))?;
///     let predictions = predictor.predict(&[photo])?;
///     for (class, probability) in predictor.top(predictions.probabilities.row(0), 3) {
///         println!("{class}: {probability:.3}");
///     }
///     Ok(())
/// }
/// ```
pub mod predict {
    pub use fastai_runtime::device::{DeviceKind, DeviceRequest, Picked, pick};
    pub use fastai_runtime::metrics::{Confusion, Probabilities, Thresholds, Truth};
    pub use fastai_runtime::models::{ModelMeta, Network};
    pub use fastai_runtime::predict::{
        Embeddings, FileAnswer, ImageAnswer, ImageFiles, NpyRows, PredictOptions, Prediction, Predictions, Predictor,
        Said, Submission, SubmissionCell, SubmissionFormat, Unreadable, image_files,
    };
    pub use fastai_runtime::tensor::Device;
}

/// Losses and metrics of your own: a [`Criterion`](train::Criterion) for [`RunOptions::loss`](engine::RunOptions), and a
/// [`Measure`](train::Measure) for [`RunOptions::metrics`](engine::RunOptions). `examples/own_loss.rs` has one of each.
///
/// A metric that is a mean over images needs a name, a direction, a value and an interval:
///
/// ```
/// use fastai::train::{Direction, Measure, Probabilities, Truth, bootstrap};
///
/// /// Share of images whose predicted class has a probability above 0.9.
/// #[derive(Debug)]
/// struct Confident;
///
/// impl Confident {
///     fn of_images(predicted: &Probabilities) -> Vec<f64> {
///         predicted.rows().map(|row| f64::from(u8::from(row.iter().any(|p| *p > 0.9)))).collect()
///     }
/// }
///
/// impl Measure for Confident {
///     fn column(&self) -> String {
///         "confident".to_string()
///     }
///
///     fn direction(&self) -> Direction {
///         Direction::Higher
///     }
///
///     fn value(&self, predicted: &Probabilities, _truth: &Truth) -> f64 {
///         Self::of_images(predicted).iter().sum::<f64>() / predicted.len() as f64
///     }
///
///     fn interval(&self, predicted: &Probabilities, _truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
///         bootstrap(&Self::of_images(predicted), draw)
///     }
/// }
///
/// let predicted = Probabilities::new(vec![0.95, 0.05, 0.4, 0.6], 2);
/// assert_eq!(Confident.value(&predicted, &Truth::Classes(vec![0, 1])), 0.5);
/// ```
pub mod train {
    pub use fastai_dsl::Direction;
    pub use fastai_runtime::metrics::{Measure, Probabilities, Statistic, Truth, Weighted, bootstrap};
    pub use fastai_runtime::tensor;
    pub use fastai_runtime::train::{Criterion, Targets};
}

pub use fastai_runtime::progress;

/// The content of a run folder: [`Summary::read`](report::Summary::read) reads its `summary.json`.
///
/// ```no_run
/// use std::path::Path;
///
/// use fastai::engine::RunError;
/// use fastai::report::{Status, Summary};
///
/// fn main() -> Result<(), RunError> {
///     let summary = Summary::read(Path::new("runs/cats"))?;
///     assert_eq!(summary.status, Status::Complete);
///     for metric in summary.r#final.iter().flat_map(|evaluation| &evaluation.metrics) {
///         println!("{metric}");
///     }
///     Ok(())
/// }
/// ```
pub mod report {
    pub use fastai_dsl::{Direction, MetricKind, StepKind, TaskKind};
    pub use fastai_runtime::metrics::{ClassRow, ClassScore, ClassTable, MetricValue};
    pub use fastai_runtime::report::{
        Baseline, BatchRow, ByClass, CacheUse, Counts, DataFingerprint, Evaluation, FoldSummary, Folds, InitialWeights,
        MeasuredSet, PartFingerprint, Spread, StageSummary, Status, Summary,
    };
}

#[doc(hidden)]
pub mod __private {
    pub use fastai_dsl::__private::*;
    pub use fastai_macros::{include_model_at, include_recipe_at, recipe_at};
}
