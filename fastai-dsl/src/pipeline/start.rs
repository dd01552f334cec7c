//! The sections of a recipe under construction, up to its network.

use std::marker::PhantomData;

use super::{Frozen, Pipeline, Unfrozen};
use crate::arch::Arch;
use crate::draft::{Draft, Entry, LintAttr, LintLevel, Name, Value, ValueKind};
use crate::fits::{Fits, kind};
use crate::recipe::{Costs, Descends, Measures, Task};
use crate::schema::{self, IntoConstruct};
use crate::word::{self, Word};

/// A recipe whose network is not chosen yet.
#[must_use = "a pipeline does nothing until `build`"]
#[derive(Clone, Debug)]
pub struct Start<T> {
    draft: Draft,
    task: PhantomData<T>,
}

/// Declares a method for each section that is one value.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $section:ident: $kind:ident;)+) => { $(
        $(#[doc = $doc])+
        pub fn $section(self, value: impl Fits<kind::$kind>) -> Self {
            self.section(stringify!($section), value.into())
        }
    )+ };
}

impl<T: Task> Start<T> {
    /// Starts a recipe with this name and task (`words::single_label`, `words::multi_label`, `words::regression`).
    pub fn new(name: &str, _task: T) -> Self {
        let task = entry("task", Value::new(ValueKind::Word(T::KIND.word().to_string())));
        Start {
            draft: Draft { name: Name::new(name), doc: None, lints: Vec::new(), sections: vec![task], train: None },
            task: PhantomData,
        }
    }

    /// The doc comment.
    pub fn doc(mut self, text: &str) -> Self {
        self.draft.doc = Some(text.to_string());
        self
    }

    /// Sets the level of a lint for the whole recipe.
    pub fn lint(mut self, level: LintLevel, name: &str) -> Self {
        self.draft.lints.push(LintAttr { level, name: Name::new(name) });
        self
    }

    /// Where images and labels come from.
    pub fn data(self, source: impl DataSource) -> Self {
        self.section("data", source.into_value())
    }

    /// Image size and augmentation: `words::basic`, `words::side_on`, `words::top_down` or `words::none`.
    pub fn transforms(self, set: Word, keys: schema::transforms) -> Self {
        self.section("transforms", keys.into_block(set.0))
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: impl Measures<T>) -> Self {
        let value = metric.into();
        match self.draft.sections.iter_mut().find(|e| e.key.text == "metrics") {
            Some(Entry { value: Value { kind: ValueKind::List(items), .. }, .. }) => items.push(value),
            _ => self.draft.sections.push(entry("metrics", Value::new(ValueKind::List(vec![value])))),
        }
        self
    }

    /// No metrics but the losses.
    pub fn no_metrics(self) -> Self {
        self.section("metrics", Value::new(ValueKind::List(Vec::new())))
    }

    options! {
        /// The seed of every random draw.
        seed: Count;
        /// The device: a word of [`DeviceWish`](crate::DeviceWish), `words::auto` unless given.
        device: Word;
        /// The numbers that the body trains with: a word of [`Precision`](crate::Precision), `words::f32` unless given.
        precision: Word;
        /// Whether `report.html` is written.
        report: Switch;
        /// Share of each label that is spread over all classes while training; for `words::single_label`.
        label_smoothing: Number;
        /// Blends each training image and its label with another of its batch; `alpha` of the Beta distribution of shares.
        mixup: Number;
        /// Pastes a part of another training image of the batch, with the same share of its label, into each image; `alpha`
        /// of the Beta distribution of areas.
        cutmix: Number;
        /// Largest absolute value of each number of a gradient.
        clip_value: Number;
        /// Largest global gradient norm.
        clip: Number;
        /// Batches whose mean gradient makes one step.
        accumulate: Count;
        /// Decay of the moving average of the weights, which is what is measured and saved.
        ema: Number;
    }

    /// Weights of the classes in the loss, in class order.
    pub fn class_weights(self, weights: impl Fits<kind::ClassWeights>) -> Self {
        self.section("class_weights", weights.into())
    }

    /// What training lowers: `schema::focal::new()` and its like, or `words::given` for a loss that the program supplies.
    pub fn loss(self, loss: impl Costs<T>) -> Self {
        self.section("loss", loss.into_value())
    }

    /// The optimizer: `schema::adamw::new()`, `sgd`, `adam`, `rmsprop` or `lamb`.
    pub fn optimizer(self, optimizer: impl Descends) -> Self {
        self.section("optimizer", optimizer.into_value())
    }

    /// Keeps the best epoch by this metric, or by `words::val_loss`.
    pub fn keep_best(self, metric: impl Measures<T>) -> Self {
        self.section("keep_best", metric.into())
    }

    /// The network. Its body starts frozen; with random weights use [`Start::model_from_scratch`].
    pub fn model<A: Arch<G>, const G: usize>(self, _arch: A, keys: schema::model) -> Pipeline<T, Frozen, G> {
        let start = self.section("model", keys.into_block(A::NAME));
        Pipeline { draft: start.draft, finders: 0, state: PhantomData }
    }

    /// The network with random weights. Its body starts unfrozen.
    pub fn model_from_scratch<A: Arch<G>, const G: usize>(
        self,
        _arch: A,
        keys: schema::model,
    ) -> Pipeline<T, Unfrozen, G> {
        let start = self.section("model", keys.weights(word::none).into_block(A::NAME));
        Pipeline { draft: start.draft, finders: 0, state: PhantomData }
    }

    fn section(mut self, key: &str, value: Value) -> Self {
        self.draft.sections.push(entry(key, value));
        self
    }
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: Name::new(key), lints: Vec::new(), value }
}

/// `folders`, `csv` or `given`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no data source",
    note = "`folders::new()..`, `csv::new()..` or `given::new()`"
)]
pub trait DataSource {
    /// Converts to a value of the draft.
    fn into_value(self) -> Value;
}
impl DataSource for schema::folders {
    fn into_value(self) -> Value {
        self.into_block("folders")
    }
}
impl DataSource for schema::csv {
    fn into_value(self) -> Value {
        self.into_block("csv")
    }
}
impl DataSource for schema::given {
    fn into_value(self) -> Value {
        self.into_block("given")
    }
}
