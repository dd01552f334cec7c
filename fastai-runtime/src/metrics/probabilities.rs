//! What was predicted and what is true, in plain memory.

use fastai_dsl::TaskKind;
use serde::{Deserialize, Serialize};

/// Probabilities of a set of images, row-major `[image, class]`, in `[0, 1]`.
///
/// Rows of a single-label task sum to 1 (a softmax); those of a multi-label task need not (sigmoids).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

    /// Converts the logits of a network, `[image, class]`, to predictions: the softmax of each row for classes, sigmoids for
    /// tags, or the outputs themselves for numbers.
    ///
    /// # Panics
    ///
    /// If `logits` is not a whole number of rows.
    pub fn of_logits(task: TaskKind, mut logits: Vec<f32>, classes: usize) -> Self {
        for row in logits.chunks_exact_mut(classes.max(1)) {
            let total = if task == TaskKind::SingleLabel { log_sum_exp(row) } else { 0.0 };
            for x in row {
                let wide = f64::from(*x);
                *x = match task {
                    TaskKind::SingleLabel => (wide - total).exp() as f32,
                    TaskKind::MultiLabel => (1.0 / (1.0 + (-wide).exp())) as f32,
                    TaskKind::Regression => *x,
                };
            }
        }
        Self::new(logits, classes)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.classes).unwrap_or(0)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All rows of `parts`, in their order; `None` if their classes differ, or there are none.
    pub(crate) fn concat(parts: &[&Probabilities]) -> Option<Self> {
        let classes = parts.first()?.classes;
        let alike = parts.iter().all(|part| part.classes == classes);
        alike.then(|| Probabilities { values: parts.iter().flat_map(|p| &p.values).copied().collect(), classes })
    }

    /// Number of classes or tags in a row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All values, `[image, class]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The probabilities of one image, by its 0-based position.
    ///
    /// # Panics
    ///
    /// If there is no such image.
    pub fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.classes..][..self.classes]
    }

    pub(super) fn row_mut(&mut self, image: usize) -> &mut [f32] {
        &mut self.values[image * self.classes..][..self.classes]
    }

    /// The rows of these images, in this order; an image may occur several times.
    ///
    /// # Panics
    ///
    /// If there is no such image.
    pub fn select(&self, images: &[usize]) -> Self {
        Probabilities {
            values: images.iter().flat_map(|&image| self.row(image)).copied().collect(),
            classes: self.classes,
        }
    }

    /// All images in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }

    /// The most probable class of an image; the first of equals.
    pub fn top(&self, image: usize) -> usize {
        top_of(self.row(image))
    }
}

/// The most probable class; the first of equals.
pub(crate) fn top_of(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// The `k` most probable of `classes`, which have these probabilities, the most probable first; equal ones keep their order.
pub(crate) fn most_probable<C>(classes: impl Iterator<Item = C>, probabilities: &[f32], k: usize) -> Vec<(C, f32)> {
    let mut all: Vec<(C, f32)> = classes.zip(probabilities.iter().copied()).collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    all.truncate(k);
    all
}

/// Logarithm of the sum of the exponentials, without overflow.
pub(crate) fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + row.iter().map(|&x| (f64::from(x) - largest).exp()).sum::<f64>().ln()
}

/// The labels of a set of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Truth {
    /// The class of each image.
    Classes(Vec<u32>),
    /// Whether each image has each tag.
    Tags {
        /// Row-major `[image, tag]`.
        cells: Vec<bool>,
        /// Number of tags in a row.
        tags: usize,
    },
    /// The number of each image.
    Values(Vec<f32>),
}

impl Truth {
    /// The task that has such labels.
    pub fn task(&self) -> TaskKind {
        match self {
            Truth::Classes(_) => TaskKind::SingleLabel,
            Truth::Tags { .. } => TaskKind::MultiLabel,
            Truth::Values(_) => TaskKind::Regression,
        }
    }

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

    /// The labels of all `parts`, in their order; `None` if they are of different tasks or tags, or there are none.
    pub(crate) fn concat(parts: &[&Truth]) -> Option<Self> {
        let mut all = (*parts.first()?).clone();
        for part in &parts[1..] {
            match (&mut all, part) {
                (Truth::Classes(all), Truth::Classes(more)) => all.extend(more),
                (Truth::Tags { cells, tags }, Truth::Tags { cells: more, tags: n }) if tags == n => cells.extend(more),
                (Truth::Values(all), Truth::Values(more)) => all.extend(more),
                _ => return None,
            }
        }
        Some(all)
    }

    /// What is true of these images, in this order; an image may occur several times.
    ///
    /// # Panics
    ///
    /// If there is no such image.
    pub fn select(&self, images: &[usize]) -> Self {
        match self {
            Truth::Classes(classes) => Truth::Classes(images.iter().map(|&image| classes[image]).collect()),
            Truth::Tags { tags, .. } => Truth::Tags {
                cells: images.iter().flat_map(|&image| self.tags_of(image)).copied().collect(),
                tags: *tags,
            },
            Truth::Values(values) => Truth::Values(images.iter().map(|&image| values[image]).collect()),
        }
    }

    /// The tags of an image; empty for a task without tags.
    pub(crate) fn tags_of(&self, image: usize) -> &[bool] {
        match self {
            Truth::Classes(_) | Truth::Values(_) => &[],
            Truth::Tags { cells, tags } => &cells[image * tags..][..*tags],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_what_the_task_predicts() {
        let logits = || vec![2.0, -1.0, 0.5, -30.0, 0.0, 60.0];
        let p = Probabilities::of_logits(TaskKind::SingleLabel, logits(), 3);
        assert!((p.row(0).iter().sum::<f32>() - 1.0).abs() < 1e-6 && p.row(1)[2] > 0.999);
        assert_eq!(Probabilities::of_logits(TaskKind::MultiLabel, logits(), 3).row(1)[1], 0.5);
        assert_eq!(Probabilities::of_logits(TaskKind::Regression, logits(), 1).values(), logits());
    }
}
