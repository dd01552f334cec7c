//! Numbers of burn's CPU tensors without a copy, and tensors made of numbers.

use burn::backend::autodiff::NodeId;
use burn::backend::{BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};

/// Numbers of a tensor, in the order of its sides.
#[derive(Clone, Debug)]
pub(crate) struct Floats(FlexTensor);

impl Floats {
    pub(crate) fn values(&self) -> &[f32] {
        self.0.storage()
    }
}

/// The tensor of the CPU backend, and its node if a backward pass would reach it.
pub(crate) fn parts<const D: usize>(tensor: Tensor<D>) -> Option<(FlexTensor, Option<NodeId>)> {
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
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Option<Floats> {
    let (tensor, _) = parts(tensor)?;
    contiguous(tensor)
}

/// Its numbers to write, if it is a tensor of 32-bit floats on the CPU without autodiff. Nobody else should have the tensor,
/// or the numbers are copied.
#[allow(clippy::result_large_err)] // the tensor itself comes back
pub(crate) fn owned<const D: usize>(tensor: Tensor<D>) -> Result<FlexTensor, Tensor<D>> {
    let dispatch = tensor.into_dispatch();
    match dispatch.kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) if tensor.dtype() == DType::F32 => {
            Ok(tensor.to_contiguous())
        }
        kind => Err(Tensor::from_dispatch(DispatchTensor { kind, ..dispatch })),
    }
}

/// The tensor of numbers on the CPU.
pub(crate) fn wrap<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    let kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled })
}

/// Its numbers, if they are of 32 bits.
pub(crate) fn contiguous(tensor: FlexTensor) -> Option<Floats> {
    (tensor.dtype() == DType::F32).then(|| Floats(tensor.to_contiguous()))
}

/// A tensor of the CPU backend.
pub(crate) fn primitive(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape)), DType::F32)
}

/// A tensor without gradients, on a device with or without autodiff.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], autodiff: bool) -> Tensor<D> {
    let inner = wrap(primitive(values, shape.to_vec()));
    if autodiff { Tensor::from_inner(inner) } else { inner }
}
