//! Kernels over the numbers of a parameter on the CPU.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::float;

/// Calls `kernel` with the numbers of the weight, of the gradient and of each kept tensor (zeros where there is none);
/// returns the weight, or gives the operands back where they are on another device.
#[allow(clippy::result_large_err)] // the operands themselves come back
pub(super) fn in_place<const D: usize>(
    weight: Tensor<D>,
    grad: Tensor<D>,
    kept: &mut [Option<Tensor<D>>],
    kernel: impl FnOnce(&mut [f32], &mut [f32], &mut [&mut [f32]]),
) -> Result<Tensor<D>, (Tensor<D>, Tensor<D>)> {
    let dims = weight.dims();
    let mut weight = match float::owned(weight) {
        Ok(weight) => weight,
        Err(weight) => return Err((weight, grad)),
    };
    let mut grad = match float::owned(grad) {
        Ok(grad) => grad,
        Err(grad) => return Err((float::wrap(weight), grad)),
    };
    let zeros = || float::primitive(vec![0.0; dims.iter().product()], dims.to_vec());
    let taken = |place: &mut Option<Tensor<D>>| -> FlexTensor {
        let elsewhere = |_| unreachable!("what is kept was made where the weight is");
        place.take().map_or_else(zeros, |tensor| float::owned(tensor).unwrap_or_else(elsewhere))
    };
    let mut states: Vec<FlexTensor> = kept.iter_mut().map(taken).collect();
    let mut numbers: Vec<&mut [f32]> = states.iter_mut().map(FlexTensor::storage_mut::<f32>).collect();
    kernel(weight.storage_mut(), grad.storage_mut(), &mut numbers);
    for (place, state) in kept.iter_mut().zip(states) {
        *place = Some(float::wrap(state));
    }
    Ok(float::wrap(weight))
}
