//! A body without anything to learn from a pass.

use fastai_dsl::arch::unit::Activation;
use fastai_kernels::pool::PoolWindow;
use fastai_kernels::{Isa, Map, MapMut, MapShape, activation, gate, layout, norm, pool};

use super::super::conv_norm::ConvNorm;
use super::super::unit_times::{PassDirection, timed};
use super::feature_map::FeatureMap;
use super::ready::ReadyUnit;
use super::shape;
use fastai_dsl::arch::graph::{Graph, Node};

/// An activation alone.
pub(super) fn activate(activation: Activation, x: Map<'_>, output: &mut MapMut<'_>) {
    let isa = Isa::detect();
    match shape::smooth(activation) {
        Some(smooth) => activation::activate(isa, smooth, Some(x), output),
        None => {
            let channels = x.shape().channels;
            let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
            norm::affine(isa, x, &ones, &zeros, None, shape::clamp(activation), output);
        }
    }
}

/// The mean of each channel and image.
fn means(x: &FeatureMap) -> FeatureMap {
    let mut means = FeatureMap::new(MapShape { height: 1, width: 1, ..x.shape() });
    pool::adaptive_average(Isa::detect(), x.map(), &mut means.fresh());
    means
}

/// The units of a body, made ready as they are needed.
#[derive(Clone, Copy)]
pub(super) struct BodyEvaluation<'a> {
    pub(super) graph: &'a Graph,
    pub(super) units: &'a [ConvNorm],
    pub(super) ready: &'a [ReadyUnit],
}

impl BodyEvaluation<'_> {
    /// The output of a node.
    pub(super) fn run(&self, node: &Node, x: FeatureMap) -> FeatureMap {
        match node {
            Node::Chain(nodes) => nodes.iter().fold(x, |x, node| self.run(node, x)),
            _ => {
                let mut output = FeatureMap::new(shape::node(self.graph, node, x.shape()));
                self.run_into(node, x, &mut output.fresh());
                output
            }
        }
    }

    /// The maxima and the means of each channel of the output, `[batch, 2 * channel]`, and these sides.
    pub(super) fn features(&self, x: FeatureMap) -> (Vec<f32>, [usize; 2]) {
        let output = self.run(&self.graph.root, x);
        let MapShape { batch, height, width, channels } = output.shape();
        let whole = PoolWindow { kernel: height.max(width), stride: 1, pad: 0 };
        let mut features = vec![0f32; batch * 2 * channels];
        let shape = MapShape { batch, height: 1, width: 1, channels: 2 * channels };
        let mut map = MapMut::new(&mut features, shape);
        pool::max_pool(Isa::detect(), output.map(), whole, &mut map.channels(0, channels));
        pool::adaptive_average(Isa::detect(), output.map(), &mut map.channels(channels, channels));
        (features, [batch, 2 * channels])
    }

    /// Writes the output of a node.
    fn run_into(&self, node: &Node, x: FeatureMap, output: &mut MapMut<'_>) {
        match node {
            Node::Unit(number) => self.unit(*number, &x, None, output),
            Node::Chain(nodes) => match nodes.split_last() {
                Some((last, nodes)) => {
                    let x = nodes.iter().fold(x, |x, node| self.run(node, x));
                    self.run_into(last, x, output);
                }
                None => layout::copy(x.map(), output),
            },
            Node::Residual { branch, last, shortcut, .. } => {
                let residual = self.run(shortcut, x.clone());
                let x = branch.iter().fold(x, |x, node| self.run(node, x));
                self.unit(*last, &x, Some(&residual), output);
            }
            Node::Concat(nodes) => {
                let mut first = 0;
                for node in nodes {
                    let channels = shape::node(self.graph, node, x.shape()).channels;
                    self.run_into(node, x.clone(), &mut output.channels(first, channels));
                    first += channels;
                }
            }
            Node::MaxPool(args) => pool::max_pool(Isa::detect(), x.map(), shape::pool(args), output),
            Node::AvgPool(args) => pool::average_pool(Isa::detect(), x.map(), shape::pool(args), output),
            Node::AdaptiveAvg(_) => pool::adaptive_average(Isa::detect(), x.map(), output),
            Node::Activate(activation) => activate(*activation, x.map(), output),
            Node::Gate(gate) => {
                let gates = self.run(gate, means(&x));
                gate::gate(Isa::detect(), Some(x.map()), gates.map(), output);
            }
        }
    }

    /// Writes the output of a unit.
    pub(super) fn unit(&self, number: usize, x: &FeatureMap, residual: Option<&FeatureMap>, output: &mut MapMut<'_>) {
        let unit = &self.units[number];
        let ready = self.ready[number].of(unit);
        timed(number, PassDirection::Forward, || ready.run(unit, x, residual, output));
    }
}
