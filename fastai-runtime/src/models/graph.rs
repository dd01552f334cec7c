//! A network as data: its units, their names in published weights, and their connections.
//!
//! Each family's file builds such a graph. A [`Body`](super::Body) contains the weights and walks the graph.

use std::collections::HashMap;

use super::conv_norm::{Activation, ConvSpec};
use crate::kernels::PoolArgs;

/// A node of a network: maps one tensor `[batch, channel, height, width]` to another.
#[derive(Clone, Debug)]
pub enum Node {
    /// The unit with this index.
    Unit(usize),
    /// Nodes in sequence; an empty chain returns its input.
    Chain(Vec<Node>),
    /// The branch, followed by the unit `last`, which adds the shortcut's output before its activation.
    Residual {
        /// Nodes before the last unit.
        branch: Vec<Node>,
        /// Number of the last unit.
        last: usize,
        /// The shortcut.
        shortcut: Box<Node>,
    },
    /// Concatenates the channels of all nodes, each applied to the input.
    Concat(Vec<Node>),
    /// The largest value in each window.
    MaxPool(PoolArgs),
    /// The mean of each window; pixels outside the image do not count.
    AvgPool(PoolArgs),
    /// Adaptive average pooling to this side.
    AdaptiveAvg(usize),
    /// An activation alone.
    Activate(Activation),
    /// Squeeze and excitation: each channel of the input times the node's output for the channel means.
    Gate(Box<Node>),
}

impl Node {
    /// Returns its input.
    pub fn identity() -> Self {
        Node::Chain(Vec::new())
    }
}

/// One unit of a graph.
#[derive(Clone, Debug)]
pub struct UnitSpec {
    /// Published name of the convolution; without one the unit is a norm alone.
    pub conv: Option<String>,
    /// Published name of the norm.
    pub norm: Option<String>,
    /// Published name of the channels' factors.
    pub layer_scale: Option<String>,
    /// Layer group, counted from the input.
    pub group: usize,
    /// The shape of the unit.
    pub spec: ConvSpec,
}

impl UnitSpec {
    /// Returns the unit's name: that of its convolution, or of the norm without one.
    pub fn name(&self) -> &str {
        self.conv.as_deref().or(self.norm.as_deref()).unwrap_or_default()
    }
}

/// Units and their connections.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The units; a [`Node::Unit`] counts from 0.
    pub units: Vec<UnitSpec>,
    /// The node that processes the input.
    pub root: Node,
    groups: HashMap<String, usize>,
    cut_points: Vec<CutPoint>,
}

/// The start of a module of the root chain that [`Graph::without_last`] can remove.
#[derive(Clone, Copy, Debug)]
struct CutPoint {
    node: usize,
    unit: usize,
}

impl Graph {
    /// Layer group of the parameter of that published name, such as `layer1.0.conv1.weight`.
    pub fn group_of(&self, name: &str) -> Option<usize> {
        let layer = name.rsplit_once('.').map(|(layer, _)| layer);
        // A factor is a separate tensor; the other parameters are in layers.
        self.groups.get(name).or_else(|| self.groups.get(layer?)).copied()
    }

    /// The number of removable modules; the second layer group keeps one.
    pub fn cuts(&self) -> usize {
        self.cut_points.len().saturating_sub(1)
    }

    /// Returns the graph without its last `cut` modules.
    ///
    /// # Panics
    /// If the graph has fewer [`cuts`](Self::cuts); that of a checked recipe has enough.
    pub fn without_last(mut self, cut: usize) -> Self {
        assert!(cut <= self.cuts(), "{cut} of {} modules", self.cuts());
        let kept = self.cut_points.len() - cut;
        if let (Some(end), Node::Chain(nodes)) = (self.cut_points.get(kept).copied(), &mut self.root) {
            nodes.truncate(end.node);
            self.units.truncate(end.unit);
            self.cut_points.truncate(kept);
        }
        self
    }
}

/// A published network: the body and the classifier of its ImageNet weights.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The layers up to but excluding the pooling.
    pub body: Graph,
    /// Maps the body's output to the logits `[batch, 1000, 1, 1]`. Linear layers are convolutions: their weights are
    /// published as `[output, input]`, with the same numbers in the same order.
    pub top: Graph,
}

/// Collects the units of a graph.
#[derive(Debug, Default)]
pub struct Builder {
    units: Vec<UnitSpec>,
    group: usize,
    cut_points: Vec<CutPoint>,
}

impl Builder {
    /// A convolution without norm.
    pub fn conv(&mut self, name: impl Into<String>, spec: ConvSpec) -> Node {
        debug_assert!(spec.norm.is_none());
        self.unit(Some(name.into()), None, spec)
    }

    /// A convolution without norm, each of whose output channels has a factor called `layer_scale`.
    pub fn conv_scaled(&mut self, name: impl Into<String>, layer_scale: impl Into<String>, spec: ConvSpec) -> Node {
        let node = self.conv(name, ConvSpec { layer_scale: true, ..spec });
        if let Some(unit) = self.units.last_mut() {
            unit.layer_scale = Some(layer_scale.into());
        }
        node
    }

    /// A convolution with the norm of `spec`.
    pub fn conv_norm(&mut self, conv: impl Into<String>, norm: impl Into<String>, spec: ConvSpec) -> Node {
        debug_assert!(spec.norm.is_some());
        self.unit(Some(conv.into()), Some(norm.into()), spec)
    }

    /// A norm without a convolution, and the activation of `spec`.
    pub fn norm(&mut self, name: impl Into<String>, spec: ConvSpec) -> Node {
        debug_assert!(spec.norm.is_some() && spec.input == spec.output);
        self.unit(None, Some(name.into()), spec)
    }

    fn unit(&mut self, conv: Option<String>, norm: Option<String>, spec: ConvSpec) -> Node {
        self.units.push(UnitSpec { conv, norm, layer_scale: None, group: self.group, spec });
        Node::Unit(self.units.len() - 1)
    }

    /// Starts the next layer group.
    pub fn next_group(&mut self) {
        self.group += 1;
    }

    /// Marks the start, after `nodes` of the root chain, of a module that can be removed with everything after it. Mark
    /// every module of the second layer group, including the first.
    pub fn cut_point(&mut self, nodes: &[Node]) {
        debug_assert!(self.group > 0, "the first layer group is kept");
        self.cut_points.push(CutPoint { node: nodes.len(), unit: self.units.len() });
    }

    /// Builds a residual node from the branch, whose last node is a unit, with the shortcut added before that unit's
    /// activation.
    ///
    /// # Panics
    /// If the branch does not end with a unit.
    pub fn residual(mut branch: Vec<Node>, shortcut: Node) -> Node {
        let Some(Node::Unit(last)) = branch.pop() else { panic!("a residual branch ends with a unit") };
        Node::Residual { branch, last, shortcut: Box::new(shortcut) }
    }

    /// The graph.
    pub fn finish(self, nodes: Vec<Node>) -> Graph {
        let mut groups = HashMap::new();
        for unit in &self.units {
            for name in [&unit.conv, &unit.norm, &unit.layer_scale].into_iter().flatten() {
                let twice = groups.insert(name.clone(), unit.group);
                debug_assert!(twice.is_none(), "two layers called {name}");
            }
        }
        Graph { units: self.units, root: Node::Chain(nodes), groups, cut_points: self.cut_points }
    }
}

/// The usual classifier: average pooling, then one linear layer called `name`.
pub fn linear_top(name: &str, channels: usize) -> Graph {
    let mut net = Builder::default();
    let linear = net.conv(name, ConvSpec::new(channels, 1000, 1).activation(Activation::None));
    net.finish(vec![Node::AdaptiveAvg(1), linear])
}
