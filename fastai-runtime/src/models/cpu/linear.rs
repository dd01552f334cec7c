//! A layer of the head in evaluation.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::Tensor;
use fastai_kernels::{Isa, linear};

use super::super::norm::BatchNorm;
use super::operation::is_enabled;
use crate::float::{self, Floats};

/// The outputs `[batch, output]` of a batch norm and a linear layer on inputs that are clamped to at least 0 before if
/// `rectified`. None unless everything is on the CPU and no gradient is wanted.
///
/// burn's product copies the weights on every call, which takes longer than the product for a few images, as does each
/// operation of a norm.
pub(in crate::models) fn evaluate_layer(
    norm: &BatchNorm,
    layer: &Linear,
    x: &Tensor<2>,
    rectified: bool,
) -> Option<Tensor<2>> {
    let ([rows, inputs], [_, columns]) = (x.dims(), layer.weight.lazy_shape().dims());
    let context = x.clone().into_dispatch().autodiff;
    let (weights, bias) = (parameter(&layer.weight)?, layer.bias.as_ref().map(parameter));
    let bias = match &bias {
        Some(bias) => Some(bias.as_ref()?.values()),
        None => None,
    };
    let mut x = values(x.clone())?.values().to_vec();
    if rectified {
        // A NaN stays one.
        x.iter_mut().filter(|x| **x < 0.0).for_each(|x| *x = 0.0);
    }
    normalise(norm, &mut x)?;
    let mut output = vec![0f32; rows * columns];
    linear::linear(Isa::detect(), &x, inputs, weights.values(), bias, &mut output);
    Some(float::tensor(output, [rows, columns], is_enabled(context)))
}

/// Normalises rows with the running statistics.
fn normalise(norm: &BatchNorm, rows: &mut [f32]) -> Option<()> {
    let [weight, bias, mean, variance] =
        [&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var].map(parameter);
    let (weight, bias, mean, variance) = (weight?, bias?, mean?, variance?);
    let epsilon = norm.epsilon() as f32;
    let scale =
        weight.values().iter().zip(variance.values()).map(|(weight, variance)| weight / (variance + epsilon).sqrt());
    let scale: Vec<f32> = scale.collect();
    for row in rows.chunks_exact_mut(scale.len().max(1)) {
        let columns = row.iter_mut().zip(mean.values()).zip(&scale).zip(bias.values());
        columns.for_each(|(((x, mean), scale), bias)| *x = (*x - mean) * scale + bias);
    }
    Some(())
}

fn parameter<const D: usize>(parameter: &Param<Tensor<D>>) -> Option<Floats> {
    values(parameter.val())
}

/// Numbers on the CPU that no backward pass would reach.
fn values<const D: usize>(tensor: Tensor<D>) -> Option<Floats> {
    match float::parts(tensor)? {
        (tensor, None) => float::contiguous(tensor),
        (_, Some(_)) => None,
    }
}
