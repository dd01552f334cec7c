//! Writes the networks of fastai as ONNX models.
//!
//! A body is a [`Graph`] of the language and a head is a list of layers, so a model follows from them and the tensors by
//! name. Nodes keep the structure of the graph: batch norms are nodes of their own, which every runtime folds by itself.

#![forbid(unsafe_code)]

pub mod proto;
mod walk;

use fastai_dsl::TaskKind;
use fastai_dsl::arch::graph::Graph;
use prost::Message;

use proto::{
    DimensionLength, DimensionProto, ElementType, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use walk::NodeWalk;

/// The version of ONNX's operators; the first with `Gelu`.
pub const OPSET: i64 = 20;
/// The version of the format that came with [`OPSET`].
const IR_VERSION: i64 = 9;

/// A network without its tensors.
#[derive(Clone, Copy, Debug)]
pub struct NetworkShape<'a> {
    /// The convolutions. Its tensors are called `body.` and their published names.
    pub body: &'a Graph,
    /// Inputs and outputs of each linear layer of the head. The tensors of layer `i` are `head.layers.i.linear.weight`
    /// (`[input, output]`), `.linear.bias`, and `head.layers.i.norm.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub head: &'a [[usize; 2]],
    /// Added to the variance in the head's norms.
    pub head_epsilon: f64,
}

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ModelInput {
    /// `input`: normalised pixels, float32 `[batch, 3, side, side]`.
    Normalised,
    /// `pixels`: 8-bit RGB, `[batch, side, side, 3]`; the model divides by 255 and normalises.
    Pixels {
        /// Mean of each channel.
        mean: [f32; 3],
        /// Standard deviation of each channel.
        std: [f32; 3],
    },
}

/// The shape of a model from outside.
#[derive(Clone, Debug)]
pub struct ModelInterface {
    /// Side of the square that the network sees, pixels.
    pub side: usize,
    /// What it takes.
    pub input: ModelInput,
    /// What it predicts: `logits` and `probabilities` (classes or tags), or `values` (numbers), `[batch, classes]`.
    pub task: TaskKind,
    /// Facts about the model, by name.
    pub metadata: Vec<(String, String)>,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnnxError {
    /// A tensor is missing.
    Missing(String),
    /// A tensor has another number of values than the graph says.
    Length {
        /// Its name.
        tensor: String,
        /// Its values.
        found: usize,
        /// Those of the graph.
        wanted: usize,
    },
    /// The image is too small for a window.
    Side {
        /// Side of the image, pixels.
        side: usize,
        /// The node that needs more.
        node: String,
    },
}

impl std::error::Error for OnnxError {}

impl std::fmt::Display for OnnxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OnnxError::Missing(name) => write!(f, "the network has no tensor `{name}`"),
            OnnxError::Length { tensor, found, wanted } => {
                write!(f, "tensor `{tensor}` has {found} numbers, {wanted} wanted")
            }
            OnnxError::Side { side, node } => write!(f, "images of {side} pixels are too small for `{node}`"),
        }
    }
}

/// Builds the model of a network in evaluation. `tensor(name)` returns values in row-major order; each is asked for once.
///
/// The batch is a side called `batch`, chosen when the model runs. The side of the images is fixed, because paddings depend
/// on it.
///
/// # Errors
/// Missing tensors, tensors of another size, a side that is too small.
pub fn model(
    shape: &NetworkShape<'_>,
    interface: &ModelInterface,
    tensor: &mut dyn FnMut(&str) -> Option<Vec<f32>>,
) -> Result<ModelProto, OnnxError> {
    let side = interface.side;
    let mut walk = NodeWalk::new(tensor);
    let input = match interface.input {
        ModelInput::Normalised => value("input", ElementType::Float, &[None, Some(3), Some(side), Some(side)]),
        ModelInput::Pixels { mean, std } => {
            walk.normalise("pixels", "input", mean, std);
            value("pixels", ElementType::Uint8, &[None, Some(side), Some(side), Some(3)])
        }
    };
    let map = walk.body(shape.body, "input", side)?;
    let classes = shape.head.last().map_or(0, |[_, classes]| *classes);
    let outputs: &[&str] = match interface.task {
        TaskKind::Regression => &["values"],
        TaskKind::SingleLabel | TaskKind::MultiLabel => &["logits", "probabilities"],
    };
    walk.head(&map, shape.head, shape.head_epsilon, outputs[0])?;
    match interface.task {
        TaskKind::SingleLabel => walk.softmax(outputs[0], outputs[1]),
        TaskKind::MultiLabel => walk.sigmoid(outputs[0], outputs[1]),
        TaskKind::Regression => {}
    }
    let output = outputs.iter().map(|name| value(name, ElementType::Float, &[None, Some(classes)])).collect();
    let (node, initializer) = walk.finish();
    let graph = GraphProto { node, name: "fastai".to_owned(), initializer, input: vec![input], output };
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "fastai".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: interface
            .metadata
            .iter()
            .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
            .collect(),
    })
}

/// The bytes of a model file.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// Describes an input or output; a side of `None` is the batch.
fn value(name: &str, element: ElementType, sides: &[Option<usize>]) -> ValueInfoProto {
    let dim = sides
        .iter()
        .map(|side| match side {
            Some(side) => DimensionLength::Fixed(*side as i64),
            None => DimensionLength::Named("batch".to_owned()),
        })
        .map(|length| DimensionProto { value: Some(length) })
        .collect();
    let tensor = TensorTypeProto { elem_type: element as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fastai_dsl::arch::ARCHS;

    use super::*;
    use proto::{NodeProto, TensorProto};

    /// The tensors of a network by name, with their number of values.
    fn tensors(graph: &Graph, head: &[[usize; 2]]) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for unit in &graph.units {
            if let Some(conv) = &unit.conv {
                all.insert(format!("body.{conv}.weight"), unit.weights() as usize);
                if unit.spec.bias {
                    all.insert(format!("body.{conv}.bias"), unit.spec.output);
                }
            }
            if let Some(norm) = &unit.norm {
                let batch = matches!(unit.spec.norm, Some(fastai_dsl::arch::unit::NormSpec::Batch { .. }));
                let parts: &[&str] =
                    if batch { &["weight", "bias", "running_mean", "running_var"] } else { &["weight", "bias"] };
                all.extend(parts.iter().map(|part| (format!("body.{norm}.{part}"), unit.spec.output)));
            }
            all.extend(unit.layer_scale.iter().map(|scale| (format!("body.{scale}"), unit.spec.output)));
        }
        for (i, [input, output]) in head.iter().enumerate() {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                all.insert(format!("head.layers.{i}.norm.{part}"), *input);
            }
            all.insert(format!("head.layers.{i}.linear.weight"), input * output);
            all.insert(format!("head.layers.{i}.linear.bias"), *output);
        }
        all
    }

    /// Builds a model of zeros and checks that each tensor is used once.
    fn zeros(graph: &Graph, head: &[[usize; 2]], interface: &ModelInterface) -> ModelProto {
        let mut left = tensors(graph, head);
        let shape = NetworkShape { body: graph, head, head_epsilon: 1e-5 };
        let model = model(&shape, interface, &mut |name| left.remove(name).map(|length| vec![0.0; length])).unwrap();
        assert!(left.is_empty(), "without a node: {:?}", left.keys());
        model
    }

    fn interface(side: usize, task: TaskKind) -> ModelInterface {
        ModelInterface { side, input: ModelInput::Normalised, task, metadata: vec![("a".into(), "b".into())] }
    }

    fn check_structure(model: &ModelProto, name: &str) {
        let graph = model.graph.as_ref().unwrap();
        let mut known: BTreeSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        for TensorProto { name: tensor, dims, raw_data, data_type } in &graph.initializer {
            assert!(known.insert(tensor), "{name}: {tensor} twice");
            let values: i64 = dims.iter().product();
            assert_eq!(raw_data.len() as i64, 4 * values, "{name}: {tensor}");
            assert_eq!(*data_type, ElementType::Float as i32);
        }
        let mut used = BTreeSet::new();
        for NodeProto { input, output, name: node, .. } in &graph.node {
            for value in input {
                assert!(known.contains(value.as_str()), "{name}: {node} reads {value} before it is computed");
                used.insert(value.as_str());
            }
            for value in output {
                assert!(known.insert(value), "{name}: {value} is computed twice");
            }
        }
        for output in &graph.output {
            assert!(known.contains(output.name.as_str()), "{name}: {}", output.name);
            used.insert(&output.name);
        }
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "{name}: {unused:?} lead nowhere");
        let nodes: BTreeSet<&str> = graph.node.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(nodes.len(), graph.node.len(), "{name}: two nodes of one name");
    }

    #[test]
    fn every_architecture_becomes_a_sound_graph_that_uses_every_tensor() {
        for arch in ARCHS.iter() {
            let body = arch.blueprint().body;
            let head = [[arch.head_input() as usize, 8], [8, 3]];
            // Not a multiple of any stride, so that paddings differ on both sides.
            let side = (arch.min_size as usize).max(75);
            let model = zeros(&body, &head, &interface(side, TaskKind::SingleLabel));
            check_structure(&model, arch.name);
            let cut = body.without_last(1);
            let head = [[2 * cut.channels(), 3]];
            check_structure(&zeros(&cut, &head, &interface(side, TaskKind::MultiLabel)), arch.name);
        }
    }

    #[test]
    fn a_model_states_its_interface_and_survives_encoding() {
        let arch = fastai_dsl::arch::find("squeezenet1_1").unwrap();
        let body = arch.blueprint().body;
        let head = [[arch.head_input() as usize, 3]];
        let pixels = ModelInput::Pixels { mean: [0.5; 3], std: [0.25; 3] };
        let wanted = ModelInterface { input: pixels, ..interface(64, TaskKind::Regression) };
        let model = zeros(&body, &head, &wanted);
        check_structure(&model, "pixels");
        let graph = model.graph.as_ref().unwrap();
        let sides = |info: &ValueInfoProto| -> Vec<String> {
            let tensor = info.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
            let dims = tensor.shape.as_ref().unwrap().dim.iter();
            dims.map(|dim| match dim.value.as_ref().unwrap() {
                DimensionLength::Fixed(n) => n.to_string(),
                DimensionLength::Named(name) => name.clone(),
            })
            .collect()
        };
        assert_eq!(
            (graph.input[0].name.as_str(), sides(&graph.input[0]).join(" ")),
            ("pixels", "batch 64 64 3".into())
        );
        assert_eq!(graph.output.len(), 1);
        assert_eq!((graph.output[0].name.as_str(), sides(&graph.output[0]).join(" ")), ("values", "batch 3".into()));
        assert_eq!(ModelProto::decode(&encode(&model)[..]).unwrap(), model);
        assert_eq!(model.metadata_props[0].value, "b");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let arch = fastai_dsl::arch::find("squeezenet1_1").unwrap();
        let body = arch.blueprint().body;
        let shape = NetworkShape { body: &body, head: &[[1024, 3]], head_epsilon: 1e-5 };
        let build = |side, length: Option<usize>| {
            let mut values = |_: &str| length.map(|length| vec![0.0; length]);
            model(&shape, &interface(side, TaskKind::SingleLabel), &mut values).unwrap_err().to_string()
        };
        let first = body.units[0].name().to_owned();
        assert_eq!(build(64, None), format!("the network has no tensor `body.{first}.weight`"));
        assert!(build(64, Some(7)).ends_with("has 7 numbers, 1728 wanted"));
        assert!(build(2, Some(7)).contains("images of 2 pixels are too small"));
    }
}
