//! Losses: on the device for a batch in training, on the host for a whole set.

mod absolute_error;
mod asymmetric;
mod binary_cross_entropy;
mod by_cell;
mod cross_entropy;
mod focal;
mod squared_error;

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::{LossSpec, TaskKind};

pub use absolute_error::AbsoluteError;
pub use asymmetric::AsymmetricLoss;
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use by_cell::{ByCell, CellLoss};
pub use cross_entropy::CrossEntropy;
pub use focal::{FocalCells, FocalClasses};
pub use squared_error::{Huber, SquaredError};

use super::mixing::Targets;
use crate::error::SuppliedError;
use crate::metrics::{Probabilities, Truth, mean};

/// A loss function of logits and labels. Each implementation has its own file.
///
/// All methods may panic if `truth` belongs to a task that the criterion does not support.
pub trait Criterion: Debug + Send + Sync {
    /// Mean loss `[1]` of logits `[batch, output]`, in training. `targets` are the rows of `truth` that belong to the batch,
    /// with the shares of mixed images. A run fails if there is not one number.
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1>;

    /// The loss of each image alone, of logits `[image, output]`, in double precision, without smoothing and mixing: as many
    /// numbers as `truth` has images, in their order. A run or a measurement fails if there are more or fewer, or if one is NaN
    /// for finite logits. The differences between images tell how certain their mean is.
    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64>;

    /// Mean loss of all images in `truth`, from the `losses` that [`of_images`](Self::of_images) gives them. The default is their
    /// plain mean; a criterion that weighs images overrides it. A run or a measurement fails if it is NaN for finite losses.
    fn of_set(&self, losses: &[f64], _truth: &Truth) -> f64 {
        mean(losses)
    }

    /// Mean loss of predictions that are probabilities already, such as the mean of several predictions. The default is the
    /// loss of the logits that have these probabilities. NaN is an error as in [`of_set`](Self::of_set).
    fn of_predictions(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let task = truth.task();
        let logits = logits_of(predicted, self.is_of_softmax(task), task);
        self.of_set(&self.of_images(&logits, truth), truth)
    }

    /// Whether predictions for `task` are a softmax of the logits that the criterion takes, rather than a sigmoid of each.
    fn is_of_softmax(&self, task: TaskKind) -> bool {
        task == TaskKind::SingleLabel
    }
}

/// The logits that have these probabilities: their logarithms if `softmax`, else those of their odds. Numbers are their own.
fn logits_of(predicted: &Probabilities, softmax: bool, task: TaskKind) -> Vec<f32> {
    /// The least probability, and the distance of the largest from 1, as in log loss.
    const LEAST: f64 = 1e-15;
    let logit = |&p: &f32| {
        let p = f64::from(p).clamp(LEAST, 1.0 - LEAST);
        (if softmax { p.ln() } else { (p / (1.0 - p)).ln() }) as f32
    };
    match task {
        TaskKind::Regression => predicted.values().to_vec(),
        _ => predicted.values().iter().map(logit).collect(),
    }
}

/// The criterion of a recipe's loss for labels of `task`; `None` if the program supplies it. `weights` contains a weight for each
/// class or tag. In training, each class label has the share `smoothing`, in `[0, 1)`, spread evenly over all classes.
pub fn criterion(
    spec: LossSpec,
    task: TaskKind,
    weights: Option<Vec<f32>>,
    smoothing: f64,
    device: &Device,
) -> Option<Arc<dyn Criterion>> {
    Some(match (spec, task) {
        (LossSpec::CrossEntropy, _) => Arc::new(CrossEntropy { weights, smoothing }),
        (LossSpec::Bce, TaskKind::MultiLabel) => Arc::new(BinaryCrossEntropy::new(weights, device)),
        // Binary cross-entropy is a focal loss without its focus.
        (LossSpec::Bce, _) => Arc::new(ByCell::new(FocalCells { gamma: 0.0, alpha: None }, weights, smoothing, device)),
        (LossSpec::Focal { gamma, .. }, TaskKind::SingleLabel) => Arc::new(FocalClasses { gamma, weights }),
        (LossSpec::Focal { gamma, alpha }, _) => {
            Arc::new(ByCell::new(FocalCells { gamma, alpha }, weights, 0.0, device))
        }
        (LossSpec::Asymmetric { gamma_neg, gamma_pos, clip }, _) => {
            Arc::new(ByCell::new(AsymmetricLoss { gamma_neg, gamma_pos, clip }, weights, 0.0, device))
        }
        (LossSpec::L1, _) => Arc::new(AbsoluteError),
        (LossSpec::Mse, _) => Arc::new(SquaredError),
        (LossSpec::Huber { delta }, _) => Arc::new(Huber { delta }),
        (LossSpec::Given, _) => return None,
    })
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
        let task = truth.task();
        let criterion = criterion(LossSpec::of_task(task), task, weights, 0.0, device);
        Loss { truth, criterion: criterion.expect("every task has a loss of its own") }
    }

    /// Creates a loss from any criterion.
    pub fn of_criterion(truth: Truth, criterion: Arc<dyn Criterion>) -> Self {
        Loss { truth, criterion }
    }

    /// The same criterion for other labels.
    pub fn on(&self, truth: Truth) -> Self {
        Loss { truth, criterion: self.criterion.clone() }
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
    ///
    /// # Errors
    /// Those of [`of_each`](Self::of_each) and [`of_set`](Self::of_set).
    pub fn of_all(&self, logits: &[f32]) -> Result<f64, SuppliedError> {
        self.of_set(&self.of_each(logits)?)
    }

    /// Mean loss over the whole set, from what [`of_each`](Self::of_each) says of it.
    ///
    /// # Errors
    /// A criterion whose mean of finite losses is NaN.
    pub fn of_set(&self, losses: &[f64]) -> Result<f64, SuppliedError> {
        sound("of_set", losses, self.criterion.of_set(losses, &self.truth))
    }

    /// Mean loss over the whole set, from predictions that are probabilities already, or numbers.
    ///
    /// # Errors
    /// Those of [`of_all`](Self::of_all), and NaN in place of the mean.
    pub fn of_predictions(&self, predicted: &Probabilities) -> Result<f64, SuppliedError> {
        let losses = self.of_each_prediction(predicted)?;
        // The default takes the mean by `of_set`, which is then the method to put right.
        self.of_set(&losses)?;
        sound("of_predictions", &losses, self.criterion.of_predictions(predicted, &self.truth))
    }

    /// The loss of each image alone, from logits as for [`of_all`](Self::of_all). With class weights, their mean is not that of
    /// the set, which counts the images differently. The losses of the language take time in proportion to the logits, and no
    /// memory but that of the result.
    ///
    /// # Errors
    /// A criterion that does not give each image one number.
    pub fn of_each(&self, logits: &[f32]) -> Result<Vec<f64>, SuppliedError> {
        let (losses, images) = (self.criterion.of_images(logits, &self.truth), self.truth.len());
        if losses.len() != images {
            return Err(SuppliedError::LossCount { losses: losses.len(), images });
        }
        match losses.iter().position(|loss| loss.is_nan()) {
            // If the logits are not finite, the network is at fault and not the loss: other errors report that.
            Some(image) if logits.iter().all(|logit| logit.is_finite()) => {
                Err(SuppliedError::LossNaN { image, images })
            }
            _ => Ok(losses),
        }
    }

    /// The loss of each image alone as [`of_each`](Self::of_each) has it, from predictions that are probabilities already, or
    /// numbers.
    ///
    /// # Errors
    /// Those of [`of_each`](Self::of_each).
    pub fn of_each_prediction(&self, predicted: &Probabilities) -> Result<Vec<f64>, SuppliedError> {
        let task = self.truth.task();
        self.of_each(&logits_of(predicted, self.criterion.is_of_softmax(task), task))
    }
}

/// The mean that a criterion's `method` makes of `losses`; if they are not finite, it may be NaN, too.
fn sound(method: &'static str, losses: &[f64], mean: f64) -> Result<f64, SuppliedError> {
    if mean.is_nan() && losses.iter().all(|loss| loss.is_finite()) {
        return Err(SuppliedError::MeanLossNaN { method, images: losses.len() });
    }
    Ok(mean)
}

/// The mean of the losses of images that count by the weights of their classes, if there are any; 0 where none counts.
fn mean_by_class(losses: &[f64], truth: &Truth, weights: Option<&[f32]>) -> f64 {
    let Truth::Classes(classes) = truth else { foreign(truth) };
    if weights.is_none() {
        return mean(losses);
    }
    let weight = |class: &u32| weight_of(weights, *class as usize);
    let total: f64 = classes.iter().map(weight).sum();
    let sum: f64 = losses.iter().zip(classes).map(|(loss, class)| weight(class) * loss).sum();
    if total > 0.0 { sum / total } else { 0.0 }
}

/// The weight of a class; 1 without weights.
fn weight_of(weights: Option<&[f32]>, class: usize) -> f64 {
    weights.map_or(1.0, |weights| f64::from(weights[class]))
}

/// How far each number lies above its label.
fn errors(logits: &[f32], truth: &Truth) -> impl Iterator<Item = f64> {
    let Truth::Values(values) = truth else { foreign(truth) };
    logits.iter().zip(values).map(|(x, value)| f64::from(*x) - f64::from(*value))
}

/// The numbers of a batch, `[batch, 1]`; those of mixed images are blended.
fn wanted(truth: &Truth, targets: Targets<'_>, device: &Device) -> Tensor<2> {
    let Truth::Values(values) = truth else { foreign(truth) };
    let count = targets.images().len();
    let blended = |place: usize| targets.shown(place).iter().map(|(i, share)| share * values[*i]).sum();
    let wanted: Vec<f32> = (0..count).map(blended).collect();
    Tensor::from_data(TensorData::new(wanted, [count, 1]), device)
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
    use super::*;
    use crate::metrics::log_loss_of_images;

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
        assert!((numbers.of_all(&LOGITS).unwrap() - 18.5 / 6.0).abs() < 1e-9);
        assert!((device_loss(&numbers, 6) - 18.5 / 6.0).abs() < 1e-6);
        for truth in [classes, tags] {
            for weights in [None, Some(vec![0.5, 1.0, 1.5])] {
                let counts_equally = weights.is_none() || truth.task() == TaskKind::MultiLabel;
                let loss = Loss::new(truth.clone(), weights, &Device::flex());
                let (host, device) = (loss.of_all(&LOGITS).unwrap(), device_loss(&loss, 2));
                assert!((host - device).abs() < 1e-5 * host.abs().max(1.0), "{host} {device} {truth:?}");
                let each = loss.of_each(&LOGITS).unwrap();
                assert_eq!(each.len(), 2);
                if counts_equally {
                    let mean = each.iter().sum::<f64>() / 2.0;
                    assert!((mean - host).abs() < 1e-9 * host.abs().max(1.0), "{each:?} {host} {truth:?}");
                }
            }
        }
    }

    /// The losses of images, each asked for as that of a set of the image.
    fn one_at_a_time(loss: &Loss, logits: &[f32]) -> Vec<f64> {
        let alone = |(image, row): (usize, &[f32])| loss.on(loss.truth.select(&[image])).of_all(row).unwrap();
        rows(logits, &loss.truth).enumerate().map(alone).collect()
    }

    #[test]
    fn the_loss_of_an_image_is_that_of_a_set_of_it() {
        let focal = LossSpec::Focal { gamma: 2.0, alpha: None };
        let asymmetric = LossSpec::Asymmetric { gamma_neg: 4.0, gamma_pos: 1.0, clip: 0.05 };
        let tags = Truth::Tags { cells: vec![true, false, true, false, true, true], tags: 3 };
        let numbers = Truth::Values(vec![1.5, -2.0, 0.5, -30.0, 7.0, 50.0]);
        for (truth, specs) in [
            (Truth::Classes(vec![2, 1]), [LossSpec::CrossEntropy, LossSpec::Bce, focal]),
            (tags, [LossSpec::Bce, asymmetric, focal]),
            (numbers, [LossSpec::L1, LossSpec::Mse, LossSpec::Huber { delta: 0.7 }]),
        ] {
            for spec in specs {
                for weights in [None, Some(vec![0.5, 1.0, 1.5])] {
                    let criterion = criterion(spec, truth.task(), weights, 0.1, &Device::flex()).unwrap();
                    let loss = Loss::of_criterion(truth.clone(), criterion);
                    let (each, alone) = (loss.of_each(&LOGITS).unwrap(), one_at_a_time(&loss, &LOGITS));
                    assert_eq!(each.len(), truth.len());
                    for (each, alone) in each.iter().zip(&alone) {
                        assert!((each - alone).abs() <= 1e-6 * alone.abs().max(1.0), "{spec}: {each} {alone}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_losses_of_images_are_their_log_losses() {
        let logits = [2.0, -1.0, 0.5, -3.0, 0.0, 1.5];
        let tags = Truth::Tags { cells: vec![true, false, true, false, true, true], tags: 3 };
        for truth in [Truth::Classes(vec![2, 0]), tags] {
            let predicted = Probabilities::of_logits(truth.task(), logits.to_vec(), 3);
            let loss = Loss::new(truth.clone(), None, &Device::flex());
            for (loss, log_loss) in loss.of_each(&logits).unwrap().iter().zip(log_loss_of_images(&predicted, &truth)) {
                assert!((loss - log_loss).abs() < 1e-6, "{loss} {log_loss} {truth:?}");
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
            fn of_images(&self, logits: &[f32], _: &Truth) -> Vec<f64> {
                logits.iter().map(|x| f64::from(x * x)).collect()
            }
        }
        let loss = Loss::of_criterion(Truth::Values(vec![0.0; 6]), Arc::new(Squares));
        assert!((device_loss(&loss, 6) - loss.of_all(&LOGITS).unwrap()).abs() < 1e-3);
        assert_eq!(loss.of_each(&LOGITS).unwrap(), [4.0, 1.0, 0.25, 900.0, 0.0, 3600.0]);
    }

    /// Gives each image this many numbers, all of them `loss`, and sets of them these means.
    #[derive(Debug)]
    struct Wrong {
        numbers: usize,
        loss: f64,
        of_set: f64,
        of_predictions: f64,
    }

    impl Criterion for Wrong {
        fn of_batch(&self, logits: Tensor<2>, _: &Truth, _: Targets<'_>) -> Tensor<1> {
            logits.mean()
        }
        fn of_images(&self, _: &[f32], truth: &Truth) -> Vec<f64> {
            vec![self.loss; self.numbers * truth.len()]
        }
        fn of_set(&self, _: &[f64], _: &Truth) -> f64 {
            self.of_set
        }
        fn of_predictions(&self, _: &Probabilities, _: &Truth) -> f64 {
            self.of_predictions
        }
    }

    #[test]
    fn a_loss_without_a_number_for_each_image_is_an_error_wherever_it_is_taken() {
        let predicted = Probabilities::new(vec![0.5; 6], 1);
        let taken = |numbers, loss, logits: &[f32]| {
            let criterion = Arc::new(Wrong { numbers, loss, of_set: loss, of_predictions: loss });
            let loss = Loss::of_criterion(Truth::Values(vec![0.0; 6]), criterion);
            [
                loss.of_each(logits).map(drop),
                loss.of_all(logits).map(drop),
                loss.of_each_prediction(&predicted).map(drop),
                loss.of_predictions(&predicted).map(drop),
            ]
        };
        assert_eq!(taken(1, 0.25, &LOGITS), [(); 4].map(Ok));
        for (numbers, losses) in [(0, 0), (2, 12)] {
            let count = SuppliedError::LossCount { losses, images: 6 };
            assert_eq!(taken(numbers, 0.25, &LOGITS), [(); 4].map(|()| Err(count.clone())));
        }
        let nan = SuppliedError::LossNaN { image: 0, images: 6 };
        assert_eq!(taken(1, f64::NAN, &LOGITS), [(); 4].map(|()| Err(nan.clone())));
        // Of a network that has lost the numbers, others say so.
        assert_eq!(taken(1, f64::NAN, &[f32::NAN; 6])[..2], [Ok(()), Ok(())]);
    }

    #[test]
    fn a_mean_of_finite_losses_is_a_number() {
        let predicted = Probabilities::new(vec![0.5; 6], 1);
        let taken = |loss, of_set, of_predictions| {
            let criterion = Arc::new(Wrong { numbers: 1, loss, of_set, of_predictions });
            let loss = Loss::of_criterion(Truth::Values(vec![0.0; 6]), criterion);
            [loss.of_all(&LOGITS).map(drop), loss.of_predictions(&predicted).map(drop)]
        };
        let nan = |method| Err(SuppliedError::MeanLossNaN { method, images: 6 });
        assert_eq!(taken(0.25, f64::NAN, 0.25), [nan("of_set"), nan("of_set")]);
        assert_eq!(taken(0.25, 0.25, f64::NAN), [Ok(()), nan("of_predictions")]);
        assert_eq!(taken(f64::INFINITY, f64::NAN, f64::NAN), [Ok(()), Ok(())]);
    }
}
