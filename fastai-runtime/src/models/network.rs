//! Body, concat pool and head in one.

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use fastai_dsl::{ArchFacts, HeadSpec};
use rand_chacha::ChaCha8Rng;

use super::body::Body;
use super::cpu;
use super::facts;
use super::head::Head;
use super::norm::Pass;
use super::parameter::{self, ParameterInfo, Path};
use super::pool::concat_pool;
use crate::device::HalfFloat;

/// An image classifier.
///
/// Clones are independent: training one never changes another, so a clone serves as a snapshot.
#[derive(Module, Debug)]
pub struct Network {
    /// The convolutions.
    pub body: Body,
    /// The classifier.
    pub head: Head,
    arch: String,
}

impl Network {
    /// Creates a network with random weights, all of them trainable. [`load_body`](super::load_body) loads published
    /// weights.
    ///
    /// # Panics
    /// If `arch` is not one of [`fastai_dsl::arch::ARCHS`]; that of a checked recipe always is.
    pub fn new(arch: &str, head: &HeadSpec, classes: usize, seed: u64, device: &Device) -> Self {
        Self::cut(arch, 0, head, classes, seed, device)
    }

    /// Creates a network with random weights, without the last `cut` modules of the body.
    ///
    /// # Panics
    /// Those of [`new`](Self::new), and if the architecture has fewer modules; that of a checked recipe has enough.
    pub fn cut(arch: &str, cut: u32, head: &HeadSpec, classes: usize, seed: u64, device: &Device) -> Self {
        let input = facts(arch).head_input_without(cut) as usize;
        Self {
            body: Body::cut(arch, cut, seed, device),
            head: Head::new(head, input, classes, seed, 0, device),
            arch: arch.to_owned(),
        }
    }

    /// Name of the architecture.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// The language's facts about the architecture.
    pub fn facts(&self) -> &'static ArchFacts {
        facts(&self.arch)
    }

    /// Width of the head's input: features per image.
    pub fn head_input(&self) -> usize {
        self.head.widths().first().map_or(0, |[input, _]| *input)
    }

    /// Width of the head's output.
    pub fn classes(&self) -> usize {
        self.head.widths().last().map_or(0, |[_, classes]| *classes)
    }

    /// Replaces the head by a new, untrained one. `number` counts the heads of a run from 0.
    pub fn new_head(self, head: &HeadSpec, classes: usize, seed: u64, number: u64, device: &Device) -> Self {
        let input = self.head_input();
        Self { head: Head::new(head, input, classes, seed, number, device), ..self }
    }

    /// Concat-pooled features `[batch, head_input]` of normalised images `[batch, 3, height, width]`, in evaluation.
    pub fn features(&self, x: Tensor<4>) -> Tensor<2> {
        self.body.features(x)
    }

    /// Leaves out residual branches in training at up to this rate (stochastic depth), in layer groups that train.
    pub fn with_stochastic_depth(mut self, rate: f64) -> Self {
        self.body.set_depth_rate(rate);
        self
    }

    /// Convolves in numbers of this type in training passes of the body, instead of 32-bit floats. Weights, their gradients,
    /// norms, the head and evaluation stay in 32 bits.
    pub fn with_half(self, half: Option<HalfFloat>) -> Self {
        Self { body: self.body.with_half(half), ..self }
    }

    /// The numbers of the convolutions in training passes; `None` = 32-bit floats.
    pub fn half(&self) -> Option<HalfFloat> {
        self.body.half()
    }

    /// Features `[batch, head_input]` of images in a pass. In one of training, batch norms of groups that are not frozen use the
    /// batch and update their statistics.
    pub fn features_in(&mut self, x: Tensor<4>, mut pass: Pass) -> Tensor<2> {
        let features = self.pooled(x, &mut pass);
        self.body = pass.apply(self.body.clone());
        features
    }

    /// The network on the device without gradients. A training pass of its body is one of this body: batch norms use the batch
    /// where these do.
    pub(crate) fn without_gradients(&self) -> Self {
        Self { body: self.body.without_gradients(), ..self.valid() }
    }

    /// Features of images in a pass, which collects running statistics.
    pub(crate) fn pooled(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<2> {
        concat_pool(self.body.forward(x, pass))
    }

    /// Logits `[batch, classes]` of features `[batch, head_input]`, in evaluation.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.head.forward(features)
    }

    /// Columns `[batch, 2 · classes]`: the [`logits`](Self::logits), and what they would be if no feature were more than ten standard
    /// deviations away from the running mean of the head's first batch norm. Hardly a feature is, so the two differ where that
    /// norm magnifies the others.
    pub(crate) fn logits_and_bounded(&self, features: Tensor<2>) -> Tensor<2> {
        /// Sparse features lie this far off in a few images of a network that works.
        const DEVIATIONS: f64 = 10.0;
        let bounded = self.head.layers.first().map(|first| first.norm.bounded(features.clone(), DEVIATIONS));
        let bounded = self.logits(bounded.unwrap_or_else(|| features.clone()));
        Tensor::cat(vec![self.logits(features), bounded], 1)
    }

    /// Logits `[batch, classes]` of features in training: uses batch statistics, and dropout drawn from `rng`.
    pub fn logits_train(&mut self, features: Tensor<2>, rng: &mut ChaCha8Rng) -> Tensor<2> {
        self.logits_in(features, rng, Pass::train())
    }

    fn logits_in(&mut self, features: Tensor<2>, rng: &mut ChaCha8Rng, mut pass: Pass) -> Tensor<2> {
        let logits = self.head.forward_in(features, Some(rng), &mut pass);
        self.head = pass.apply(self.head.clone());
        logits
    }

    /// Takes a batch of images into the running statistics of the batch norms that learn, after `batches` other batches: the
    /// statistics become the mean over all these batches. What they were before the first batch does not matter. Dropout is
    /// drawn from `rng`, as in training.
    pub fn estimate_from_images(&mut self, x: Tensor<4>, rng: &mut ChaCha8Rng, batches: u64) {
        let depth = self.body.draw_depth(x.dims()[0], rng);
        let features = self.features_in(x, Pass::estimate(batches).with_depth(depth));
        self.estimate_from_features(features, rng, batches);
    }

    /// Like [`estimate_from_images`](Self::estimate_from_images) of the head's batch norms, for features `[batch, head_input]`.
    pub fn estimate_from_features(&mut self, features: Tensor<2>, rng: &mut ChaCha8Rng, batches: u64) {
        self.logits_in(features, rng, Pass::estimate(batches));
    }

    /// Logits `[batch, classes]` of normalised images `[batch, 3, height, width]`, in evaluation.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.forward_by(x, Self::logits)
    }

    /// The same with another function of the features.
    pub(crate) fn forward_by(&self, x: Tensor<4>, head: fn(&Self, Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        cpu::together(x, |x| head(self, self.features(x)))
    }

    /// Logits `[batch, classes]` of normalised images in training; stochastic depth and dropout are drawn from `rng`.
    pub fn forward_train(&mut self, x: Tensor<4>, rng: &mut ChaCha8Rng) -> Tensor<2> {
        let depth = self.body.draw_depth(x.dims()[0], rng);
        let features = self.features_in(x, Pass::train().with_depth(depth));
        self.logits_train(features, rng)
    }

    /// Layer groups, the head included.
    pub fn groups(&self) -> usize {
        self.facts().groups()
    }

    /// Layer group, counted from the input, of the parameter of that [name](ParameterInfo::name).
    pub fn group_of(&self, name: &str) -> usize {
        match name.strip_prefix("body.") {
            Some(inner) => self.body.graph().group_of(inner).unwrap_or_default(),
            None => self.groups() - 1,
        }
    }

    /// Every parameter and running statistic, in module order.
    pub fn parameters(&self) -> Vec<ParameterInfo> {
        let mut found = Vec::new();
        parameter::visit(self, |path, seen| {
            let name = path.to_owned();
            found.push(ParameterInfo {
                group: self.group_of(&name),
                buffer: parameter::is_buffer(&name),
                trainable: (seen.requires_grad)(),
                id: seen.id,
                shape: seen.shape,
                name,
            });
        });
        found
    }

    /// Name and sides of every parameter and running statistic, in module order. Does not draw random weights.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        parameter::shapes(self)
    }

    /// The name of the first parameter or running statistic with values that are not finite.
    pub(crate) fn not_finite(&self) -> Option<String> {
        let mut found = None;
        parameter::visit(self, |name, seen| {
            if found.is_none() && (seen.read)().iter().any(|value| !value.is_finite()) {
                found = Some(name.to_owned());
            }
        });
        found
    }

    /// Replaces parameters and running statistics by `values(name)`, in row-major order and of the same shape; `None` keeps one.
    ///
    /// # Errors
    /// The first error of `values`.
    pub(super) fn filled<E>(self, mut values: impl FnMut(&str) -> Option<Result<Vec<f32>, E>>) -> Result<Self, E> {
        let mut network = parameter::map_values(self, |name, _| values(name))?;
        network.body.forget_folds();
        Ok(network)
    }

    /// Trains the groups from `first_trainable` on and freezes the earlier ones: they have no gradients, and their batch
    /// norms use and keep the running statistics. `bn_frozen` keeps the statistics of the whole body, while the weights of
    /// its batch norms still train where the group does. The head's batch norms always learn.
    pub fn set_frozen(self, first_trainable: usize, bn_frozen: bool) -> Self {
        let names = self.clone();
        let mut network = self.map(&mut Freeze { network: &names, first_trainable, bn_frozen, path: Path::default() });
        network.body.set_depth_groups(first_trainable);
        network
    }
}

struct Freeze<'a> {
    network: &'a Network,
    first_trainable: usize,
    bn_frozen: bool,
    path: Path,
}

impl ModuleMapper for Freeze<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.joined();
        let trainable = !parameter::is_buffer(&name) && self.network.group_of(&name) >= self.first_trainable;
        param.set_require_grad(trainable)
    }
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let name = self.path.joined();
        let in_body = name.starts_with("body.");
        let learns = !in_body || (!self.bn_frozen && self.network.group_of(&name) >= self.first_trainable);
        flag.with_value(learns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_far_off_counts_in_the_logits_and_is_bounded_beside_them() {
        let device = Device::flex();
        let head = HeadSpec { hidden: vec![8], dropout: vec![0.25, 0.5] };
        let network = Network::new("squeezenet1_1", &head, 3, 7, &device).valid();
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        // A new head has a running mean of 0 and a running variance of 1.
        let features = |value: f32| Tensor::<2>::full([2, network.head_input()], value, &device);
        let both = values(network.logits_and_bounded(features(1e6)));
        let [far, ten] = [1e6, 10.0].map(|value| values(network.logits(features(value))));
        for (row, (far, ten)) in both.chunks_exact(6).zip(far.chunks_exact(3).zip(ten.chunks_exact(3))) {
            assert_eq!(&row[..3], far);
            assert!(row[3..].iter().zip(ten).all(|(a, b)| (a - b).abs() <= 1e-3 * (1.0 + b.abs())), "{row:?} {ten:?}");
        }
        assert!(far.iter().zip(&ten).any(|(a, b)| a.abs() > 1e3 * b.abs()), "{far:?} {ten:?}");
    }
}
