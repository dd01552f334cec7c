//! Nodes from a network's graph.

use fastai_dsl::arch::graph::{Graph, Node, UnitSpec};
use fastai_dsl::arch::unit::{Activation, ConvSpec, NormSpec, PoolArgs};

use crate::OnnxError;
use crate::proto::{AttributeProto, AttributeType, ElementType, NodeProto, TensorProto};

/// Collects nodes and constants.
pub(crate) struct NodeWalk<'a> {
    tensor: &'a mut dyn FnMut(&str) -> Option<Vec<f32>>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Side of the image, pixels.
    side: usize,
}

/// A value `[batch, channel, height, width]` of the graph.
#[derive(Clone, Debug)]
pub(crate) struct MapValue {
    name: String,
    /// Height and width.
    sides: [usize; 2],
}

impl<'a> NodeWalk<'a> {
    pub(crate) fn new(tensor: &'a mut dyn FnMut(&str) -> Option<Vec<f32>>) -> Self {
        NodeWalk { tensor, nodes: Vec::new(), constants: Vec::new(), side: 0 }
    }

    pub(crate) fn finish(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes, self.constants)
    }

    /// 8-bit pixels `[batch, side, side, 3]` to normalised ones `[batch, 3, side, side]`.
    pub(crate) fn normalise(&mut self, from: &str, to: &str, mean: [f32; 3], std: [f32; 3]) {
        let cast = self.node("Cast", &[from], vec![int("to", ElementType::Float as i64)]);
        let planes = self.node("Transpose", &[&cast], vec![ints("perm", &[0, 3, 1, 2])]);
        let factor: Vec<f32> = std.iter().map(|std| 1.0 / (255.0 * std)).collect();
        let shift: Vec<f32> = mean.iter().zip(&std).map(|(mean, std)| -mean / std).collect();
        self.constant("normalise.factor", &[3, 1, 1], &factor);
        self.constant("normalise.shift", &[3, 1, 1], &shift);
        let scaled = self.node("Mul", &[&planes, "normalise.factor"], vec![]);
        self.named("Add", &[&scaled, "normalise.shift"], vec![], to.to_owned());
    }

    /// The convolutions.
    pub(crate) fn body(&mut self, graph: &Graph, image: &str, side: usize) -> Result<MapValue, OnnxError> {
        self.side = side;
        self.walk(graph, &graph.root, MapValue { name: image.to_owned(), sides: [side; 2] })
    }

    /// Concat pooling, then batch norm and linear layers with ReLUs between them; the last value is called `output`.
    pub(crate) fn head(
        &mut self,
        map: &MapValue,
        layers: &[[usize; 2]],
        epsilon: f64,
        output: &str,
    ) -> Result<(), OnnxError> {
        let largest = self.node("GlobalMaxPool", &[&map.name], vec![]);
        let mean = self.node("GlobalAveragePool", &[&map.name], vec![]);
        let both = self.node("Concat", &[&largest, &mean], vec![int("axis", 1)]);
        let mut x = self.node("Flatten", &[&both], vec![int("axis", 1)]);
        for (i, [inputs, outputs]) in layers.iter().enumerate() {
            if i > 0 {
                x = self.node("Relu", &[&x], vec![]);
            }
            let normed = self.batch_norm(&format!("head.layers.{i}.norm"), &x, *inputs, epsilon)?;
            let linear = format!("head.layers.{i}.linear");
            let weight = self.weight(&format!("{linear}.weight"), &[*inputs, *outputs])?;
            let bias = self.weight(&format!("{linear}.bias"), &[*outputs])?;
            let last = i + 1 == layers.len();
            let name = if last { output.to_owned() } else { self.fresh("Gemm") };
            x = self.named("Gemm", &[&normed, &weight, &bias], vec![], name);
        }
        Ok(())
    }

    pub(crate) fn softmax(&mut self, from: &str, to: &str) {
        self.named("Softmax", &[from], vec![int("axis", 1)], to.to_owned());
    }

    pub(crate) fn sigmoid(&mut self, from: &str, to: &str) {
        self.named("Sigmoid", &[from], vec![], to.to_owned());
    }

    fn walk(&mut self, graph: &Graph, node: &Node, x: MapValue) -> Result<MapValue, OnnxError> {
        match node {
            Node::Unit(number) => self.unit(&graph.units[*number], x, None),
            Node::Chain(nodes) => nodes.iter().try_fold(x, |x, node| self.walk(graph, node, x)),
            Node::Residual { branch, last, shortcut, .. } => {
                let residual = self.walk(graph, shortcut, x.clone())?;
                let x = branch.iter().try_fold(x, |x, node| self.walk(graph, node, x))?;
                self.unit(&graph.units[*last], x, Some(residual))
            }
            Node::Concat(nodes) => {
                let maps = nodes.iter().map(|node| self.walk(graph, node, x.clone())).collect::<Result<Vec<_>, _>>()?;
                let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
                let name = self.node("Concat", &names, vec![int("axis", 1)]);
                Ok(MapValue { name, sides: maps.first().map_or(x.sides, |map| map.sides) })
            }
            Node::MaxPool(args) => self.pool("MaxPool", *args, x, vec![]),
            Node::AvgPool(args) => self.pool("AveragePool", *args, x, vec![int("count_include_pad", 0)]),
            Node::AdaptiveAvg(side) => Ok(self.adaptive(*side, x)),
            Node::Activate(activation) => {
                let name = self.activate(*activation, &x.name);
                Ok(MapValue { name, ..x })
            }
            Node::Gate(gate) => {
                let means = MapValue { name: self.node("GlobalAveragePool", &[&x.name], vec![]), sides: [1, 1] };
                let gate = self.walk(graph, gate, means)?;
                let name = self.node("Mul", &[&x.name, &gate.name], vec![]);
                Ok(MapValue { name, ..x })
            }
        }
    }

    /// Convolution, norm, factors, residual, activation.
    fn unit(&mut self, unit: &UnitSpec, x: MapValue, residual: Option<MapValue>) -> Result<MapValue, OnnxError> {
        let ConvSpec { output, scale, activation, norm, .. } = unit.spec;
        let mut y = x;
        if let Some(conv) = &unit.conv {
            y = self.convolution(conv, &unit.spec, &y)?;
        }
        if let (Some(norm), Some(kind)) = (&unit.norm, norm) {
            let name = format!("body.{norm}");
            y.name = match kind {
                NormSpec::Batch { epsilon, .. } => self.batch_norm(&name, &y.name, output, epsilon)?,
                NormSpec::Layer { epsilon } => self.layer_norm(&name, &y.name, output, epsilon)?,
            };
        }
        if scale != 1.0 {
            let factor = self.scalar(scale);
            y.name = self.node("Mul", &[&y.name, &factor], vec![]);
        }
        if let Some(layer_scale) = &unit.layer_scale {
            let factors = self.weight(&format!("body.{layer_scale}"), &[output, 1, 1])?;
            y.name = self.node("Mul", &[&y.name, &factors], vec![]);
        }
        if let Some(residual) = residual {
            y.name = self.node("Add", &[&y.name, &residual.name], vec![]);
        }
        y.name = self.activate(activation, &y.name);
        Ok(y)
    }

    fn convolution(&mut self, name: &str, spec: &ConvSpec, x: &MapValue) -> Result<MapValue, OnnxError> {
        let ConvSpec { input, output, kernel, stride, groups, padding, bias, .. } = *spec;
        let pads: [(usize, usize); 2] = std::array::from_fn(|axis| padding.along(x.sides[axis], kernel[axis], stride));
        for axis in 0..2 {
            self.fits(x.sides[axis] + pads[axis].0 + pads[axis].1, kernel[axis], name)?;
        }
        let mut inputs = vec![
            x.name.clone(),
            self.weight(&format!("body.{name}.weight"), &[output, input / groups, kernel[0], kernel[1]])?,
        ];
        if bias {
            inputs.push(self.weight(&format!("body.{name}.bias"), &[output])?);
        }
        let attributes = vec![
            ints("kernel_shape", &kernel),
            ints("strides", &[stride; 2]),
            ints("pads", &[pads[0].0, pads[1].0, pads[0].1, pads[1].1]),
            int("group", groups as i64),
        ];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.node("Conv", &inputs, attributes);
        Ok(MapValue { name, sides: spec.output_side(x.sides) })
    }

    fn batch_norm(&mut self, name: &str, x: &str, channels: usize, epsilon: f64) -> Result<String, OnnxError> {
        let mut inputs = vec![x.to_owned()];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.weight(&format!("{name}.{part}"), &[channels])?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.node("BatchNormalization", &inputs, vec![float("epsilon", epsilon as f32)]))
    }

    /// Normalises the channels of each pixel.
    fn layer_norm(&mut self, name: &str, x: &str, channels: usize, epsilon: f64) -> Result<String, OnnxError> {
        let weight = self.weight(&format!("{name}.weight"), &[channels])?;
        let bias = self.weight(&format!("{name}.bias"), &[channels])?;
        let last = self.node("Transpose", &[x], vec![ints("perm", &[0, 2, 3, 1])]);
        let attributes = vec![int("axis", -1), float("epsilon", epsilon as f32)];
        let normed = self.node("LayerNormalization", &[&last, &weight, &bias], attributes);
        Ok(self.node("Transpose", &[&normed], vec![ints("perm", &[0, 3, 1, 2])]))
    }

    /// A pool whose windows are those of the graph, by explicit paddings instead of `ceil_mode`, about which runtimes
    /// differ.
    fn pool(
        &mut self,
        op: &str,
        args: PoolArgs,
        x: MapValue,
        mut attributes: Vec<AttributeProto>,
    ) -> Result<MapValue, OnnxError> {
        let PoolArgs { kernel, stride, pad, .. } = args;
        for side in x.sides {
            self.fits(side + 2 * pad, kernel, op)?;
        }
        let sides = x.sides.map(|side| args.windows(side));
        let end: [usize; 2] =
            std::array::from_fn(|axis| ((sides[axis] - 1) * stride + kernel).saturating_sub(x.sides[axis] + pad));
        attributes.push(ints("kernel_shape", &[kernel; 2]));
        attributes.push(ints("strides", &[stride; 2]));
        attributes.push(ints("pads", &[pad, pad, end[0], end[1]]));
        let name = self.node(op, &[&x.name], attributes);
        Ok(MapValue { name, sides })
    }

    /// Adaptive average pooling to `side`, as products with the matrices of the windows' shares.
    fn adaptive(&mut self, side: usize, x: MapValue) -> MapValue {
        if side == 1 {
            return MapValue { name: self.node("GlobalAveragePool", &[&x.name], vec![]), sides: [1, 1] };
        }
        let shares = |length: usize| -> Vec<f32> {
            let mut shares = vec![0.0; side * length];
            for window in 0..side {
                let (from, to) = (window * length / side, ((window + 1) * length).div_ceil(side));
                shares[window * length..][from..to].fill(1.0 / (to - from) as f32);
            }
            shares
        };
        let [height, width] = x.sides;
        let rows = self.anonymous(&[side, height], &shares(height));
        let mut across = vec![0.0; width * side];
        for (index, share) in shares(width).into_iter().enumerate() {
            across[index % width * side + index / width] = share;
        }
        let columns = self.anonymous(&[width, side], &across);
        let tall = self.node("MatMul", &[&x.name, &columns], vec![]);
        MapValue { name: self.node("MatMul", &[&rows, &tall], vec![]), sides: [side; 2] }
    }

    fn activate(&mut self, activation: Activation, x: &str) -> String {
        match activation {
            Activation::None => x.to_owned(),
            Activation::Relu => self.node("Relu", &[x], vec![]),
            Activation::Relu6 => {
                let (low, high) = (self.scalar(0.0), self.scalar(6.0));
                self.node("Clip", &[x, &low, &high], vec![])
            }
            Activation::Silu => {
                let share = self.node("Sigmoid", &[x], vec![]);
                self.node("Mul", &[x, &share], vec![])
            }
            Activation::Sigmoid => self.node("Sigmoid", &[x], vec![]),
            Activation::HardSwish => self.node("HardSwish", &[x], vec![]),
            Activation::HardSigmoid => {
                self.node("HardSigmoid", &[x], vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)])
            }
            Activation::Gelu => self.node("Gelu", &[x], vec![]),
        }
    }

    fn fits(&self, side: usize, kernel: usize, node: &str) -> Result<(), OnnxError> {
        if side < kernel {
            return Err(OnnxError::Side { side: self.side, node: node.to_owned() });
        }
        Ok(())
    }

    /// A tensor of the network as a constant; returns its name.
    fn weight(&mut self, name: &str, sides: &[usize]) -> Result<String, OnnxError> {
        let values = (self.tensor)(name).ok_or_else(|| OnnxError::Missing(name.to_owned()))?;
        let wanted = sides.iter().product();
        if values.len() != wanted {
            return Err(OnnxError::Length { tensor: name.to_owned(), found: values.len(), wanted });
        }
        self.constant(name, sides, &values);
        Ok(name.to_owned())
    }

    fn scalar(&mut self, value: f32) -> String {
        self.anonymous(&[], &[value])
    }

    fn anonymous(&mut self, sides: &[usize], values: &[f32]) -> String {
        let name = format!("constant_{}", self.constants.len());
        self.constant(&name, sides, values);
        name
    }

    fn constant(&mut self, name: &str, sides: &[usize], values: &[f32]) {
        self.constants.push(TensorProto {
            dims: sides.iter().map(|side| *side as i64).collect(),
            data_type: ElementType::Float as i32,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
    }

    /// Adds a node with one output and returns the output's name.
    fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = self.fresh(op);
        self.named(op, inputs, attributes, name)
    }

    fn fresh(&self, op: &str) -> String {
        format!("{op}_{}", self.nodes.len())
    }

    fn named(&mut self, op: &str, inputs: &[&str], attribute: Vec<AttributeProto>, output: String) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op.to_owned(),
            attribute,
        });
        output
    }
}

fn attribute(name: &str, r#type: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: r#type as i32, ..AttributeProto::default() }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: values.iter().map(|value| *value as i64).collect(), ..attribute(name, AttributeType::Ints) }
}
