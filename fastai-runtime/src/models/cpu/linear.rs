//! A linear layer of the head in evaluation.

use burn::nn::Linear;
use burn::tensor::Tensor;
use fastai_kernels::{Isa, linear};

use crate::float;

/// The layer's output `[batch, output]`, if everything is on the CPU and no gradient is wanted.
///
/// burn's product copies the weights on every call, which takes longer than the product for a few images.
pub(in crate::models) fn evaluate_linear(layer: &Linear, x: &Tensor<2>) -> Option<Tensor<2>> {
    let ([rows, inputs], [_, columns]) = (x.dims(), layer.weight.lazy_shape().dims());
    let context = x.clone().into_dispatch().autodiff;
    let values = |(tensor, node): (_, Option<_>)| if node.is_none() { float::contiguous(tensor) } else { None };
    let input = values(float::parts(x.clone())?)?;
    let weights = values(float::parts(layer.weight.val())?)?;
    let bias = match &layer.bias {
        Some(bias) => Some(values(float::parts(bias.val())?)?),
        None => None,
    };
    let mut output = vec![0f32; rows * columns];
    let bias = bias.as_ref().map(float::Floats::values);
    linear::linear(Isa::detect(), input.values(), inputs, weights.values(), bias, &mut output);
    Some(float::tensor(output, [rows, columns], super::operation::is_enabled(context)))
}
