//! Losses: on the device for a batch in training, on the host for a whole set.

mod absolute_error;
mod binary_cross_entropy;
mod cross_entropy;

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

pub use absolute_error::AbsoluteError;
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::CrossEntropy;

use super::mixing::Targets;
use crate::metrics::Truth;

/// A loss function of logits and labels. Each implementation has its own file.
pub trait Criterion: Debug {
    /// Mean loss `[1]` of logits `[batch, output]`; `targets` are rows of `truth`, with the mix of their images.
    ///
    /// # Panics
    /// If `truth` belongs to another task; `of_set` panics too.
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1>;

    /// Mean loss of logits `[image, output]` of all images in `truth`, in double precision, without smoothing and mixing.
    fn of_set(&self, logits: &[f32], truth: &Truth) -> f64;
}

/// A [`Criterion`] with the labels of a set of images.
#[derive(Clone, Debug)]
pub struct Loss {
    truth: Truth,
    criterion: Arc<dyn Criterion>,
}

impl Loss {
    /// Creates the loss of a task: cross-entropy for classes, binary cross-entropy for tags, mean absolute error for
    /// numbers. `weights` contains a weight for each class or tag.
    pub fn new(truth: Truth, weights: Option<Vec<f32>>, device: &Device) -> Self {
        Self::smoothed(truth, weights, 0.0, device)
    }

    /// Like [`new`](Self::new), with the share `smoothing` of each class label, in `[0, 1)`, spread evenly over all classes
    /// in training.
    pub fn smoothed(truth: Truth, weights: Option<Vec<f32>>, smoothing: f64, device: &Device) -> Self {
        let criterion: Arc<dyn Criterion> = match truth {
            Truth::Classes(_) => Arc::new(CrossEntropy { weights, smoothing }),
            Truth::Tags { .. } => Arc::new(BinaryCrossEntropy::new(weights, device)),
            Truth::Values(_) => Arc::new(AbsoluteError),
        };
        Loss { truth, criterion }
    }

    /// Creates a loss from any criterion.
    pub fn of_criterion(truth: Truth, criterion: Arc<dyn Criterion>) -> Self {
        Loss { truth, criterion }
    }

    /// The labels of the images; a row identifies an image.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Mean loss `[1]` of logits `[batch, output]` for these images. The labels of mixed images are mixed with the images'
    /// shares.
    pub fn of<'a>(&self, logits: Tensor<2>, targets: impl Into<Targets<'a>>) -> Tensor<1> {
        self.criterion.of_batch(logits, &self.truth, targets.into())
    }

    /// Mean loss over the whole set, from logits `[image, output]` on the host, in double precision, without smoothing and
    /// mixing.
    pub fn of_all(&self, logits: &[f32]) -> f64 {
        self.criterion.of_set(logits, &self.truth)
    }
}

/// The logits of each image.
fn rows<'a>(logits: &'a [f32], truth: &Truth) -> std::slice::ChunksExact<'a, f32> {
    logits.chunks_exact((logits.len() / truth.len().max(1)).max(1))
}

/// Panics about labels of another task.
fn foreign(truth: &Truth) -> ! {
    unreachable!("labels of the task {}", truth.task().word())
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    const LOGITS: [f32; 6] = [2.0, -1.0, 0.5, -30.0, 0.0, 60.0];

    fn device_loss(loss: &Loss, rows: usize) -> f64 {
        let data = TensorData::new(LOGITS.to_vec(), [rows, LOGITS.len() / rows]);
        let tensor = Tensor::<2>::from_data(data, &Device::flex());
        f64::from(loss.of(tensor, &(0..rows).collect::<Vec<_>>()).into_scalar::<f32>())
    }

    #[test]
    fn host_and_device_agree() {
        let classes = Truth::Classes(vec![2, 1]);
        let cells = vec![true, false, true, false, true, true];
        let tags = Truth::Tags { cells, tags: 3 };
        let numbers = Loss::new(Truth::Values(vec![1.5, -2.0, 0.5, -30.0, 7.0, 50.0]), None, &Device::flex());
        assert!((numbers.of_all(&LOGITS) - 18.5 / 6.0).abs() < 1e-9);
        assert!((device_loss(&numbers, 6) - 18.5 / 6.0).abs() < 1e-6);
        for truth in [classes, tags] {
            for weights in [None, Some(vec![0.5, 1.0, 1.5])] {
                let loss = Loss::new(truth.clone(), weights, &Device::flex());
                let (host, device) = (loss.of_all(&LOGITS), device_loss(&loss, 2));
                assert!((host - device).abs() < 1e-5 * host.abs().max(1.0), "{host} {device} {truth:?}");
            }
        }
    }

    #[test]
    fn a_loss_of_ones_own_takes_the_same_place() {
        #[derive(Debug)]
        struct Squares;
        impl Criterion for Squares {
            fn of_batch(&self, logits: Tensor<2>, _: &Truth, _: Targets<'_>) -> Tensor<1> {
                logits.square().mean()
            }
            fn of_set(&self, logits: &[f32], _: &Truth) -> f64 {
                logits.iter().map(|x| f64::from(x * x)).sum::<f64>() / logits.len() as f64
            }
        }
        let loss = Loss::of_criterion(Truth::Values(vec![0.0; 6]), Arc::new(Squares));
        assert!((device_loss(&loss, 6) - loss.of_all(&LOGITS)).abs() < 1e-3);
    }
}
