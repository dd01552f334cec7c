//! What a network says about images.

use std::marker::PhantomData;

use fastai_dsl::{MultiLabel, SingleLabel};

use crate::metrics::{self, Probabilities, Truth};
use crate::report::Confusion;

/// Probabilities of a list of images, in its order. `T` is the task, where it is known while compiling.
///
/// The task decides what can be asked. One label an image has an accuracy:
///
/// ```
/// use fastai_runtime::metrics::{Probabilities, Truth};
/// use fastai_runtime::predict::Predictions;
/// # use fastai_dsl::SingleLabel;
/// # fn names(list: &[&str]) -> Vec<String> { list.iter().map(|s| s.to_string()).collect() }
/// let said = Probabilities::new(vec![0.9, 0.1, 0.4, 0.6], 2);
/// let truth = Truth::Classes(vec![0, 0]);
/// let p: Predictions<SingleLabel> =
///     Predictions::new(names(&["1", "2"]), names(&["cat", "dog"]), said, Some(truth));
/// assert_eq!((p.argmax(), p.accuracy()), (vec![0, 1], Some(0.5)));
/// ```
///
/// Many tags an image have none, and no most probable class either; what one has, the other cannot be asked for:
///
/// ```compile_fail,E0599
/// # use fastai_runtime::predict::Predictions;
/// fn wrong(p: &Predictions<fastai_dsl::MultiLabel>) -> Option<f64> {
///     p.accuracy()
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use fastai_runtime::predict::Predictions;
/// fn wrong(p: &Predictions<fastai_dsl::SingleLabel>) -> Option<f64> {
///     p.f2(0.2)
/// }
/// ```
///
/// Probabilities are probabilities, whatever the task: there are no logarithms to undo, and a metric takes neither a
/// stack of predictions nor their exponentials, as the last slides of the lesson tried.
///
/// ```compile_fail,E0599
/// # use fastai_runtime::predict::Predictions;
/// fn wrong(p: &Predictions<fastai_dsl::MultiLabel>) {
///     p.probabilities.exp();
/// }
/// ```
///
/// ```compile_fail,E0308
/// use fastai_runtime::metrics::{Probabilities, accuracy};
/// fn wrong(passes: &[Probabilities], truth: &[u32]) -> f64 {
///     accuracy(passes, truth) // `predict::average` makes one of them first
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions<T = ()> {
    /// Name of each image.
    pub ids: Vec<String>,
    /// Class or tag names, in the order of the columns.
    pub classes: Vec<String>,
    /// `[image, class]`.
    pub probabilities: Probabilities,
    /// What is true of them, where that is known.
    pub targets: Option<Truth>,
    task: PhantomData<T>,
}

impl<T> Predictions<T> {
    /// Puts predictions together: one row of `probabilities` an id, one column a class.
    pub fn new(ids: Vec<String>, classes: Vec<String>, probabilities: Probabilities, targets: Option<Truth>) -> Self {
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }

    /// The same with another task as its type: that of the recipe, which the engine knows to be theirs.
    pub(crate) fn into_task<U>(self) -> Predictions<U> {
        let Predictions { ids, classes, probabilities, targets, .. } = self;
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Mean log loss; `None` where nobody knows what is true.
    pub fn log_loss(&self) -> Option<f64> {
        self.targets.as_ref().map(|truth| metrics::log_loss(&self.probabilities, truth))
    }
}

impl Predictions<SingleLabel> {
    /// The most probable class of an image, and its probability.
    pub fn top(&self, image: usize) -> (&str, f32) {
        let class = self.probabilities.top(image);
        (&self.classes[class], self.probabilities.row(image)[class])
    }

    /// The number of the most probable class of each image, the first of equals.
    pub fn argmax(&self) -> Vec<usize> {
        (0..self.len()).map(|image| self.probabilities.top(image)).collect()
    }

    /// Share of images whose most probable class is the true one; `None` where nobody knows what is true.
    pub fn accuracy(&self) -> Option<f64> {
        self.truth().map(|truth| metrics::accuracy(&self.probabilities, truth))
    }

    /// How often each class was called each class; `None` where nobody knows what is true.
    pub fn confusion(&self) -> Option<Confusion> {
        self.truth().map(|truth| metrics::confusion(&self.probabilities, truth, &self.classes))
    }

    /// Images that are of `class` and were said to be, surest first: at most `n`.
    pub fn most_correct(&self, class: usize, n: usize) -> Vec<usize> {
        self.truth().map_or_else(Vec::new, |truth| metrics::most_correct(&self.probabilities, truth, class, n))
    }

    /// Images that are of `class` and were said to be another, the least probable first: at most `n`.
    pub fn most_incorrect(&self, class: usize, n: usize) -> Vec<usize> {
        self.truth().map_or_else(Vec::new, |truth| metrics::most_incorrect(&self.probabilities, truth, class, n))
    }

    /// Images that are of `class`, those first whose probability of it is nearest to `1 / classes`: at most `n`.
    pub fn most_uncertain(&self, class: usize, n: usize) -> Vec<usize> {
        self.truth().map_or_else(Vec::new, |truth| metrics::most_uncertain(&self.probabilities, truth, class, n))
    }

    fn truth(&self) -> Option<&[u32]> {
        match &self.targets {
            Some(Truth::Classes(classes)) => Some(classes),
            _ => None,
        }
    }
}

impl Predictions<MultiLabel> {
    /// The tags of an image: those with a probability above `threshold`.
    pub fn tags(&self, image: usize, threshold: f64) -> Vec<&str> {
        let row = self.probabilities.row(image);
        let said = self.classes.iter().zip(row).filter(|(_, p)| f64::from(**p) > threshold);
        said.map(|(tag, _)| tag.as_str()).collect()
    }

    /// Mean F2 over the images, a tag being said above `threshold`; `None` where nobody knows what is true.
    pub fn f2(&self, threshold: f64) -> Option<f64> {
        self.targets.as_ref().map(|truth| metrics::f2(&self.probabilities, truth, threshold))
    }

    /// The threshold of .17, .18, .. .23 with the best F2 on these very images, and that F2: it flatters.
    pub fn best_threshold(&self) -> Option<(f64, f64)> {
        self.targets.as_ref().map(|truth| metrics::f2_search(&self.probabilities, truth))
    }
}
