//! The typed builder: recipes as Rust calls, whose states rustc checks.
//!
//! `recipe!` expands to these calls. Write them by hand if a recipe depends on values that only Rust knows.
//! [`Pipeline::build`] runs the same checks as every other front end, and equal calls yield equal recipes.
//!
//! ```
//! use fastai_dsl::pipeline::{Pipeline, Start};
//! use fastai_dsl::schema::{fit, folders, lr_find, model, tta, transforms};
//! use fastai_dsl::words;
//!
//! // The sections first; the network comes last, because it fixes the number of layer groups.
//! let p = Start::new("DogsCats", words::single_label)
//!     .data(folders::new().root("data/dogscats"))
//!     .transforms(words::side_on, transforms::new().size(224).max_zoom(1.1))
//!     .metric(words::accuracy)
//!     .model(words::squeezenet1_1, model::new().dropout(0.5));
//! // Then the steps: parameters that are required are arguments, the others are settings.
//! let p = p.precompute(words::on);
//! let (p, lr) = p.lr_find(lr_find::new().or(1e-2));
//! let p = p.fit(lr, 2, fit::new()).precompute(words::off);
//! let p = p.fit(lr, 1, fit::new().cycle_len(1)).unfreeze();
//! let p = p.fit([lr / 9.0, lr / 3.0, lr], 3, fit::new().cycle_len(1).cycle_mult(2)).tta(tta::new());
//! let recipe = p.build().unwrap();
//! assert_eq!(recipe.steps().len(), 8);
//! ```
//!
//! # What the types know
//!
//! `Pipeline<T, B, G>` carries the task `T` ([`SingleLabel`](crate::SingleLabel), ..), the state of the body `B`
//! ([`Precomputed`], [`Frozen`], [`Unfrozen`]) and the number of layer groups `G` of the architecture.
//!
//! | step | from `Precomputed` | from `Frozen` | from `Unfrozen` |
//! |---|---|---|---|
//! | `precompute(on)` | `Precomputed` | `Precomputed` | does not compile: [`Switch`] |
//! | `precompute(off)` | `Frozen` | `Frozen` | `Unfrozen` |
//! | `unfreeze()`, `freeze_to(n)` | does not compile: [`OnImages`] | `Unfrozen` | `Unfrozen` |
//! | `freeze()` | `Precomputed` | `Frozen` | `Frozen` |
//! | `fit(lrs, ..)` | one rate: [`Rates`] | one rate or `G` | one rate or `G` |
//! | `tta(..)` | does not compile: [`OnImages`] | `Frozen` | `Unfrozen` |
//!
//! A metric must fit the task ([`Measures`](crate::recipe::Measures)), and every value must fit its key ([`Fits`]). Dropping a
//! pipeline without `build` is a warning. Each violation has a message in the terms of the language:
//!
//! ```compile_fail
//! # use fastai_dsl::{words, pipeline::Start, schema::{fit, folders, model, transforms}};
//! # let p = Start::new("A", words::single_label)
//! #     .data(folders::new().root("d")).transforms(words::basic, transforms::new().size(64))
//! #     .metric(words::accuracy).model(words::squeezenet1_1, model::new());
//! let p = p.precompute(words::on).fit(1e-2, 1, fit::new()).unfreeze();
//! // error: this step needs images, but `precompute` is on
//! ```
//!
//! [`Pipeline::build`] finds the errors that types cannot express (ranges, names, missing keys), all at once.
//!
//! # Loops and decisions
//!
//! A loop must end in the state in which it began; shadow the pipeline:
//!
//! ```
//! # use fastai_dsl::{words, pipeline::Start, schema::{fit, folders, model, resize, transforms}};
//! # let p = Start::new("A", words::single_label)
//! #     .data(folders::new().root("d")).transforms(words::side_on, transforms::new().size(64))
//! #     .metric(words::accuracy).model(words::squeezenet1_1, model::new());
//! # let p = p.fit(1e-2, 1, fit::new());
//! let mut p = p.unfreeze();
//! for size in [128, 224] {
//!     let frozen = p.resize(size, resize::new()).freeze().fit(1e-2, 1, fit::new().cycle_len(1));
//!     p = frozen.unfreeze().fit([1e-4, 1e-3, 1e-2], 2, fit::new().cycle_len(1)).save(format!("{size}"));
//! }
//! assert_eq!(p.build().unwrap().steps().len(), 14);
//! ```

mod start;

use std::marker::PhantomData;

use crate::check::check;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Arg, Draft, LintAttr, LintLevel, Name, StepCall, Stmt, Train, Value, ValueKind};
use crate::fits::{Fits, kind};
use crate::rate::Rate;
use crate::recipe::{Recipe, Task};
use crate::schema::{self, IntoConstruct};
use crate::word::{Off, On};

pub use crate::recipe::{Costs, Descends};
pub use start::{DataSource, Start};

/// State: only the head trains, on cached activations.
#[derive(Clone, Copy, Debug)]
pub struct Precomputed;
/// State: only the head trains, on images.
#[derive(Clone, Copy, Debug)]
pub struct Frozen;
/// State: the body trains too.
#[derive(Clone, Copy, Debug)]
pub struct Unfrozen;

/// A state in which images pass through the body.
#[diagnostic::on_unimplemented(
    message = "this step needs images, but `precompute` is on",
    label = "only cached activations here",
    note = "write `.precompute(words::off)` before it"
)]
pub trait OnImages {}
impl OnImages for Frozen {}
impl OnImages for Unfrozen {}

/// `freeze()` keeps cached activations.
pub trait Freezes {
    /// The resulting state.
    type Next;
}
impl Freezes for Precomputed {
    type Next = Precomputed;
}
impl Freezes for Frozen {
    type Next = Frozen;
}
impl Freezes for Unfrozen {
    type Next = Frozen;
}

/// The effect of `precompute(on)` and `precompute(off)` on a state.
#[diagnostic::on_unimplemented(
    message = "`precompute(on)` needs a frozen body",
    label = "the body trains here, so its activations will change",
    note = "write `.freeze()` before it; the argument is `words::on` or `words::off`"
)]
pub trait Switch<B>: Into<Value> {
    /// The resulting state.
    type Next;
}
impl Switch<Frozen> for On {
    type Next = Precomputed;
}
impl Switch<Precomputed> for On {
    type Next = Precomputed;
}
impl Switch<Precomputed> for Off {
    type Next = Frozen;
}
impl Switch<Frozen> for Off {
    type Next = Frozen;
}
impl Switch<Unfrozen> for Off {
    type Next = Unfrozen;
}

/// One learning rate, or one per layer group.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither one learning rate nor one for each of {G} layer groups",
    label = "one rate, or one per group",
    note = "`[lr / 9.0, lr / 3.0, lr]`; with `precompute` on there is one group, the head",
    note = "a rate is an `f64`, or what `lr_find` gave"
)]
pub trait Rates<B, const G: usize> {
    /// Converts to a value of the draft.
    fn into_value(self) -> Value;
}
impl<B, const G: usize> Rates<B, G> for f64 {
    fn into_value(self) -> Value {
        self.into()
    }
}
impl<B, const G: usize> Rates<B, G> for Rate {
    fn into_value(self) -> Value {
        self.into()
    }
}
impl<const G: usize, R: Into<Rate>> Rates<Frozen, G> for [R; G] {
    fn into_value(self) -> Value {
        self.map(Into::into).into()
    }
}
impl<const G: usize, R: Into<Rate>> Rates<Unfrozen, G> for [R; G] {
    fn into_value(self) -> Value {
        self.map(Into::into).into()
    }
}

/// A number of cycles: a whole number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number of cycles",
    label = "a whole number",
    note = "epochs and cycles are counted: `.fit(lr, 3, fit::new())`"
)]
pub trait Cycles: Fits<kind::Count> {}
impl<T: Fits<kind::Count>> Cycles for T {}

/// A recipe under construction: task `T`, body state `B`, `G` layer groups.
#[must_use = "a pipeline does nothing until `build`"]
#[derive(Clone, Debug)]
pub struct Pipeline<T, B, const G: usize> {
    draft: Draft,
    finders: u16,
    state: PhantomData<(T, B)>,
}

impl<T: Task, B, const G: usize> Pipeline<T, B, G> {
    fn push<C>(mut self, word: &str, args: Vec<Arg>) -> Pipeline<T, C, G> {
        let call = StepCall::new(Name::new(word), args, Site::NONE);
        let train = self.draft.train.get_or_insert_with(|| Train {
            key: Name::new("train"),
            lints: Vec::new(),
            body: Vec::new(),
            broken: false,
        });
        train.body.push(Stmt::Step(call));
        Pipeline { draft: self.draft, finders: self.finders, state: PhantomData }
    }

    /// Switches cached activations `words::on` or `words::off`.
    pub fn precompute<S: Switch<B>>(self, switch: S) -> Pipeline<T, S::Next, G> {
        self.push("precompute", vec![positional(switch.into())])
    }

    /// Trains only the head from here on.
    pub fn freeze(self) -> Pipeline<T, B::Next, G>
    where
        B: Freezes,
    {
        self.push("freeze", Vec::new())
    }

    /// Trains the whole network from here on.
    pub fn unfreeze(self) -> Pipeline<T, Unfrozen, G>
    where
        B: OnImages,
    {
        self.push("unfreeze", Vec::new())
    }

    /// Trains layer group `group` and all after it; negative numbers count from the end.
    pub fn freeze_to(self, group: i32) -> Pipeline<T, Unfrozen, G>
    where
        B: OnImages,
    {
        self.push("freeze_to", vec![positional(group.into())])
    }

    /// Freezes or unfreezes the body's batch norm statistics.
    pub fn bn_freeze(self, switch: impl Fits<kind::Switch>) -> Self {
        self.push("bn_freeze", vec![positional(switch.into())])
    }

    /// Trains for `cycles` epochs, or cycles if `fit::new().cycle_len(..)` is given.
    pub fn fit<R: Rates<B, G>>(self, lrs: R, cycles: impl Cycles, options: schema::fit) -> Self {
        let mut args = vec![positional(lrs.into_value()), positional(cycles.into())];
        args.extend(options.into_args().into_iter().map(|arg| Arg { value: text(arg.value), ..arg }));
        self.push("fit", args)
    }

    /// Trains for `epochs` epochs with one cycle of rate and momentum.
    pub fn fit_one_cycle<R: Rates<B, G>>(self, lrs: R, epochs: impl Cycles, options: schema::fit_one_cycle) -> Self {
        let mut args = vec![positional(lrs.into_value()), positional(epochs.into())];
        args.extend(options.into_args());
        self.push("fit_one_cycle", args)
    }

    /// Sweeps the learning rate and suggests a rate, which is known only when the recipe runs.
    #[must_use = "the pipeline goes on in what `lr_find` gives back, beside the rate"]
    pub fn lr_find(self, options: schema::lr_find) -> (Self, Rate) {
        let rate = Rate::found(self.finders);
        let mut next: Self = self.push("lr_find", options.into_args());
        next.finders = next.finders.saturating_add(1);
        (next, rate)
    }

    /// Says what the recipe calls the rate of the `lr_find` before, for calls that `recipe!` emits.
    #[doc(hidden)]
    pub fn called(mut self, name: &str) -> Self {
        if let Some(Stmt::Step(call)) = self.draft.train.as_mut().and_then(|t| t.body.last_mut()) {
            call.binds = Some(Name::new(name));
        }
        self
    }

    /// A new, untrained head.
    pub fn head(self, options: schema::head) -> Self {
        self.push("head", options.into_args())
    }

    /// Another image size, pixels, and another batch size if `resize::new().batch(..)` is given.
    pub fn resize(self, size: impl Fits<kind::Count>, options: schema::resize) -> Self {
        let mut args = vec![positional(size.into())];
        args.extend(options.into_args());
        self.push("resize", args)
    }

    /// Averages the plain prediction and augmented ones.
    pub fn tta(self, options: schema::tta) -> Self
    where
        B: OnImages,
    {
        self.push("tta", options.into_args())
    }

    /// Saves the model.
    pub fn save(self, name: impl Fits<kind::Text>) -> Self {
        self.push("save", vec![positional(text(name.into()))])
    }

    /// Loads a model that a `save` before it wrote.
    pub fn load(self, name: impl Fits<kind::Text>) -> Self {
        self.push("load", vec![positional(text(name.into()))])
    }

    /// Loads the mean of models that steps before it saved.
    pub fn average(self, names: impl Fits<kind::Texts>) -> Self {
        self.push("average", vec![positional(text(names.into()))])
    }

    /// Sets the level of a lint for the preceding step.
    pub fn lint(mut self, level: LintLevel, name: &str) -> Self {
        if let Some(Stmt::Step(call)) = self.draft.train.as_mut().and_then(|t| t.body.last_mut()) {
            call.lints.push(LintAttr { level, name: Name::new(name) });
        }
        self
    }

    /// The checked recipe.
    ///
    /// # Errors
    /// All findings, if one of them is an error.
    pub fn build(self) -> Result<Recipe, Diagnostics> {
        check(&self.draft).map(|checked| checked.recipe)
    }

    /// Returns the recipe, for calls that `recipe!` emits after checking.
    ///
    /// # Panics
    /// If the checks disagree with those that the macro ran.
    #[doc(hidden)]
    pub fn build_checked(self) -> Recipe {
        match self.build() {
            Ok(recipe) => recipe,
            Err(diagnostics) => {
                panic!("a recipe that `recipe!` accepted does not pass its checks; please report this:\n{diagnostics}")
            }
        }
    }

    /// Like [`build_checked`](Self::build_checked), for a recipe with Rust constants. Relations between constants and other
    /// values are asserted at compile time where possible, and otherwise checked here.
    ///
    /// # Panics
    /// If the constants do not fit the rest of the recipe.
    #[doc(hidden)]
    pub fn build_with_constants(self) -> Recipe {
        let name = self.draft.name.text.clone();
        match self.build() {
            Ok(recipe) => recipe,
            Err(diagnostics) => panic!(
                "recipe `{name}`: the values of its Rust constants do not fit the rest of it; change them, or write the \
                 numbers into the recipe, where the compiler sees them:\n{diagnostics}"
            ),
        }
    }
}

fn positional(value: Value) -> Arg {
    Arg { name: None, value }
}

/// A builder's string is literal: braces do not mark names.
fn text(value: Value) -> Value {
    match value.kind {
        ValueKind::Text(s) => Value::new(ValueKind::Text(s.replace('{', "{{").replace('}', "}}"))),
        ValueKind::List(items) => Value::new(ValueKind::List(items.into_iter().map(text).collect())),
        _ => value,
    }
}
