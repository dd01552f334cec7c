//! The convolutions of a network: the units of a [`Graph`] with their weights.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, FloatDType, Tensor};
use fastai_dsl::arch::graph::{Graph, Node};
use fastai_dsl::arch::unit::PoolArgs;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::conv_norm::{ConvNorm, Folded, activate};
use super::cpu;
use super::norm::Pass;
use super::pool::concat_pool;
use super::unit_times::{PassDirection, timed};
use crate::device::HalfFloat;

/// The convolutions of a network, up to but excluding the pooling.
///
/// Its parameters are visited under their published names, such as `layer1.0.conv1.weight`.
///
/// A frozen unit runs with its batch norm folded into the convolution. The fold is computed when the unit first runs and
/// kept as long as the unit is frozen.
#[derive(Clone, Debug)]
pub struct Body {
    units: Vec<ConvNorm>,
    /// Of each unit, for burn's operations.
    folds: Vec<UnitFolds>,
    /// Of each unit, for the CPU's kernels.
    ready: Vec<cpu::ReadyUnit>,
    graph: Arc<Graph>,
    training: BodyTraining,
}

/// What a training pass does otherwise than evaluation, besides batch norms.
#[derive(Clone, Copy, Debug, Default)]
struct BodyTraining {
    /// The largest rate at which residual branches are left out; 0 leaves out nothing.
    depth_rate: f64,
    /// The first layer group that trains.
    first_group: usize,
    /// The numbers of the convolutions, instead of 32-bit floats.
    half: Option<HalfFloat>,
}

/// The folds of a frozen unit, made when it first runs.
#[derive(Clone, Debug, Default)]
struct UnitFolds {
    full: OnceLock<Folded>,
    /// In 16-bit floats, for training passes with them.
    half: OnceLock<Folded>,
}

impl UnitFolds {
    /// The folds that are made, on the device without gradients.
    fn inner(&self) -> Self {
        let inner = |fold: &OnceLock<Folded>| match fold.get() {
            Some(fold) => OnceLock::from(fold.clone().inner()),
            None => OnceLock::new(),
        };
        Self { full: inner(&self.full), half: inner(&self.half) }
    }
}

impl Body {
    /// A body with random weights.
    ///
    /// # Panics
    /// If `arch` is unknown; that of a checked recipe never is.
    pub fn new(arch: &str, seed: u64, device: &Device) -> Self {
        Self::cut(arch, 0, seed, device)
    }

    /// Creates a body with random weights, without its last `cut` modules as [`Graph::without_last`] counts them.
    ///
    /// # Panics
    /// Those of [`new`](Self::new), and if there are fewer modules.
    pub fn cut(arch: &str, cut: u32, seed: u64, device: &Device) -> Self {
        Self::of(super::facts(arch).blueprint().body.without_last(cut as usize), seed, device)
    }

    /// A graph with random weights.
    pub(super) fn of(graph: Graph, seed: u64, device: &Device) -> Self {
        let units = graph.units.iter().enumerate();
        let units = units.map(|(i, u)| ConvNorm::new(u.spec, u.conv.is_some(), seed, i as u64, device)).collect();
        Self::with(units, Arc::new(graph))
    }

    fn with(units: Vec<ConvNorm>, graph: Arc<Graph>) -> Self {
        let folds = vec![UnitFolds::default(); units.len()];
        let ready = vec![cpu::ReadyUnit::default(); units.len()];
        Self { units, folds, ready, graph, training: BodyTraining::default() }
    }

    /// Leaves out residual branches in training at up to this rate, see [`Node::Residual`].
    pub(super) fn set_depth_rate(&mut self, rate: f64) {
        self.training.depth_rate = rate;
    }

    /// Convolves in numbers of this type in training passes, instead of 32-bit floats.
    pub fn with_half(mut self, half: Option<HalfFloat>) -> Self {
        self.training.half = half;
        self
    }

    /// The numbers of the convolutions in training passes; `None` = 32-bit floats.
    pub(super) fn half(&self) -> Option<HalfFloat> {
        self.training.half
    }

    /// Leaves out branches of the layer groups from `first` on only.
    pub(super) fn set_depth_groups(&mut self, first: usize) {
        self.training.first_group = first;
    }

    /// Draws, for each of `images` images, which branches a training pass leaves out: their factors by the branch's last unit. A
    /// branch that is kept counts more, so that the mean is that of evaluation.
    pub(crate) fn draw_depth(&self, images: usize, rng: &mut ChaCha8Rng) -> HashMap<usize, Vec<f32>> {
        let BodyTraining { depth_rate: rate, first_group, .. } = self.training;
        if rate <= 0.0 {
            return HashMap::new();
        }
        let trains = |(unit, _): &(usize, f64)| self.graph.units[*unit].group >= first_group;
        let branches = self.graph.skippable().into_iter().filter(trains);
        branches
            .map(|(unit, share)| {
                let p = rate * share;
                let (below, kept) = ((p * f64::from(u32::MAX)) as u32, (1.0 / (1.0 - p)) as f32);
                (unit, (0..images).map(|_| if rng.next_u32() < below { 0.0 } else { kept }).collect())
            })
            .collect()
    }

    /// Whether a backward pass computes a gradient for any of its tensors.
    pub(crate) fn requires_grad(&self) -> bool {
        self.units.iter().any(ConvNorm::requires_grad)
    }

    /// The body on the device without gradients, whose batch norms learn where these do: those of [`Module::valid`] never do.
    /// What is made of the frozen units already serves it too.
    pub(super) fn without_gradients(&self) -> Self {
        let mut body = self.valid();
        for (number, of) in self.units.iter().enumerate() {
            if let (Some(norm), Some(of)) = (body.units[number].batch_norm_mut(), of.batch_norm()) {
                norm.learns = norm.learns.clone().with_value(of.learns.is_enabled());
            }
            if frozen(of) {
                body.folds[number] = self.folds[number].inner();
                body.ready[number] = self.ready[number].clone();
            }
        }
        body
    }

    /// The graph of the layers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// `[batch, 3, height, width]` to `[batch, channel, height', width']`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        if let Some(half) = self.training.half.filter(|_| pass.trains()) {
            let half = half.dtype();
            let mut walk = BodyWalk { body: self, pass, numbers: half, see: &mut |_, _| () };
            return walk.run(&self.graph.root, x.cast(half)).cast(FloatDType::F32);
        }
        match cpu::forward(&self.graph, &self.units, &self.ready, &x, pass) {
            Some(y) => y,
            None => self.forward_seen(x, pass, &mut |_, _| ()),
        }
    }

    /// The concat-pooled output in evaluation: `[batch, 3, height, width]` to `[batch, 2 * channel]`.
    pub(super) fn features(&self, x: Tensor<4>) -> Tensor<2> {
        match cpu::features(&self.graph, &self.units, &self.ready, &x) {
            Some(features) => features,
            None => concat_pool(self.forward(x, &mut Pass::eval())),
        }
    }

    /// Like [`forward`](Self::forward); calls `see` with the published name and the output (batch norm, residual and
    /// activation included) of every unit.
    pub fn forward_seen(&self, x: Tensor<4>, pass: &mut Pass, see: &mut dyn FnMut(&str, &Tensor<4>)) -> Tensor<4> {
        BodyWalk { body: self, pass, numbers: FloatDType::F32, see }.run(&self.graph.root, x)
    }

    /// Discards the folds; the next pass computes them again.
    ///
    /// Call this function after changing values of *frozen* units. Training steps and running statistics change only units
    /// that are not frozen, and those have no folds.
    pub(super) fn forget_folds(&mut self) {
        self.folds.fill(UnitFolds::default());
        self.ready.fill(cpu::ReadyUnit::default());
    }

    /// Units of which a fold is made.
    #[cfg(test)]
    pub(crate) fn folded(&self) -> usize {
        let is_made = |(folds, ready): &(&UnitFolds, &cpu::ReadyUnit)| {
            folds.full.get().is_some() || folds.half.get().is_some() || ready.is_made()
        };
        self.folds.iter().zip(&self.ready).filter(is_made).count()
    }

    /// The body with its units changed, without what was made of them.
    fn changed(self, change: impl FnOnce(Vec<ConvNorm>) -> Vec<ConvNorm>) -> Self {
        Self { training: self.training, ..Self::with(change(self.units), self.graph) }
    }
}

/// Whether neither training steps nor passes change the unit.
fn frozen(unit: &ConvNorm) -> bool {
    unit.is_initialized() && !unit.requires_grad() && unit.batch_norm().is_none_or(|norm| !norm.learns.is_enabled())
}

struct BodyWalk<'a> {
    body: &'a Body,
    pass: &'a mut Pass,
    numbers: FloatDType,
    see: &'a mut dyn FnMut(&str, &Tensor<4>),
}

impl BodyWalk<'_> {
    fn run(&mut self, node: &Node, x: Tensor<4>) -> Tensor<4> {
        match node {
            Node::Unit(number) => self.unit(*number, x, None),
            Node::Chain(nodes) => nodes.iter().fold(x, |x, node| self.run(node, x)),
            Node::Residual { branch, last, shortcut, .. } => {
                let residual = self.run(shortcut, x.clone());
                let x = branch.iter().fold(x, |x, node| self.run(node, x));
                self.unit(*last, x, Some(residual))
            }
            Node::Concat(nodes) => Tensor::cat(nodes.iter().map(|node| self.run(node, x.clone())).collect(), 1),
            Node::MaxPool(args) => max_pool(x, *args),
            Node::AvgPool(args) => avg_pool(x, *args),
            Node::AdaptiveAvg(1) => x.mean_dim(3).mean_dim(2),
            Node::AdaptiveAvg(side) => adaptive_avg_pool2d(x, [*side; 2]),
            Node::Activate(activation) => activate(*activation, x),
            Node::Gate(gate) => {
                let means = x.clone().mean_dim(3).mean_dim(2);
                x * self.run(gate, means)
            }
        }
    }

    fn unit(&mut self, number: usize, x: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        let unit = &self.body.units[number];
        let plain = !unit.requires_grad();
        let training = self.pass.is_training();
        let foldable = |learns: bool| plain && (!learns || !training);
        // A unit alone ends no branch.
        let depth = residual.as_ref().and_then(|_| self.pass.depth_of(number)).map(<[f32]>::to_vec);
        let y = timed(number, PassDirection::Forward, || match unit.batch_norm() {
            Some(norm) if foldable(norm.learns.is_enabled()) => {
                let folds = &self.body.folds[number];
                let folded = match self.numbers {
                    FloatDType::F32 => folds.full.get_or_init(|| unit.fold(norm)),
                    half => folds.half.get_or_init(|| unit.fold(norm).cast(half)),
                };
                unit.forward_folded(x, residual, depth, folded)
            }
            _ => unit.forward(x, residual, depth, self.numbers, self.pass),
        });
        (self.see)(self.body.graph.units[number].name(), &y);
        y
    }
}

fn max_pool(x: Tensor<4>, args: PoolArgs) -> Tensor<4> {
    let options = MaxPoolOptions::new([args.kernel; 2])
        .with_stride([args.stride; 2])
        .with_padding([args.pad; 2])
        .with_ceil_mode(args.ceil);
    max_pool2d(x, options)
}

fn avg_pool(x: Tensor<4>, args: PoolArgs) -> Tensor<4> {
    let options = AvgPoolOptions::new([args.kernel; 2])
        .with_stride([args.stride; 2])
        .with_padding([args.pad; 2])
        .with_count_include_pad(false)
        .with_ceil_mode(args.ceil);
    avg_pool2d(x, options)
}

/// Like the derived implementation, except for the published names and the folds.
impl Module for Body {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (unit, names) in self.units.iter().zip(&self.graph.units) {
            visit_as(&unit.conv, &names.conv, visitor);
            visit_as(&unit.norm, &names.norm, visitor);
            visit_as(&unit.layer_scale, &names.layer_scale, visitor);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let Self { units: before, mut folds, mut ready, graph, training } = self;
        let mut units = Vec::with_capacity(before.len());
        for (number, (mut unit, names)) in before.into_iter().zip(&graph.units).enumerate() {
            let was_frozen = frozen(&unit);
            unit.conv = map_as(unit.conv, &names.conv, mapper);
            unit.norm = map_as(unit.norm, &names.norm, mapper);
            unit.layer_scale = map_as(unit.layer_scale, &names.layer_scale, mapper);
            if !(was_frozen && frozen(&unit)) {
                folds[number] = UnitFolds::default();
                ready[number] = cpu::ReadyUnit::default();
            }
            units.push(unit);
        }
        Self { units, folds, ready, graph, training }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.units.collect_devices(devices)
    }
    fn fork(self, device: &Device) -> Self {
        self.changed(|units| units.fork(device))
    }
    fn to_device(self, device: &Device) -> Self {
        self.changed(|units| units.to_device(device))
    }
    fn valid(&self) -> Self {
        Self { training: self.training, ..Self::with(self.units.valid(), self.graph.clone()) }
    }
    fn train(self) -> Self {
        self.changed(|units| units.train())
    }
    fn materialize(self) -> Self {
        self.changed(|units| units.materialize())
    }
}

/// The container type that a body reports to visitors.
const CONTAINER: &str = "Struct:Body";

/// Visits a part under its published name.
fn visit_as<M: Module, V: ModuleVisitor>(part: &Option<M>, name: &Option<String>, visitor: &mut V) {
    if let (Some(part), Some(name)) = (part, name) {
        visitor.enter_module(name, CONTAINER);
        part.visit(visitor);
        visitor.exit_module(name, CONTAINER);
    }
}

/// Maps a part under its published name.
fn map_as<M: Module, P: ModuleMapper>(part: Option<M>, name: &Option<String>, mapper: &mut P) -> Option<M> {
    let (part, name) = (part?, name.as_ref()?);
    mapper.enter_module(name, CONTAINER);
    let part = part.map(mapper);
    mapper.exit_module(name, CONTAINER);
    Some(part)
}

impl ModuleDisplayDefault for Body {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("Body of {} units", self.units.len())).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for Body {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk that changes nothing, as an optimizer's over a frozen body.
    struct Nothing;
    impl ModuleMapper for Nothing {}

    #[test]
    fn frozen_units_are_folded_once() {
        let device = Device::flex().autodiff();
        let body = Body::new("resnet18", 1, &device);
        let run = |body: &Body| {
            body.forward(Tensor::zeros([1, 3, 32, 32], &device), &mut Pass::train());
            body.folded()
        };
        assert_eq!(run(&body), 0, "what learns is not folded");
        let body = body.freeze();
        assert_eq!(run(&body), body.units.len());
        let body = body.map(&mut Nothing);
        assert_eq!(body.folded(), body.units.len(), "a step keeps the folds");
        let body = body.unfreeze();
        assert_eq!(body.folded(), 0, "what may be trained drops them");
    }
}
