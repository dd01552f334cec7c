//! What was predicted and what is true, in plain memory.

/// Probabilities of a set of images, row-major `[image, class]`, in `[0, 1]`.
///
/// Rows of a single-label task sum to 1 (a softmax); those of a multi-label task need not (sigmoids).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probabilities {
    values: Vec<f32>,
    classes: usize,
}

impl Probabilities {
    /// Wraps `[image, class]` values.
    ///
    /// # Panics
    ///
    /// If `values` is not a whole number of rows.
    pub fn new(values: Vec<f32>, classes: usize) -> Self {
        assert!(classes > 0 && values.len().is_multiple_of(classes), "{} values, {classes} a row", values.len());
        Probabilities { values, classes }
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.classes).unwrap_or(0)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Classes or tags a row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All values, `[image, class]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One image's probabilities.
    pub fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.classes..][..self.classes]
    }

    /// All images in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }

    /// The most probable class of an image; the first of equals.
    pub fn top(&self, image: usize) -> usize {
        let row = self.row(image);
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    }
}

/// What is true of a set of images.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// The class of each image.
    Classes(Vec<u32>),
    /// Whether each image has each tag, row-major `[image, tag]`.
    Tags {
        /// The cells.
        cells: Vec<bool>,
        /// Tags a row.
        tags: usize,
    },
    /// The number of each image.
    Values(Vec<f32>),
}

impl Truth {
    /// Images.
    pub fn len(&self) -> usize {
        match self {
            Truth::Classes(classes) => classes.len(),
            Truth::Tags { cells, tags } => cells.len().checked_div(*tags).unwrap_or(0),
            Truth::Values(values) => values.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tags of an image; empty for a task without tags.
    pub(crate) fn tags_of(&self, image: usize) -> &[bool] {
        match self {
            Truth::Classes(_) | Truth::Values(_) => &[],
            Truth::Tags { cells, tags } => &cells[image * tags..][..*tags],
        }
    }
}
