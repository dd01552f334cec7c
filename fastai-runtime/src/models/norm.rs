//! Batch normalisation with PyTorch's running statistics.

use std::collections::HashMap;

use burn::module::{Flag, Module, ModuleMapper, Param, ParamId};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};

use super::init;

/// One pass through a network: evaluation, or training with the resulting running statistics.
///
/// Layers are immutable during a pass. A training pass collects the new running statistics here, and [`Pass::apply`] writes
/// them into the model afterwards, so a model never changes as a side effect.
#[derive(Debug, Default)]
pub struct Pass {
    training: bool,
    /// The share of the batch in the running statistics, instead of the layers' own.
    share: Option<f64>,
    statistics: Vec<(ParamId, Tensor<1>)>,
    /// For each branch that stochastic depth leaves out of some images, by its last unit, the factor of each image.
    depth: HashMap<usize, Vec<f32>>,
}

impl Pass {
    /// An evaluation pass: uses running statistics and updates nothing.
    pub fn eval() -> Self {
        Self::default()
    }
    /// A training pass: uses batch statistics in layers that are not frozen.
    pub fn train() -> Self {
        Self { training: true, ..Self::default() }
    }
    /// A training pass after so many others, whose running statistics are the mean over all of them instead of a moving
    /// average, as in PyTorch's `update_bn`. The first one forgets the statistics before it.
    pub fn estimate(batches: u64) -> Self {
        Self { share: Some(1.0 / (batches as f64 + 1.0)), ..Self::train() }
    }
    /// This pass, with factors of the images for residual branches, by the number of their last units.
    pub fn with_depth(self, depth: HashMap<usize, Vec<f32>>) -> Self {
        Self { depth, ..self }
    }
    /// The factor of each image for the residual branch that ends with this unit, if it is not 1 for all.
    pub(super) fn depth_of(&self, unit: usize) -> Option<&[f32]> {
        self.depth.get(&unit).map(Vec::as_slice)
    }
    /// Whether the pass scales branches.
    pub(super) fn has_depth(&self) -> bool {
        !self.depth.is_empty()
    }
    /// Whether this is a training pass.
    pub fn is_training(&self) -> bool {
        self.training
    }
    /// The pass whose running statistics are the mean over these, which were all of the same network.
    pub(crate) fn mean(passes: Vec<Pass>) -> Self {
        let share = 1.0 / passes.len().max(1) as f64;
        let mut passes = passes.into_iter();
        let Some(mut mean) = passes.next() else { return Self::default() };
        for pass in passes {
            for ((id, sum), (other, value)) in mean.statistics.iter_mut().zip(pass.statistics) {
                debug_assert_eq!(*id, other, "passes of the same network");
                *sum = sum.clone() + value;
            }
        }
        for (_, sum) in &mut mean.statistics {
            *sum = sum.clone() * share;
        }
        mean
    }
    /// Whether weights are trained on this pass, which is no pass for statistics alone.
    pub(super) fn trains(&self) -> bool {
        self.training && self.share.is_none()
    }
    /// Returns the model with the running statistics of this pass.
    pub fn apply<M: Module>(self, module: M) -> M {
        if self.statistics.is_empty() { module } else { module.map(&mut ApplyStatistics(self.statistics)) }
    }
}

struct ApplyStatistics(Vec<(ParamId, Tensor<1>)>);

impl ModuleMapper for ApplyStatistics {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.iter().position(|(id, _)| *id == param.id) {
            Some(found) => {
                let (_, value) = self.0.swap_remove(found);
                let shape = value.dims();
                param.map(|old| {
                    let value = value.reshape::<D, _>(burn::tensor::Shape::from(shape.to_vec()));
                    // A pass without gradients collects values of the device without them.
                    if old.is_autodiff() { value.autodiff() } else { value }
                })
            }
            None => param,
        }
    }
}

/// Normalises each channel of `[batch, channel, ..]`; parameter names are PyTorch's.
///
/// Training uses the batch's mean and biased variance, and the running variance collects the *unbiased* one, as in PyTorch
/// (burn's own layer collects the biased one). A frozen layer always uses its running statistics.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale of each channel.
    pub weight: Param<Tensor<1>>,
    /// Shift of each channel.
    pub bias: Param<Tensor<1>>,
    /// Moving average of the means.
    pub running_mean: Param<Tensor<1>>,
    /// Moving average of the unbiased variances.
    pub running_var: Param<Tensor<1>>,
    /// Whether training passes use the batch and update the running statistics.
    pub learns: Param<Flag>,
    epsilon: f64,
    momentum: f64,
}

impl BatchNorm {
    /// Weight 1, bias 0, mean 0, variance 1. `momentum` is the share of the new batch, as in PyTorch.
    pub fn new(channels: usize, epsilon: f64, momentum: f64, device: &Device) -> Self {
        Self {
            weight: init::constant(1.0, channels, device),
            bias: init::constant(0.0, channels, device),
            running_mean: init::buffer(0.0, channels, device),
            running_var: init::buffer(1.0, channels, device),
            learns: Param::from_bool(true),
            epsilon,
            momentum,
        }
    }

    /// The equivalent factor and shift of each channel with the running statistics, without gradients.
    pub(super) fn affine(&self) -> (Tensor<1>, Tensor<1>) {
        let deviation = (self.running_var.val().detach() + self.epsilon).sqrt();
        let scale = self.weight.val().detach() / deviation;
        let shift = self.bias.val().detach() - self.running_mean.val().detach() * scale.clone();
        (scale, shift)
    }

    /// Normalises `x`. A batch with a single value per channel has no variance and is normalised with the running
    /// statistics (PyTorch rejects it).
    pub fn forward<const D: usize>(&self, x: Tensor<D>, pass: &mut Pass) -> Tensor<D> {
        let Some(values) = self.learned_from(&x.dims(), pass) else {
            let (mean, variance) = (self.running_mean.val().detach(), self.running_var.val().detach());
            return batch_norm(x, self.weight.val(), self.bias.val(), mean, variance, self.epsilon);
        };
        let batch = batch_norm_train(x, self.weight.val(), self.bias.val(), self.epsilon);
        self.collect(batch.mean, batch.variance, values, pass);
        batch.output
    }

    /// Normalises `x` and clamps the result to `bounds`.
    pub(super) fn forward_clamped(&self, x: Tensor<4>, bounds: [f32; 2], pass: &mut Pass) -> Tensor<4> {
        let normed = self.forward(x, pass);
        match bounds {
            [f32::NEG_INFINITY, f32::INFINITY] => normed,
            [low, f32::INFINITY] => normed.clamp_min(low),
            [low, high] => normed.clamp(low, high),
        }
    }

    /// `x` in which no value is more than so many standard deviations away from the running mean of its channel.
    pub(super) fn bounded(&self, x: Tensor<2>, deviations: f64) -> Tensor<2> {
        let mean = self.running_mean.val().detach().unsqueeze::<2>();
        let deviation = (self.running_var.val().detach().unsqueeze::<2>() + self.epsilon).sqrt();
        ((x - mean.clone()) / deviation.clone()).clamp(-deviations, deviations) * deviation + mean
    }

    /// Added to the variance.
    pub(super) fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Values per channel in the batch, if the pass uses and learns from the batch.
    pub(super) fn learned_from(&self, dims: &[usize], pass: &Pass) -> Option<usize> {
        let values = dims.iter().product::<usize>() / dims[1].max(1);
        (pass.training && self.learns.is_enabled() && values >= 2).then_some(values)
    }

    /// Records in `pass` the running statistics after a batch.
    pub(super) fn collect(&self, mean: Tensor<1>, variance: Tensor<1>, values: usize, pass: &mut Pass) {
        let unbiased = values as f64 / (values - 1) as f64;
        let share = pass.share.unwrap_or(self.momentum);
        let blend = |old: Tensor<1>, new: Tensor<1>, scale: f64| {
            let new = new.detach() * (share * scale);
            // What is not finite does not vanish in a product with zero.
            if share < 1.0 { (old.detach() * (1.0 - share) + new).detach() } else { new.detach() }
        };
        pass.statistics.push((self.running_mean.id, blend(self.running_mean.val(), mean, 1.0)));
        pass.statistics.push((self.running_var.id, blend(self.running_var.val(), variance, unbiased)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(t: Tensor<1>) -> Vec<f32> {
        t.into_data().try_to_vec().unwrap()
    }

    fn batch(device: &Device) -> Tensor<2> {
        Tensor::from_floats([[1.0, 0.0], [3.0, 10.0]], device)
    }

    #[test]
    fn training_learns_pytorchs_unbiased_variance() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm::new(2, 1e-5, 0.1, &device);
        let mut pass = Pass::train();
        let y = norm.forward(batch(&device), &mut pass);
        assert_eq!(values(norm.running_mean.val()), [0.0, 0.0], "a pass changes nothing by itself");
        let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
        for (got, want) in y.iter().zip([-1.0f32, -1.0, 1.0, 1.0]) {
            assert!((got - want).abs() < 1e-4, "{y:?}");
        }
        let norm = pass.apply(norm);
        // means 2 and 5, unbiased variances 2 and 50, a tenth of each
        for (got, want) in values(norm.running_mean.val()).iter().zip([0.2f32, 0.5]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        for (got, want) in values(norm.running_var.val()).iter().zip([0.9f32 + 0.2, 0.9 + 5.0]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        assert!(!norm.running_var.val().is_require_grad());
    }

    #[test]
    fn values_far_off_are_bounded_and_others_stay() {
        let device = Device::flex();
        let mut norm = BatchNorm::new(2, 1e-5, 0.1, &device);
        norm.running_mean = init::constant(3.0, 2, &device);
        norm.running_var = Param::from_tensor(Tensor::from_floats([4.0, 0.0], &device));
        let x = Tensor::<2>::from_floats([[100.0, 3.0], [-4.5, 4.0]], &device);
        let bounded: Vec<f32> = norm.bounded(x, 10.0).into_data().try_to_vec().unwrap();
        for (got, want) in bounded.iter().zip([23.0f32, 3.0, -4.5, 3.031_623]) {
            assert!((got - want).abs() < 1e-4, "{bounded:?}");
        }
    }

    #[test]
    fn frozen_layers_evaluation_and_single_rows_use_the_running_statistics() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm::new(2, 1e-5, 0.1, &device);
        let mut frozen = norm.clone();
        frozen.learns = frozen.learns.with_value(false);
        let single = batch(&device).slice([0..1, 0..2]);
        for (norm, x, mut pass) in [
            (&frozen, batch(&device), Pass::train()),
            (&norm, batch(&device), Pass::eval()),
            (&norm, single, Pass::train()),
        ] {
            let want: Vec<f32> = x.clone().into_data().try_to_vec().unwrap();
            let got: Vec<f32> = norm.forward(x, &mut pass).into_data().try_to_vec().unwrap();
            assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-4), "{got:?} {want:?}");
            assert!(pass.statistics.is_empty());
        }
    }
}
