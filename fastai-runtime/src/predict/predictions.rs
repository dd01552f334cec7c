//! What a network says about images.

use crate::metrics::{Probabilities, Truth};

/// Probabilities of a list of images, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Name of each image.
    pub ids: Vec<String>,
    /// Class or tag names, in the order of the columns.
    pub classes: Vec<String>,
    /// `[image, class]`.
    pub probabilities: Probabilities,
    /// What is true of them, where that is known.
    pub targets: Option<Truth>,
}

impl Predictions {
    /// Images.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The most probable class of an image and its probability.
    pub fn top(&self, image: usize) -> (&str, f32) {
        let class = self.probabilities.top(image);
        (&self.classes[class], self.probabilities.row(image)[class])
    }

    /// The tags of an image whose probability is above `threshold`.
    pub fn tags(&self, image: usize, threshold: f64) -> Vec<&str> {
        let row = self.probabilities.row(image);
        let said = self.classes.iter().zip(row).filter(|(_, p)| f64::from(**p) > threshold);
        said.map(|(tag, _)| tag.as_str()).collect()
    }
}
