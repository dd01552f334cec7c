//! Networks, heads and weights.
//!
//! A [`Network`] is a [`Body`] (the convolutions), concat pooling, and a [`Head`]. A body consists of the unit
//! [`ConvNorm`]: the language describes each architecture as a [graph](fastai_dsl::arch::graph), and a body adds weights
//! and walks it. `forward(&self, ..)` evaluates and never changes anything; `forward_train(&mut self, ..)` uses batch
//! statistics, draws dropout from the given stream, and updates the running statistics; methods with a pass do what it says.
//! Nothing depends on the device's random numbers or on an ambient mode.

pub mod body;
pub mod checkpoint;
pub mod classifier;
pub mod conv_norm;
mod cpu;
pub mod describe;
mod error;
pub mod head;
mod imagenet;
pub mod init;
pub mod layer_norm;
pub mod mean;
pub mod memory;
pub mod network;
pub mod norm;
mod number_type;
mod onnx;
mod optimizer_file;
pub mod parameter;
pub mod pool;
pub mod safetensors_file;
mod tensor_file;
mod tensor_file_error;
mod torch;
mod unit_times;
pub mod weights;

use fastai_dsl::{ArchFacts, arch};

pub use body::Body;
pub(crate) use checkpoint::DEFAULT_THRESHOLD;
pub use checkpoint::{ModelDigest, ModelMeta, load_model, read_model, read_model_bytes, save_model, verify_model};
pub use classifier::Classifier;
pub use conv_norm::{ConvNorm, Norm};
pub use describe::{LayerRow, describe, describe_cut, describe_top, map_sides};
pub use error::{MissingWeights, WantedWeights, WeightsError};
pub use head::Head;
pub use imagenet::imagenet_classes;
pub use layer_norm::LayerNorm;
pub use mean::NetworkMean;
pub use memory::{ActivationBytes, StageMemory, activation_bytes};
pub use network::Network;
pub use norm::{BatchNorm, Pass};
pub use onnx::onnx_model;
pub use optimizer_file::{load_state, save_state, verify_state};
pub use parameter::ParameterInfo;
pub use unit_times::{PassDirection, UnitTime, unit_times};
pub use weights::{body_digest, load_body, load_classifier, resolve};

/// The architecture called `name`.
///
/// # Panics
/// If it is unknown; that of a checked recipe never is.
fn facts(name: &str) -> &'static ArchFacts {
    arch::find(name).expect("a checked recipe names a known architecture")
}
