//! What a network says about images.

use std::marker::PhantomData;

use fastai_dsl::{MultiLabel, SingleLabel};

use crate::metrics::{Probabilities, Truth};

/// Probabilities of a list of images, in its order. `T` is the task, where it is known while compiling.
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

impl Predictions {
    /// Puts predictions together: one row of `probabilities` an id, one column a class.
    pub fn new(ids: Vec<String>, classes: Vec<String>, probabilities: Probabilities, targets: Option<Truth>) -> Self {
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }

    /// The same with the task as a type.
    pub(crate) fn of_task<T>(self) -> Predictions<T> {
        let Predictions { ids, classes, probabilities, targets, .. } = self;
        Predictions { ids, classes, probabilities, targets, task: PhantomData }
    }
}

impl<T> Predictions<T> {
    /// Images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Predictions<SingleLabel> {
    /// The most probable class of an image, and its probability.
    pub fn top(&self, image: usize) -> (&str, f32) {
        let class = self.probabilities.top(image);
        (&self.classes[class], self.probabilities.row(image)[class])
    }
}

impl Predictions<MultiLabel> {
    /// The tags of an image: those with a probability above `threshold`.
    pub fn tags(&self, image: usize, threshold: f64) -> Vec<&str> {
        let row = self.probabilities.row(image);
        let said = self.classes.iter().zip(row).filter(|(_, p)| f64::from(**p) > threshold);
        said.map(|(tag, _)| tag.as_str()).collect()
    }
}
