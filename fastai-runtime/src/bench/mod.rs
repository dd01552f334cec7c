//! Measures the speed of a network on a device.
//!
//! A [`Workload`] names the work, [`Bench::prepare`] builds the network and its input, [`Bench::time`] does the work once, and
//! [`BenchReport`] compares the times with the device's matrix product. Weights and pixels are random; times do not depend on
//! them.

mod layers;
mod report;
mod sgemm;

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use fastai_dsl::{ArchFacts, Crop, HeadSpec, TaskKind, TransformSet, Transforms};
use image::{Rgb, RgbImage};
use rayon::prelude::*;
use serde::Serialize;

pub use layers::LayerTime;
pub use report::{BenchReport, SgemmSpeed};
pub use sgemm::sgemm_speed;

use crate::device::{self, HalfFloat};
use crate::metrics::{Probabilities, Truth};
use crate::models::{Network, describe, unit_times};
use crate::random::Stream;
use crate::train::{Descent, GroupRates, Inputs, Learner, Loss, Optimizer};
use crate::transforms::Transform;

/// Number of outputs of the head.
const CLASSES: usize = 10;
/// Learning rate: too small to change the weights visibly.
const RATE: f64 = 1e-6;

/// The part of training or prediction that a bench measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BenchMode {
    /// Evaluation, from images through features to logits, with a frozen body whose batch norms are folded.
    Forward,
    /// A training step with every parameter trainable: forward pass, loss, backward pass, SGD.
    Train,
    /// A training step of the head; the frozen body runs as in [`Forward`](Self::Forward).
    Frozen,
    /// Prediction from decoded 8-bit images: normalisation, network, softmax.
    Predict,
}

/// The work that a bench repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Name of the architecture.
    pub arch: &'static str,
    /// Images per batch.
    pub batch: usize,
    /// Side of the square images in pixels.
    pub size: usize,
    /// What is measured.
    pub mode: BenchMode,
    /// The 16-bit floats of the convolutions in training steps; `None` = 32-bit floats.
    pub half: Option<HalfFloat>,
}

impl Workload {
    /// Creates the workload of `batch` square images with a side of `size` pixels.
    pub fn new(facts: &'static ArchFacts, batch: usize, size: usize, mode: BenchMode) -> Self {
        Self { arch: facts.name, batch, size, mode, half: None }
    }

    /// Returns the multiply-adds of one batch, counted from the convolutions of the body's graph.
    ///
    /// A training step counts three times the forward pass (the gradients of weights and of inputs cost one each), except that
    /// the first layer needs no gradient of its input. Norms, activations, pools, the head and the optimizer count nothing.
    /// The count is that of direct convolutions, whatever the algorithm, so Winograd's can exceed the speed of a matrix product.
    ///
    /// # Panics
    /// If the size is below the architecture's minimum.
    pub fn multiply_adds(&self) -> u64 {
        let layers = describe(self.arch, self.size);
        let forward: u64 = layers.iter().map(|layer| layer.multiply_adds).sum();
        let one = match self.mode {
            BenchMode::Train => 3 * forward - layers.first().map_or(0, |layer| layer.multiply_adds),
            BenchMode::Forward | BenchMode::Frozen | BenchMode::Predict => forward,
        };
        one * self.batch as u64
    }
}

/// A network and its input on a device.
pub struct Bench {
    workload: Workload,
    work: Work,
    device: Device,
}

enum Work {
    Evaluate { network: Box<Network>, images: Box<Tensor<4>> },
    Predict { network: Box<Network>, images: Vec<RgbImage>, transform: Transform },
    Train(Box<Training>),
}

struct Training {
    learner: Learner,
    optimizer: Box<dyn Optimizer>,
    loss: Loss,
    rates: GroupRates,
    images: Tensor<4>,
    rows: Vec<usize>,
}

impl Bench {
    /// Builds the network with the default head of recipes and does the work once, which folds norms, maps memory and compiles
    /// the kernels of a GPU.
    ///
    /// # Panics
    /// If the size is below the architecture's minimum.
    pub fn prepare(workload: Workload, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let head = HeadSpec { hidden: vec![512], dropout: vec![0.25, 0.5] };
        let network = Network::new(workload.arch, &head, CLASSES, 42, &device).with_half(workload.half);
        let groups = network.groups();
        let Workload { batch, size, mode, .. } = workload;
        let pixels = |device: &Device| Tensor::random([batch, 3, size, size], Distribution::Normal(0.0, 1.0), device);
        let evaluated = |network: Network| Box::new(network.set_frozen(groups, false).valid());
        let training = |network: Network, first_trainable: usize| {
            let mut learner = Learner::new(network.set_frozen(first_trainable, false), device.clone());
            let classes = (0..batch).map(|image| (image % CLASSES) as u32).collect();
            Work::Train(Box::new(Training {
                optimizer: learner.optimizer(&Descent::default()),
                learner,
                loss: Loss::new(Truth::Classes(classes), None, &device),
                rates: GroupRates { lrs: vec![RATE; groups], wds: Vec::new(), momentum: 0.9 },
                images: pixels(&device),
                rows: (0..batch).collect(),
            }))
        };
        let work = match mode {
            BenchMode::Forward => Work::Evaluate {
                network: evaluated(network),
                images: Box::new(pixels(&device.clone().without_autodiff())),
            },
            BenchMode::Train => training(network, 0),
            BenchMode::Frozen => training(network, groups - 1),
            BenchMode::Predict => {
                let transforms = Transforms { crop: Crop::Center, ..Transforms::new(TransformSet::None, size as u32) };
                let transform = Transform::new(&transforms, network.facts().stats);
                Work::Predict { network: evaluated(network), images: pictures(batch, size), transform }
            }
        };
        let mut bench = Self { workload, work, device: device.without_autodiff() };
        bench.time();
        bench
    }

    /// Does the work once and returns the seconds that it took.
    pub fn time(&mut self) -> f64 {
        let started = Instant::now();
        match &mut self.work {
            Work::Evaluate { network, images } => {
                network.forward((**images).clone()).into_data();
            }
            Work::Predict { network, images, transform } => {
                predict(network, images, transform, self.workload.size, &self.device);
            }
            Work::Train(training) => {
                let mut rng = Stream::new(1, "dropout").at(&[]);
                let Training { learner, optimizer, loss, rates, images, rows } = &mut **training;
                let loss =
                    learner.step(&mut **optimizer, Inputs::Images(images.clone()), &*rows, loss, rates, &mut rng);
                loss.read().expect("a loss of the language is one number");
            }
        }
        self.device.sync().expect("the device computes");
        started.elapsed().as_secs_f64()
    }

    /// Returns the seconds of each layer, the median over `runs` times the whole work, in the order of `fastai summary`.
    ///
    /// The last row, `rest`, is the remainder: pools, changes of layout, the head, the loss, the optimizer, and the backward
    /// pass of a body that does not run as one operation.
    pub fn layers(&mut self, runs: usize) -> Vec<LayerTime> {
        let passes: Vec<_> = (0..runs.max(1)).map(|_| unit_times(|| self.time())).collect();
        let body = match &self.work {
            Work::Evaluate { network, .. } | Work::Predict { network, .. } => &network.body,
            Work::Train(training) => &training.learner.network().body,
        };
        layers::rows(&self.workload, body.graph(), &passes)
    }
}

/// Returns decoded images of `side` x `side` pixels.
fn pictures(count: usize, side: usize) -> Vec<RgbImage> {
    let side = side as u32;
    let pixel = |n: u32, x: u32, y: u32| Rgb([(x * 7 + y + n) as u8, (x + y * 5) as u8, (x * y + n) as u8]);
    (0..count as u32).map(|n| RgbImage::from_fn(side, side, |x, y| pixel(n, x, y))).collect()
}

/// Returns the probabilities of the images.
fn predict(
    network: &Network,
    images: &[RgbImage],
    transform: &Transform,
    size: usize,
    device: &Device,
) -> Probabilities {
    let mut pixels = vec![0.0; images.len() * 3 * size * size];
    let each = images.par_iter().zip(pixels.par_chunks_mut(3 * size * size));
    each.for_each(|(image, out)| transform.valid(image, out));
    let inputs = Tensor::from_data(TensorData::new(pixels, [images.len(), 3, size, size]), device);
    let logits = device::read(network.forward(inputs)).expect("the network computes in f32");
    Probabilities::of_logits(TaskKind::SingleLabel, logits, CLASSES)
}

/// Returns the median, or 0 for no values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastai_dsl::arch;

    fn workload(mode: BenchMode) -> Workload {
        Workload::new(arch::find("resnet18").unwrap(), 2, 32, mode)
    }

    #[test]
    fn a_training_step_takes_three_forward_passes_but_the_gradient_of_the_images() {
        let [forward, train, frozen] =
            [BenchMode::Forward, BenchMode::Train, BenchMode::Frozen].map(|mode| workload(mode).multiply_adds());
        let first = 2 * 7 * 7 * 3 * 64 * 16 * 16;
        assert_eq!(train, 3 * forward - first);
        assert_eq!(frozen, forward);
    }

    #[test]
    fn every_mode_runs_and_its_layers_are_those_of_the_network() {
        for mode in [BenchMode::Forward, BenchMode::Train, BenchMode::Frozen, BenchMode::Predict] {
            let mut bench = Bench::prepare(workload(mode), &Device::flex());
            assert!(bench.time() > 0.0, "{mode:?}");
            let layers = bench.layers(1);
            let named = describe("resnet18", 32).into_iter().filter(|layer| !layer.name.is_empty());
            let names: Vec<String> = named.map(|layer| layer.name).collect();
            let (rest, timed) = layers.split_last().unwrap();
            assert_eq!(timed.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>(), names, "{mode:?}");
            assert!(timed.iter().all(|layer| layer.forward > 0.0), "{mode:?}");
            let back = timed.iter().all(|layer| layer.backward > 0.0);
            assert_eq!(back, mode == BenchMode::Train, "{mode:?}");
            assert!(timed.iter().all(|layer| layer.backward.is_sign_positive()), "-0 in the JSON of {mode:?}");
            assert_eq!(rest.multiply_adds, 0, "{mode:?}");
        }
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let Work::Predict { network, images, transform } =
            Bench::prepare(workload(BenchMode::Predict), &Device::flex()).work
        else {
            panic!("predict prepares a prediction")
        };
        for row in predict(&network, &images, &transform, 32, &Device::flex()).rows() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
