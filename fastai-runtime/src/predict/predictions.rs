//! A network's predictions for images.

use std::marker::PhantomData;

use fastai_dsl::{MultiLabel, SingleLabel};

use crate::metrics::{self, ClassTable, Confusion, Probabilities, Thresholds, Truth};

/// Probabilities of a list of images, in its order. `T` is the task, if it is known at compile time.
///
/// The task determines the available methods. Single-label predictions have an accuracy:
///
/// ```
/// # mod fastai {
/// #     pub mod predict {
/// #         pub use fastai_runtime::metrics::{Probabilities, Truth};
/// #         pub use fastai_runtime::predict::Predictions;
/// #     }
/// #     pub mod prelude {
/// #         pub use fastai_dsl::SingleLabel;
/// #     }
/// # }
/// # fn main() {
/// use fastai::predict::{Predictions, Probabilities, Truth};
/// use fastai::prelude::SingleLabel;
/// # fn names(list: &[&str]) -> Vec<String> { list.iter().map(|s| s.to_string()).collect() }
/// let said = Probabilities::new(vec![0.9, 0.1, 0.4, 0.6], 2);
/// let truth = Truth::Classes(vec![0, 0]);
/// let p: Predictions<SingleLabel> =
///     Predictions::new(names(&["1", "2"]), names(&["cat", "dog"]), said, Some(truth));
/// assert_eq!((p.argmax(), p.accuracy()), (vec![0, 1], Some(0.5)));
/// # }
/// ```
///
/// Multi-label predictions have neither an accuracy nor a most probable class, and single-label predictions have no F2:
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
/// The values are probabilities for every task: there are no logarithms to undo, and a metric accepts neither a stack of
/// predictions nor their exponentials, as the last slides of the lesson tried.
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
///     accuracy(passes, truth) // `predict::average` combines them first
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
    /// The labels, if known.
    pub targets: Option<Truth>,
    task: PhantomData<T>,
}

impl<T> Predictions<T> {
    /// Creates predictions: one row of `probabilities` per id, one column per class.
    pub fn new(ids: Vec<String>, classes: Vec<String>, probabilities: Probabilities, targets: Option<Truth>) -> Self {
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }

    /// Changes the task type to that of the recipe, which the engine knows to match.
    pub(crate) fn into_task<U>(self) -> Predictions<U> {
        let Predictions { ids, classes, probabilities, targets, .. } = self;
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Mean log loss; `None` without labels.
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

    /// Index of the most probable class of each image, the first of equals.
    pub fn argmax(&self) -> Vec<usize> {
        (0..self.len()).map(|image| self.probabilities.top(image)).collect()
    }

    /// The share of images whose most probable class is the true one; `None` without labels.
    pub fn accuracy(&self) -> Option<f64> {
        self.truth().map(|truth| metrics::accuracy(&self.probabilities, truth))
    }

    /// The confusion matrix; `None` without labels.
    pub fn confusion(&self) -> Option<Confusion> {
        self.truth().map(|truth| metrics::confusion(&self.probabilities, truth, &self.classes))
    }

    /// Precision, recall and F1 of each class; `None` without labels.
    pub fn by_class(&self) -> Option<ClassTable> {
        self.confusion().as_ref().map(metrics::class_table)
    }

    /// Returns at most `n` images of `class` that were predicted correctly, the most probable first.
    pub fn most_correct(&self, class: usize, n: usize) -> Vec<usize> {
        self.truth().map_or_else(Vec::new, |truth| metrics::most_correct(&self.probabilities, truth, class, n))
    }

    /// Returns at most `n` images of `class` that were predicted as another class, the least probable first.
    pub fn most_incorrect(&self, class: usize, n: usize) -> Vec<usize> {
        self.truth().map_or_else(Vec::new, |truth| metrics::most_incorrect(&self.probabilities, truth, class, n))
    }

    /// Returns at most `n` images of `class`, those whose probability of it is nearest to `1 / classes` first.
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
    /// The predicted tags of an image: those with a probability above the threshold, which is one number, or one for each
    /// tag.
    pub fn tags(&self, image: usize, thresholds: impl Into<Thresholds>) -> Vec<&str> {
        let said = thresholds.into().select(&self.classes, self.probabilities.row(image));
        said.into_iter().map(String::as_str).collect()
    }

    /// Mean F2 over the images, with the tags above `thresholds` predicted; `None` without labels.
    pub fn f2(&self, thresholds: impl Into<Thresholds>) -> Option<f64> {
        self.targets.as_ref().map(|truth| metrics::f2(&self.probabilities, truth, thresholds))
    }

    /// Precision, recall and F2 of each tag, with the tags above `thresholds` predicted; `None` without labels.
    pub fn by_tag(&self, thresholds: impl Into<Thresholds>) -> Option<ClassTable> {
        let thresholds = thresholds.into();
        let truth = self.targets.as_ref()?;
        Some(metrics::tag_table(&self.probabilities, truth, &thresholds, &self.classes))
    }

    /// Returns the best threshold of 0.17, 0.18, .. 0.23 and its F2 on these images; `None` without labels. The F2 is optimistic,
    /// because these images selected the threshold.
    pub fn best_threshold(&self) -> Option<(f64, f64)> {
        self.targets.as_ref().map(|truth| metrics::f2_search(&self.probabilities, truth))
    }

    /// Returns a threshold for each tag, which together have the best mean F2 on these images; `None` without labels. The F2 with
    /// them is optimistic on these images.
    pub fn best_thresholds(&self) -> Option<Thresholds> {
        self.targets.as_ref().map(|truth| metrics::f2_search_each(&self.probabilities, truth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_gets_the_threshold_that_tells_it_apart() {
        let names = |list: &[&str]| -> Vec<String> { list.iter().map(|name| name.to_string()).collect() };
        // The first image has all tags, the second the last alone; `a` and `b` are told apart at different thresholds.
        let said = Probabilities::new(vec![0.195, 0.225, 0.9, 0.175, 0.205, 0.9], 3);
        let truth = Truth::Tags { cells: vec![true, true, true, false, false, true], tags: 3 };
        let (ids, tags) = (names(&["1", "2"]), names(&["a", "b", "c"]));
        let p = Predictions::<MultiLabel>::new(ids.clone(), tags.clone(), said.clone(), Some(truth));
        let each = p.best_thresholds().unwrap();
        assert_eq!((p.tags(0, each.clone()), p.tags(1, each.clone())), (vec!["a", "b", "c"], vec!["c"]));
        assert_eq!(p.f2(each.clone()), Some(1.0));
        let is_whole = |row: &metrics::ClassRow| row.f_beta.is_some_and(|score| score.value == 1.0);
        assert!(p.by_tag(each).unwrap().rows.iter().all(is_whole));
        assert!(p.best_threshold().unwrap().1 < 0.95);
        assert_eq!(Predictions::<MultiLabel>::new(ids.clone(), tags, said, None).best_thresholds(), None);
        let said = Probabilities::new(vec![0.9, 0.1, 0.2, 0.8], 2);
        let truth = Truth::Classes(vec![0, 1]);
        let p = Predictions::<SingleLabel>::new(ids, names(&["a", "b"]), said, Some(truth));
        assert!(p.by_class().unwrap().rows.iter().all(is_whole));
    }
}
