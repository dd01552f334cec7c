//! A training pass through a body, and what its backward pass needs.

use burn::backend::autodiff::NodeId;
use burn::tensor::Tensor;
use fastai_kernels::conv::Window;
use fastai_kernels::convolution::Convolution;
use fastai_kernels::pool::PoolWindow;
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape, activation, gate, layer_norm, layout, norm, pool};

use fastai_dsl::arch::graph::Node;
use fastai_dsl::arch::unit::{Activation, ConvSpec};

use super::super::conv_norm::{Conv, Norm};
use super::super::norm::{BatchNorm, Pass};
use super::super::unit_times::{PassDirection, timed};
use super::evaluate::{self, BodyEvaluation};
use super::feature_map::FeatureMap;
use super::ready::LayerNormValues;
use super::{ready, shape};
use crate::float::{self, Floats};

/// Number of a map that a pass made, for its gradient.
pub(super) type MapNumber = usize;

/// A map on its way.
#[derive(Clone)]
struct Made {
    value: FeatureMap,
    number: MapNumber,
    /// Whether a gradient is wanted of it.
    wanted: bool,
    /// The place on the tape of the unit that can compute the map again.
    again: Option<usize>,
}

impl Made {
    /// Its number, if its gradient is wanted.
    fn wanted_number(&self) -> Option<MapNumber> {
        self.wanted.then_some(self.number)
    }
}

/// A map that a backward pass needs.
#[derive(Debug)]
pub(super) enum KeptMap {
    /// The map.
    Whole(FeatureMap),
    /// Its shape, and the place on the tape of the unit that computes it again.
    Again(MapShape, usize),
}

impl KeptMap {
    pub(super) fn shape(&self) -> MapShape {
        match self {
            KeptMap::Whole(map) => map.shape(),
            KeptMap::Again(shape, _) => *shape,
        }
    }
}

/// What was done, in order.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub(super) entries: Vec<TapeEntry>,
    pub(super) maps: usize,
}

/// One operation.
#[derive(Debug)]
pub(super) enum TapeEntry {
    Unit(Box<UnitEntry>),
    Pool {
        pool: Pool,
        input: MapShape,
        /// The clamp of the unit before a max pool, and the pool's output: a maximum is inside the clamp where its pixel was.
        clamped: Option<([f32; 2], FeatureMap)>,
        from: MapNumber,
        to: MapNumber,
    },
    Activate {
        activation: Activation,
        x: FeatureMap,
        output: FeatureMap,
        from: MapNumber,
        to: MapNumber,
    },
    /// Channels of `x` times their gates, each map with its number if its gradient is wanted.
    Gate {
        x: (FeatureMap, Option<MapNumber>),
        gate: (FeatureMap, Option<MapNumber>),
        to: MapNumber,
    },
    /// A branch times the factor of each image, plus the residual, each map with its number if its gradient is wanted.
    Depth {
        factors: FeatureMap,
        branch: Option<MapNumber>,
        residual: Option<MapNumber>,
        to: MapNumber,
    },
    /// The maps and their channels, side by side.
    Concat {
        parts: Vec<(MapNumber, usize, usize)>,
        to: MapNumber,
    },
}

/// A pool's operation.
#[derive(Debug)]
pub(super) enum Pool {
    /// With the place of each maximum in its window.
    Max(PoolWindow, Vec<u8>),
    Average(PoolWindow),
    Adaptive,
}

/// A unit's operation.
#[derive(Debug)]
pub(super) struct UnitEntry {
    /// Its number in the graph.
    pub(super) number: usize,
    pub(super) spec: ConvSpec,
    pub(super) window: Window,
    pub(super) x: KeptMap,
    /// The input's number, if its gradient is wanted.
    pub(super) from: Option<MapNumber>,
    pub(super) weight: Option<(Floats, Option<NodeId>)>,
    pub(super) bias: Option<NodeId>,
    /// The norm's input, or that of the channels' factors.
    pub(super) inner: Option<FeatureMap>,
    pub(super) norm: Option<NormEntry>,
    pub(super) layer_norm: Option<(LayerNormValues, [Option<NodeId>; 2])>,
    /// The input of an activation that is not a clamp.
    pub(super) before: Option<FeatureMap>,
    /// Factors of the channels, and the node of those that are trained.
    pub(super) factor: Option<Vec<f32>>,
    pub(super) layer_scale: Option<NodeId>,
    /// The residual's number, if its gradient is wanted.
    pub(super) residual: Option<MapNumber>,
    pub(super) output: UnitOutput,
    pub(super) to: MapNumber,
}

/// A unit's output, which its gradient needs.
#[derive(Debug)]
pub(super) enum UnitOutput {
    /// The map.
    Kept(FeatureMap),
    /// None: the gradient comes from a max pool, which has led it through the clamp. The pool's output is a quarter as large.
    Pooled,
    /// The norm's input times these factors of the channels and shifted, clamped: two maps of one size would be kept else.
    OfInner { scale: Vec<f32>, shift: Vec<f32> },
}

impl UnitEntry {
    /// The output that was not kept, once more, with the same bits.
    ///
    /// # Panics
    /// If the output is kept.
    pub(super) fn output_again(&self) -> FeatureMap {
        let (UnitOutput::OfInner { scale, shift }, Some(inner)) = (&self.output, &self.inner) else {
            panic!("an output that was kept")
        };
        let mut output = FeatureMap::new(inner.shape());
        let clamp = shape::clamp(self.spec.activation);
        norm::affine(Isa::detect(), inner.map(), scale, shift, None, clamp, &mut output.fresh());
        output
    }
}

/// A batch norm's operation.
#[derive(Debug)]
pub(super) struct NormEntry {
    pub(super) mean: Vec<f32>,
    /// One over the standard deviation.
    pub(super) inverse: Vec<f32>,
    pub(super) weight: Floats,
    pub(super) weight_node: Option<NodeId>,
    pub(super) bias: Floats,
    pub(super) bias_node: Option<NodeId>,
    /// Whether mean and deviation are those of the batch.
    pub(super) learned: bool,
}

/// Walks a graph and writes a tape.
pub(super) struct Recording<'a> {
    pub(super) evaluation: BodyEvaluation<'a>,
    pub(super) pass: &'a mut Pass,
    pub(super) tape: Tape,
}

impl Recording<'_> {
    /// The output of the graph, its number, and whether anything before it is trained.
    pub(super) fn record(&mut self, x: FeatureMap, wanted: bool) -> (FeatureMap, MapNumber, bool) {
        let x = self.made(x, wanted);
        let graph = self.evaluation.graph;
        let made = self.run(&graph.root, x);
        (made.value, made.number, made.wanted)
    }

    fn made(&mut self, value: FeatureMap, wanted: bool) -> Made {
        let number = self.tape.maps;
        self.tape.maps += 1;
        Made { value, number, wanted, again: None }
    }

    fn run(&mut self, node: &Node, x: Made) -> Made {
        match node {
            Node::Unit(number) => self.unit(*number, x, None),
            Node::Chain(nodes) => self.chain(nodes, x),
            Node::Residual { branch, last, shortcut, .. } => {
                let residual = self.run(shortcut, x.clone());
                let x = branch.iter().fold(x, |x, node| self.run(node, x));
                match self.pass.depth_of(*last).map(<[f32]>::to_vec) {
                    None => self.unit(*last, x, Some(residual)),
                    Some(factors) => {
                        let branch = self.unit(*last, x, None);
                        self.scaled(branch, &factors, residual)
                    }
                }
            }
            Node::Concat(nodes) => self.concat(node, nodes, x),
            Node::MaxPool(args) => self.pool(
                x,
                |shape| shape::pooled(args, shape),
                |from, to| {
                    let mut winners = vec![0u8; to.shape().numbers()];
                    pool::max_pool_winners(Isa::detect(), from, shape::pool(args), to, &mut winners);
                    Pool::Max(shape::pool(args), winners)
                },
            ),
            Node::AvgPool(args) => self.pool(
                x,
                |shape| shape::pooled(args, shape),
                |from, to| {
                    pool::average_pool(Isa::detect(), from, shape::pool(args), to);
                    Pool::Average(shape::pool(args))
                },
            ),
            Node::AdaptiveAvg(side) => self.average(x, *side),
            Node::Activate(activation) => {
                let mut output = FeatureMap::new(x.value.shape());
                evaluate::activate(*activation, x.value.map(), &mut output.fresh());
                let made = self.made(output, x.wanted);
                if x.wanted {
                    let (x, from) = (x.value, x.number);
                    let (output, to) = (made.value.clone(), made.number);
                    self.tape.entries.push(TapeEntry::Activate { activation: *activation, x, output, from, to });
                }
                made
            }
            Node::Gate(gate) => {
                let means = self.average(x.clone(), 1);
                let gates = self.run(gate, means);
                let mut output = FeatureMap::new(x.value.shape());
                gate::gate(Isa::detect(), Some(x.value.map()), gates.value.map(), &mut output.fresh());
                let made = self.made(output, x.wanted || gates.wanted);
                if made.wanted {
                    let [x, gate] = [x, gates].map(|of| (of.value.clone(), of.wanted_number()));
                    self.tape.entries.push(TapeEntry::Gate { x, gate, to: made.number });
                }
                made
            }
        }
    }

    /// `branch` times the factor of each image, plus `residual`.
    fn scaled(&mut self, branch: Made, factors: &[f32], residual: Made) -> Made {
        let shape = branch.value.shape();
        let mut gates = FeatureMap::new(MapShape { height: 1, width: 1, ..shape });
        let of_images = gates.fresh().dense_mut().chunks_mut(shape.channels).zip(factors);
        of_images.for_each(|(gates, factor)| gates.fill(*factor));
        let mut output = FeatureMap::new(shape);
        gate::gate(Isa::detect(), Some(branch.value.map()), gates.map(), &mut output.fresh());
        layout::add(residual.value.map(), &mut output.fresh());
        let made = self.made(output, branch.wanted || residual.wanted);
        if made.wanted {
            let (branch, residual) = (branch.wanted_number(), residual.wanted_number());
            self.tape.entries.push(TapeEntry::Depth { factors: gates, branch, residual, to: made.number });
        }
        made
    }

    fn chain(&mut self, nodes: &[Node], mut x: Made) -> Made {
        for (place, node) in nodes.iter().enumerate() {
            let unit = x.number;
            x = self.run(node, x);
            // Nobody but the pool sees the output of a unit right before it.
            if let ([.., Node::Unit(_)], Node::MaxPool(_)) = (&nodes[..place], node) {
                self.forget_output(unit, &x.value);
            }
        }
        x
    }

    /// Forgets the output of the unit that made map `unit` and that the last entry, a max pool, has pooled to `output`.
    fn forget_output(&mut self, unit: MapNumber, output: &FeatureMap) {
        let [.., TapeEntry::Unit(before), TapeEntry::Pool { clamped, .. }] = self.tape.entries.as_mut_slice() else {
            return;
        };
        if before.to == unit && shape::smooth(before.spec.activation).is_none() {
            *clamped = Some((shape::clamp(before.spec.activation), output.clone()));
            before.output = UnitOutput::Pooled;
        }
    }

    /// Averages over parts of the image, so that the output has this side.
    fn average(&mut self, x: Made, side: usize) -> Made {
        let shape = |shape| MapShape { height: side, width: side, ..shape };
        self.pool(x, shape, |from, to| {
            pool::adaptive_average(Isa::detect(), from, to);
            Pool::Adaptive
        })
    }

    fn pool(
        &mut self,
        x: Made,
        shape: impl Fn(MapShape) -> MapShape,
        run: impl FnOnce(Map<'_>, &mut MapMut<'_>) -> Pool,
    ) -> Made {
        let mut output = FeatureMap::new(shape(x.value.shape()));
        let pool = run(x.value.map(), &mut output.fresh());
        let made = self.made(output, x.wanted);
        if x.wanted {
            let entry =
                TapeEntry::Pool { pool, input: x.value.shape(), clamped: None, from: x.number, to: made.number };
            self.tape.entries.push(entry);
        }
        made
    }

    fn concat(&mut self, node: &Node, nodes: &[Node], x: Made) -> Made {
        let mut output = FeatureMap::new(shape::node(self.evaluation.graph, node, x.value.shape()));
        let (mut parts, mut wanted, mut first) = (Vec::new(), false, 0);
        for node in nodes {
            let part = self.run(node, x.clone());
            let channels = part.value.shape().channels;
            layout::copy(part.value.map(), &mut output.fresh().channels(first, channels));
            if part.wanted {
                parts.push((part.number, first, channels));
            }
            wanted |= part.wanted;
            first += channels;
        }
        // Units keep their outputs in the joined map from here on.
        for (number, first, channels) in &parts {
            let last = self.tape.entries.iter_mut().rev().find_map(|entry| match entry {
                TapeEntry::Unit(unit) if unit.to == *number => Some(unit),
                _ => None,
            });
            if let Some(UnitEntry { output: UnitOutput::Kept(kept), .. }) = last.map(Box::as_mut) {
                *kept = output.channels(*first, *channels);
            }
        }
        let made = self.made(output, wanted);
        if wanted {
            self.tape.entries.push(TapeEntry::Concat { parts, to: made.number });
        }
        made
    }

    fn unit(&mut self, number: usize, x: Made, residual: Option<Made>) -> Made {
        let unit = &self.evaluation.units[number];
        let wanted = unit.requires_grad() || x.wanted || residual.as_ref().is_some_and(|made| made.wanted);
        let learns = self.pass.is_training() && unit.batch_norm().is_some_and(|norm| norm.learns.is_enabled());
        if !wanted && !learns {
            let shape = shape::unit(&self.evaluation.graph.units[number], x.value.shape());
            let mut output = FeatureMap::new(shape);
            let residual = residual.as_ref().map(|made| &made.value);
            self.evaluation.unit(number, &x.value, residual, &mut output.fresh());
            return self.made(output, false);
        }
        let (mut entry, output) = timed(number, PassDirection::Forward, || self.forward(number, &x, residual.as_ref()));
        let mut made = self.made(output, wanted);
        entry.to = made.number;
        if wanted {
            made.again = matches!(entry.output, UnitOutput::OfInner { .. }).then_some(self.tape.entries.len());
            self.tape.entries.push(TapeEntry::Unit(Box::new(entry)));
        }
        made
    }

    /// What the backward pass needs of a unit, and the unit's output.
    fn forward(&mut self, number: usize, x: &Made, residual: Option<&Made>) -> (UnitEntry, FeatureMap) {
        let unit = &self.evaluation.units[number];
        let isa = Isa::detect();
        let spec = *unit.spec();
        let clamp = shape::clamp(spec.activation);
        let window = shape::window(&spec, x.value.shape());
        let factor = ready::factor(unit).expect("a body on the CPU");
        let mut entry = UnitEntry {
            number,
            spec,
            window,
            x: match x.again {
                Some(place) => KeptMap::Again(x.value.shape(), place),
                None => KeptMap::Whole(x.value.clone()),
            },
            from: x.wanted_number(),
            weight: None,
            bias: None,
            inner: None,
            norm: None,
            layer_norm: None,
            before: None,
            layer_scale: unit.layer_scale.as_ref().and_then(|scale| node(scale.val())),
            factor,
            residual: residual.and_then(Made::wanted_number),
            output: UnitOutput::Kept(x.value.clone()),
            to: 0,
        };
        let added = residual.map(|made| made.value.map());
        let plain = unit.norm.is_none() && entry.factor.is_none();
        let inner = match &unit.conv {
            Some(conv) => {
                let (residual, clamp) = if plain { (added, clamp) } else { (None, Finish::PLAIN.clamp) };
                convolve(conv, &x.value, residual, clamp, &mut entry)
            }
            None => x.value.clone(),
        };
        if plain {
            return activated(entry, inner);
        }
        if let Some(Norm::Layer(norm)) = &unit.norm {
            let ((weight, weight_node), (bias, bias_node)) = (floats(norm.weight.val()), floats(norm.bias.val()));
            let values = LayerNormValues { weight, bias, epsilon: norm.epsilon() as f32 };
            let mut output = FeatureMap::new(inner.shape());
            layer_norm::layer_norm(isa, Some(inner.map()), values.kernel(), &mut output.fresh());
            entry.layer_norm = Some((values, [weight_node, bias_node]));
            entry.inner = Some(inner);
            entry.output = UnitOutput::Kept(output.clone());
            return (entry, output);
        }
        let channels = spec.output;
        let (mut scale, mut shift) = (vec![1.0; channels], vec![0.0; channels]);
        if let Some(Norm::Batch(norm)) = &unit.norm {
            let found = self.normalise(norm, &inner);
            for channel in 0..channels {
                scale[channel] = found.weight.values()[channel] * found.inverse[channel];
                shift[channel] = found.bias.values()[channel] - found.mean[channel] * scale[channel];
            }
            entry.norm = Some(found);
        }
        if let Some(factor) = &entry.factor {
            scale.iter_mut().zip(factor).for_each(|(scale, factor)| *scale *= factor);
            shift.iter_mut().zip(factor).for_each(|(shift, factor)| *shift *= factor);
        }
        let mut output = FeatureMap::new(inner.shape());
        norm::affine(isa, inner.map(), &scale, &shift, added, clamp, &mut output.fresh());
        entry.inner = Some(inner);
        if added.is_none() && shape::smooth(spec.activation).is_none() {
            entry.output = UnitOutput::OfInner { scale, shift };
            return (entry, output);
        }
        activated(entry, output)
    }

    /// Statistics of a batch norm's input: the batch's, which the pass collects, or the running ones.
    fn normalise(&mut self, norm: &BatchNorm, x: &FeatureMap) -> NormEntry {
        let (weight, weight_node) = floats(norm.weight.val());
        let (bias, bias_node) = floats(norm.bias.val());
        let values = norm.learned_from(&x.sides(), self.pass);
        let (mean, variance) = match values {
            Some(values) => {
                let moments = norm::moments(Isa::detect(), x.map());
                let vector = |values: &[f32]| float::tensor(values.to_vec(), [values.len()], true);
                norm.collect(vector(&moments.mean), vector(&moments.variance), values, self.pass);
                (moments.mean, moments.variance)
            }
            None => {
                let (mean, variance) = (floats(norm.running_mean.val()).0, floats(norm.running_var.val()).0);
                (mean.values().to_vec(), variance.values().to_vec())
            }
        };
        let epsilon = norm.epsilon();
        let inverse = variance.iter().map(|variance| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32).collect();
        NormEntry { mean, inverse, weight, weight_node, bias, bias_node, learned: values.is_some() }
    }
}

/// A unit's convolution, to which a residual is added and whose sums are clamped. The entry takes its parameters.
fn convolve(
    conv: &Conv,
    x: &FeatureMap,
    residual: Option<Map<'_>>,
    clamp: [f32; 2],
    entry: &mut UnitEntry,
) -> FeatureMap {
    let (weight, weight_node) = floats(conv.weight.val());
    let bias = conv.bias.as_ref().map(|bias| floats(bias.val()));
    entry.bias = bias.as_ref().and_then(|(_, node)| *node);
    let convolution = Convolution::within(Isa::detect(), weight.values(), shape::sides(&entry.spec), entry.window);
    entry.weight = Some((weight, weight_node));
    let [height, width] = entry.window.output;
    let mut output = FeatureMap::new(MapShape { height, width, channels: entry.spec.output, ..x.shape() });
    let finish = Finish { bias: bias.as_ref().map(|(bias, _)| bias.values()), residual, clamp };
    convolution.run(x.map(), entry.window, &mut output.fresh(), finish);
    output
}

/// The entry and its output after the activation, unless the activation is a clamp that was applied before.
fn activated(mut entry: UnitEntry, mut output: FeatureMap) -> (UnitEntry, FeatureMap) {
    if let Some(smooth) = shape::smooth(entry.spec.activation) {
        let mut after = FeatureMap::new(output.shape());
        activation::activate(Isa::detect(), smooth, Some(output.map()), &mut after.fresh());
        entry.before = Some(std::mem::replace(&mut output, after));
    }
    entry.output = UnitOutput::Kept(output.clone());
    (entry, output)
}

/// Numbers of a parameter, and its node if it is trained.
fn floats<const D: usize>(tensor: Tensor<D>) -> (Floats, Option<NodeId>) {
    let (tensor, node) = float::parts(tensor).expect("a body on the CPU");
    (float::contiguous(tensor).expect("parameters of 32 bits"), node)
}

fn node<const D: usize>(tensor: Tensor<D>) -> Option<NodeId> {
    float::parts(tensor).and_then(|(_, node)| node)
}
