//! A network as data: its units, their names in published weights, and their connections.
//!
//! Each family's file builds such a graph; the engine adds the weights and walks it.

use std::collections::HashMap;

use super::unit::{Activation, ConvSpec, NormSpec, PoolArgs};

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
        /// Share of the rate of stochastic depth at which training leaves the branch out; 0 if it never does.
        depth: f64,
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

    /// Returns the number of weights of the convolution; 0 for a norm alone.
    pub fn weights(&self) -> u64 {
        let ConvSpec { input, output, kernel, groups, .. } = self.spec;
        if self.conv.is_some() { (output * (input / groups) * kernel[0] * kernel[1]) as u64 } else { 0 }
    }

    /// Returns the number of trainable parameters.
    pub fn parameters(&self) -> u64 {
        let bias = self.conv.is_some() && self.spec.bias;
        let vectors = u64::from(bias) + 2 * u64::from(self.spec.norm.is_some()) + u64::from(self.spec.layer_scale);
        self.weights() + vectors * self.spec.output as u64
    }
}

/// Units and their connections.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The units; a [`Node::Unit`] counts from 0.
    pub units: Vec<UnitSpec>,
    /// The node that processes the input.
    pub root: Node,
    holds: Vec<String>,
    groups: HashMap<String, usize>,
    cut_points: Vec<CutPoint>,
}

/// The start of a module of the root chain that [`Graph::without_last`] can remove.
#[derive(Clone, Debug)]
struct CutPoint {
    name: String,
    node: usize,
    unit: usize,
}

/// A module at the end of a body that can be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its published name.
    pub name: String,
    /// Its trainable parameters.
    pub parameters: u64,
    /// Channels of the map that remains without it.
    pub channels: u32,
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
        if let (Some(end), Node::Chain(nodes)) = (self.cut_points.get(kept), &mut self.root) {
            nodes.truncate(end.node);
            self.units.truncate(end.unit);
            self.cut_points.truncate(kept);
        }
        self
    }

    /// Returns the content of each layer group and its number of trainable parameters.
    pub fn groups(&self) -> Vec<(String, u64)> {
        let mut groups: Vec<(String, u64)> = self.holds.iter().map(|holds| (holds.clone(), 0)).collect();
        for unit in &self.units {
            groups[unit.group].1 += unit.parameters();
        }
        groups
    }

    /// Whether a unit has a batch norm.
    pub fn has_batch_norm(&self) -> bool {
        self.units.iter().any(|unit| matches!(unit.spec.norm, Some(NormSpec::Batch { .. })))
    }

    /// The last units of the branches that stochastic depth leaves out, in order, and their shares of its rate.
    pub fn skippable(&self) -> Vec<(usize, f64)> {
        fn find(node: &Node, found: &mut Vec<(usize, f64)>) {
            match node {
                Node::Chain(nodes) | Node::Concat(nodes) => nodes.iter().for_each(|node| find(node, found)),
                Node::Residual { branch, last, shortcut, depth } => {
                    branch.iter().chain([shortcut.as_ref()]).for_each(|node| find(node, found));
                    if *depth > 0.0 {
                        found.push((*last, *depth));
                    }
                }
                Node::Gate(gate) => find(gate, found),
                Node::Unit(_) | Node::MaxPool(_) | Node::AvgPool(_) | Node::AdaptiveAvg(_) | Node::Activate(_) => {}
            }
        }
        let mut found = Vec::new();
        find(&self.root, &mut found);
        found
    }

    /// Returns the channels of the output for an image.
    pub fn channels(&self) -> usize {
        self.channels_after(&self.root, 3)
    }

    /// Returns the modules that can be removed, the last first.
    pub fn removable(&self) -> Vec<Module> {
        let Node::Chain(nodes) = &self.root else { return Vec::new() };
        let mut end = self.units.len();
        let modules = self.cut_points.iter().skip(1).rev().map(|point| {
            let units = point.unit..std::mem::replace(&mut end, point.unit);
            Module {
                name: point.name.clone(),
                parameters: self.units[units].iter().map(UnitSpec::parameters).sum(),
                channels: self.channels_through(&nodes[..point.node], 3) as u32,
            }
        });
        modules.collect()
    }

    fn channels_after(&self, node: &Node, input: usize) -> usize {
        match node {
            Node::Unit(number) | Node::Residual { last: number, .. } => self.units[*number].spec.output,
            Node::Chain(nodes) => self.channels_through(nodes, input),
            Node::Concat(nodes) => nodes.iter().map(|node| self.channels_after(node, input)).sum(),
            Node::MaxPool(_) | Node::AvgPool(_) | Node::AdaptiveAvg(_) | Node::Activate(_) | Node::Gate(_) => input,
        }
    }

    fn channels_through(&self, nodes: &[Node], input: usize) -> usize {
        nodes.iter().fold(input, |channels, node| self.channels_after(node, channels))
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
#[derive(Debug)]
pub struct GraphBuilder {
    units: Vec<UnitSpec>,
    holds: Vec<String>,
    cut_points: Vec<CutPoint>,
}

impl GraphBuilder {
    /// Starts a body; `holds` describes the content of its first layer group.
    pub fn body(holds: impl Into<String>) -> Self {
        Self { units: Vec::new(), holds: vec![holds.into()], cut_points: Vec::new() }
    }

    /// Starts a classifier.
    pub fn top() -> Self {
        Self::body("classifier")
    }

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
        self.units.push(UnitSpec { conv, norm, layer_scale: None, group: self.holds.len() - 1, spec });
        Node::Unit(self.units.len() - 1)
    }

    /// Starts the next layer group; `holds` describes its content.
    pub fn next_group(&mut self, holds: impl Into<String>) {
        self.holds.push(holds.into());
    }

    /// Marks the start, after `nodes` of the root chain, of the module `name`, which can be removed with everything after
    /// it. Mark every module of the second layer group, including the first.
    pub fn cut_point(&mut self, nodes: &[Node], name: impl Into<String>) {
        debug_assert!(self.holds.len() > 1, "the first layer group is kept");
        self.cut_points.push(CutPoint { name: name.into(), node: nodes.len(), unit: self.units.len() });
    }

    /// Begins the module `name` at `place`, after `nodes` of the root chain. With the one at `split` begins the second layer
    /// group, whose content `rest` describes; from there on modules can be removed.
    pub fn module(
        &mut self,
        nodes: &[Node],
        place: usize,
        split: usize,
        rest: impl Into<String>,
        name: impl Into<String>,
    ) {
        if place == split {
            self.next_group(rest);
        }
        if place >= split {
            self.cut_point(nodes, name);
        }
    }

    /// Builds a residual node from the branch, whose last node is a unit, with the shortcut added before that unit's
    /// activation.
    ///
    /// # Panics
    /// If the branch does not end with a unit.
    pub fn residual(mut branch: Vec<Node>, shortcut: Node) -> Node {
        let Some(Node::Unit(last)) = branch.pop() else { panic!("a residual branch ends with a unit") };
        Node::Residual { branch, last, shortcut: Box::new(shortcut), depth: 0.0 }
    }

    /// Lets stochastic depth leave out the branch of a residual node, which has no activation after it; other nodes stay as
    /// they are.
    pub fn skippable(node: Node, share: f64) -> Node {
        match node {
            Node::Residual { branch, last, shortcut, .. } => Node::Residual { branch, last, shortcut, depth: share },
            other => other,
        }
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
        Graph { units: self.units, root: Node::Chain(nodes), holds: self.holds, groups, cut_points: self.cut_points }
    }
}

/// The usual classifier: average pooling, then one linear layer called `name`.
pub fn linear_top(name: &str, channels: usize) -> Graph {
    let mut net = GraphBuilder::top();
    let linear = net.conv(name, ConvSpec::new(channels, 1000, 1).activation(Activation::None));
    net.finish(vec![Node::AdaptiveAvg(1), linear])
}
