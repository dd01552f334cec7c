//! A network as an ONNX model.

use std::collections::HashMap;

use fastai_onnx::{ModelInterface, NetworkShape, OnnxError};

use super::network::Network;
use super::parameter;

/// Returns the bytes of a model that computes what `network` does in evaluation.
///
/// # Errors
/// A side of the image that is too small for the network.
pub fn onnx_model(network: &Network, interface: &ModelInterface) -> Result<Vec<u8>, OnnxError> {
    let mut tensors = HashMap::new();
    parameter::visit(network, |name, seen| {
        tensors.insert(name.to_owned(), (seen.read)());
    });
    let head = network.head.widths();
    let head_epsilon = network.head.layers.first().map_or(0.0, |layer| layer.norm.epsilon());
    let shape = NetworkShape { body: network.body.graph(), head: &head, head_epsilon };
    let model = fastai_onnx::model(&shape, interface, &mut |name| tensors.remove(name))?;
    Ok(fastai_onnx::encode(&model))
}
