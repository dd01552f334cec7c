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
        let value = source.into_value();
        self.section("data", value)
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

    /// The seed of every random draw.
    pub fn seed(self, seed: impl Fits<kind::Count>) -> Self {
        let value = seed.into();
        self.section("seed", value)
    }

    /// The device: a word of [`DeviceWish`](crate::DeviceWish), `words::auto` unless given.
    pub fn device(self, device: impl Fits<kind::Word>) -> Self {
        let value = device.into();
        self.section("device", value)
    }

    /// The numbers that the body trains with: a word of [`Precision`](crate::Precision), `words::f32` unless given.
    pub fn precision(self, precision: impl Fits<kind::Word>) -> Self {
        let value = precision.into();
        self.section("precision", value)
    }

    /// Whether `report.html` is written.
    pub fn report(self, switch: impl Fits<kind::Switch>) -> Self {
        let value = switch.into();
        self.section("report", value)
    }

    /// Weights of the classes in the loss, in class order.
    pub fn class_weights(self, weights: impl Fits<kind::ClassWeights>) -> Self {
        let value = weights.into();
        self.section("class_weights", value)
    }

    /// Share of each label that is spread over all classes while training; for `words::single_label`.
    pub fn label_smoothing(self, share: impl Fits<kind::Number>) -> Self {
        let value = share.into();
        self.section("label_smoothing", value)
    }

    /// Blends each training image and its label with another of its batch; `alpha` of the Beta distribution of shares.
    pub fn mixup(self, alpha: impl Fits<kind::Number>) -> Self {
        let value = alpha.into();
        self.section("mixup", value)
    }

    /// Pastes a part of another training image of the batch, with the same share of its label, into each image; `alpha` of
    /// the Beta distribution of areas.
    pub fn cutmix(self, alpha: impl Fits<kind::Number>) -> Self {
        let value = alpha.into();
        self.section("cutmix", value)
    }

    /// What training lowers: `schema::focal::new()` and its like, or `words::given` for a loss that the program supplies.
    pub fn loss(self, loss: impl Costs<T>) -> Self {
        let value = loss.into_value();
        self.section("loss", value)
    }

    /// The optimizer: `schema::adamw::new()`, `sgd`, `adam`, `rmsprop` or `lamb`.
    pub fn optimizer(self, optimizer: impl Descends) -> Self {
        let value = optimizer.into_value();
        self.section("optimizer", value)
    }

    /// Largest absolute value of each number of a gradient.
    pub fn clip_value(self, bound: impl Fits<kind::Number>) -> Self {
        let value = bound.into();
        self.section("clip_value", value)
    }

    /// Largest global gradient norm.
    pub fn clip(self, norm: impl Fits<kind::Number>) -> Self {
        let value = norm.into();
        self.section("clip", value)
    }

    /// Batches whose mean gradient makes one step.
    pub fn accumulate(self, batches: impl Fits<kind::Count>) -> Self {
        let value = batches.into();
        self.section("accumulate", value)
    }

    /// Decay of the moving average of the weights, which is what is measured and saved.
    pub fn ema(self, decay: impl Fits<kind::Number>) -> Self {
        let value = decay.into();
        self.section("ema", value)
    }

    /// Keeps the best epoch by this metric, or by `words::val_loss`.
    pub fn keep_best(self, metric: impl Measures<T>) -> Self {
        let value = metric.into();
        self.section("keep_best", value)
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
        let keys = keys.weights(word::none);
        let start = self.section("model", keys.into_block(A::NAME));
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
