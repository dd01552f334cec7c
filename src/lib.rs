//! Train image classifiers in Rust.
//!
//! A recipe states data, transforms, architecture and the staged fit calls of fastai's 2018 lesson 2. It is checked while
//! the program that holds it compiles, and runs on burn: on CUDA, else wgpu, else the CPU.
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
#![forbid(unsafe_code)]

pub use fastai_dsl as dsl;
pub use fastai_dsl::{pipeline, schema, words};
pub use fastai_runtime as runtime;

/// Declares a recipe as a type. See the crate's documentation and LANGUAGE.md.
///
/// `recipe!( Name { .. } );` is formatted by rustfmt if it begins with neither `pub` nor `///`; `recipe! { .. }` is left
/// alone by it.
#[macro_export]
macro_rules! recipe {
    ($($tokens:tt)*) => { $crate::__private::recipe_at! { [$crate] $($tokens)* } };
}

/// Declares the recipe of a file as a type: `include_recipe!("dogbreed.recipe");`, looked for beside the source file, then
/// in the package's folder. Cargo rebuilds when the file changes.
#[macro_export]
macro_rules! include_recipe {
    ($path:literal) => {
        $crate::__private::include_recipe_at! { [$crate] $path }
    };
}

/// What a program that trains needs.
pub mod prelude {
    pub use crate::{include_recipe, recipe};
    pub use fastai_dsl::{Experiment, MultiLabel, Regression, SingleLabel};
    pub use fastai_runtime::predict::Predictions;
    pub use fastai_runtime::{Run, RunError, RunOptions, Trained};
}

#[doc(hidden)]
pub mod __private {
    pub use fastai_dsl::__private::*;
    pub use fastai_macros::{include_recipe_at, recipe_at};
}
