//! Losses that are a mean over cells: an image and a class or tag.

use std::fmt::Debug;

use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::TaskKind;

use super::{Criterion, foreign, rows};
use crate::metrics::Truth;
use crate::train::Targets;

/// The loss of a cell, from its logit.
pub trait CellLoss: Debug + Send + Sync {
    /// The losses of cells that an image has not and of those that it has, each of the logits' shape.
    fn of_cells(&self, logits: Tensor<2>) -> [Tensor<2>; 2];

    /// The loss of a cell with the logit `x`, which the image has or has not.
    fn of_cell(&self, x: f64, has: bool) -> f64;
}

/// The mean of a [`CellLoss`] over all cells, each times the weight of its class or tag. An image with one label has the cell
/// of its class. A mixed image counts the losses of both of its images in their shares.
#[derive(Clone, Debug)]
pub struct ByCell<L> {
    loss: L,
    weights: CellWeights,
    smoothing: f64,
}

impl<L: CellLoss> ByCell<L> {
    /// `weights` has a weight for each class or tag. In training, a class label has the share `smoothing`, in `[0, 1)`, spread
    /// evenly over all classes.
    pub fn new(loss: L, weights: Option<Vec<f32>>, smoothing: f64, device: &Device) -> Self {
        ByCell { loss, weights: CellWeights::new(weights, device), smoothing }
    }

    /// The share in which each image of the batch has each cell, `[batch, cell]`.
    fn present(&self, truth: &Truth, targets: Targets<'_>, width: usize) -> Vec<f32> {
        let images = 0..targets.images().len();
        match truth {
            Truth::Classes(classes) => {
                let mut cells = vec![(self.smoothing / width as f64) as f32; images.len() * width];
                for (place, row) in images.zip(cells.chunks_exact_mut(width.max(1))) {
                    for (image, share) in targets.shown(place) {
                        row[classes[image] as usize] += (1.0 - self.smoothing) as f32 * share;
                    }
                }
                cells
            }
            Truth::Tags { .. } => images
                .flat_map(|place| {
                    let [(own, share), (other, rest)] = targets.shown(place);
                    let both = truth.tags_of(own).iter().zip(truth.tags_of(other));
                    both.map(move |(a, b)| share * f32::from(u8::from(*a)) + rest * f32::from(u8::from(*b)))
                })
                .collect(),
            Truth::Values(_) => foreign(truth),
        }
    }
}

impl<L: CellLoss> Criterion for ByCell<L> {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let (shape, device) = (logits.dims(), logits.device());
        let present = self.present(truth, targets, shape[1]);
        let present = Tensor::<2>::from_data(TensorData::new(present, shape), &device);
        let [without, with] = self.loss.of_cells(logits);
        self.weights.mean(with * present.clone() + without * present.neg().add_scalar(1.0))
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let has = |image: usize, cell: usize| match truth {
            Truth::Classes(classes) => classes[image] as usize == cell,
            Truth::Tags { .. } => truth.tags_of(image)[cell],
            Truth::Values(_) => foreign(truth),
        };
        let of_image = |(image, row): (usize, &[f32])| {
            let of_cell =
                |(cell, &x): (usize, &f32)| self.weights.of(cell) * self.loss.of_cell(f64::from(x), has(image, cell));
            row.iter().enumerate().map(of_cell).sum::<f64>() / row.len().max(1) as f64
        };
        rows(logits, truth).enumerate().map(of_image).collect()
    }

    fn is_of_softmax(&self, _: TaskKind) -> bool {
        false
    }
}

/// The weights of classes or tags, if there are any, on the host and, as `[1, cell]`, on the device.
#[derive(Clone, Debug)]
pub(super) struct CellWeights(Option<(Vec<f32>, Tensor<2>)>);

impl CellWeights {
    pub(super) fn new(weights: Option<Vec<f32>>, device: &Device) -> Self {
        CellWeights(weights.map(|weights| {
            let row = Tensor::from_data(TensorData::new(weights.clone(), [1, weights.len()]), device);
            (weights, row)
        }))
    }

    /// The weight of a cell.
    pub(super) fn of(&self, cell: usize) -> f64 {
        self.0.as_ref().map_or(1.0, |(weights, _)| f64::from(weights[cell]))
    }

    /// The mean of losses `[image, cell]`, each times the weight of its cell.
    pub(super) fn mean(&self, losses: Tensor<2>) -> Tensor<1> {
        match &self.0 {
            None => losses.mean(),
            Some((_, row)) => (losses * row.clone()).mean(),
        }
    }
}

/// `ln s(x)` of the sigmoid `s`.
pub(super) fn log_sigmoid_of(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
