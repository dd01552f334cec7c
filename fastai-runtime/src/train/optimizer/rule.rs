//! The update of one tensor.

use burn::tensor::Tensor;

use super::in_place::in_place;

/// The update rule of one tensor.
pub trait Rule: Send + Sized {
    /// Names of the state tensors per parameter, such as `velocity`.
    const KEEPS: &'static [&'static str];

    /// The factors of a step, in the precision of the weights.
    type Factors: Copy;

    /// The factors of a step.
    fn factors(&self, step: &TensorStep) -> Self::Factors;

    /// Performs a step over the numbers of a tensor on the CPU. `kept` has one slice per name in [`KEEPS`](Self::KEEPS); before
    /// the first step, their numbers are 0. The numbers of the gradient are not used afterwards.
    fn kernel(weight: &mut [f32], grad: &mut [f32], kept: &mut [&mut [f32]], factors: Self::Factors);

    /// Returns the new weights by burn's operations, on any device. `kept` is that of [`update`](Self::update).
    fn composed<const D: usize>(
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        factors: Self::Factors,
    ) -> Tensor<D>;

    /// Returns the new weights: in one pass over memory on the CPU, by burn's operations elsewhere. `kept` has one entry per name
    /// in [`KEEPS`](Self::KEEPS), empty before the first step; its values after the call are kept for the next step.
    fn update<const D: usize>(
        &self,
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: TensorStep,
    ) -> Tensor<D> {
        let factors = self.factors(&step);
        let updated = in_place(weight, grad, kept, |weight, grad, kept| Self::kernel(weight, grad, kept, factors));
        updated.unwrap_or_else(|(weight, grad)| Self::composed(weight, grad, kept, factors))
    }
}

/// The settings of one step for one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorStep {
    /// Learning rate.
    pub rate: f64,
    /// Weight decay.
    pub decay: f64,
    /// Share of the past in the moving average of the gradients.
    pub momentum: f64,
    /// Number of the step, from 1.
    pub number: u64,
}
