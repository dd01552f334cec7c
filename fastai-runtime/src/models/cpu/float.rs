//! Numbers of burn's CPU tensors without a copy, and tensors made of numbers.

use burn::backend::autodiff::NodeId;
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};

/// Numbers of a tensor, in the order of its sides.
#[derive(Clone, Debug)]
pub(super) struct Floats(FlexTensor);

impl Floats {
    pub(super) fn values(&self) -> &[f32] {
        self.0.storage()
    }
}

/// The tensor of the CPU backend, and its node if a backward pass would reach it.
pub(super) fn parts<const D: usize>(tensor: Tensor<D>) -> Option<(FlexTensor, Option<NodeId>)> {
    let (tensor, node) = match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => (tensor, None),
        DispatchTensorKind::Autodiff(inner) => match *inner {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => {
                let node = tensor.is_tracked().then(|| tensor.id());
                (tensor.into_primitive(), node)
            }
            _ => return None,
        },
        _ => return None,
    };
    Some((tensor, node))
}

/// Numbers of a tensor of 32-bit floats on the CPU.
pub(super) fn floats<const D: usize>(tensor: Tensor<D>) -> Option<Floats> {
    let (tensor, _) = parts(tensor)?;
    contiguous(tensor)
}

pub(super) fn contiguous(tensor: FlexTensor) -> Option<Floats> {
    (tensor.dtype() == DType::F32).then(|| Floats(tensor.to_contiguous()))
}

/// A tensor of the CPU backend.
pub(super) fn primitive(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape)), DType::F32)
}

/// A tensor without gradients, on a device with or without autodiff as `like`.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], autodiff: bool) -> Tensor<D> {
    let inner = Tensor::from_dispatch(burn::backend::DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(primitive(values, shape.to_vec()))),
        autodiff: Default::default(),
    });
    if autodiff { Tensor::from_inner(inner) } else { inner }
}
