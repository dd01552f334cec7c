//! Gradients of several batches.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The sum of the gradients of batches that make one step together.
#[derive(Default)]
pub(super) struct Accumulated {
    sum: Option<GradientsParams>,
    batches: u32,
}

impl Accumulated {
    /// Adds the gradients of a batch of `module`.
    pub(super) fn add<M: Module>(&mut self, module: &M, grads: GradientsParams) {
        self.batches += 1;
        self.sum = Some(match self.sum.take() {
            None => grads,
            Some(mut sum) => {
                module.visit(&mut Sum { sum: &mut sum, other: grads });
                sum
            }
        });
    }

    /// Batches so far.
    pub(super) fn batches(&self) -> u32 {
        self.batches
    }

    /// The sum of what was added, which is then forgotten.
    pub(super) fn take(&mut self) -> GradientsParams {
        self.batches = 0;
        self.sum.take().unwrap_or_default()
    }

    /// The mean over the batches, which are then forgotten.
    pub(super) fn take_mean<M: Module>(&mut self, module: &M) -> GradientsParams {
        let batches = self.batches;
        let mut mean = self.take();
        if batches > 1 {
            module.visit(&mut ScaledGradients { grads: &mut mean, factor: 1.0 / f64::from(batches) });
        }
        mean
    }
}

struct Sum<'a> {
    sum: &'a mut GradientsParams,
    other: GradientsParams,
}

impl ModuleVisitor for Sum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.other.remove::<D>(param.id) else { return };
        let sum = match self.sum.remove::<D>(param.id) {
            Some(sum) => sum + grad,
            None => grad,
        };
        self.sum.register(param.id, sum);
    }
}

struct ScaledGradients<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for ScaledGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad.mul_scalar(self.factor));
        }
    }
}
