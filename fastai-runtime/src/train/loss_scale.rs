//! The factor of the loss where gradients are 16-bit floats of a small range.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::models::Network;

/// The factor at the start, PyTorch's.
const START: f64 = 65_536.0;
/// Steps without an overflow after which the factor doubles.
const INTERVAL: u32 = 2_000;
/// Bounds of the factor: powers of two that a 32-bit float holds with room to spare.
const BOUNDS: [f64; 2] = [1.0 / 16_777_216.0, 16_777_216.0];

/// The factor that keeps small gradients above the smallest 16-bit float, by the rule of PyTorch's `GradScaler`: it halves when a
/// gradient overflows, whose step is left out, and doubles after 2,000 steps without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f64,
    steps: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale { factor: START, steps: 0 }
    }
}

impl LossScale {
    /// The factor of the loss, a power of two.
    pub fn factor(self) -> f64 {
        self.factor
    }

    /// Whether a training run can be here; the values may come from a file.
    pub fn is_possible(self) -> bool {
        (BOUNDS[0]..=BOUNDS[1]).contains(&self.factor) && self.factor.log2().fract() == 0.0 && self.steps < INTERVAL
    }

    /// The gradients of the loss itself, or none if one of them overflowed; adjusts the factor for the next step.
    pub(super) fn unscaled(
        &mut self,
        network: &Network,
        mut grads: GradientsParams,
        device: &Device,
    ) -> Option<GradientsParams> {
        let mut unscaling =
            Unscaling { grads: &mut grads, factor: 1.0 / self.factor, check: Tensor::zeros([1], device) };
        network.visit(&mut unscaling);
        // Any infinity or NaN makes the sum of all products with zero a NaN.
        let finite = unscaling.check.into_scalar::<f32>() == 0.0;
        if !finite {
            *self = LossScale { factor: (self.factor / 2.0).max(BOUNDS[0]), steps: 0 };
            return None;
        }
        self.steps += 1;
        if self.steps == INTERVAL {
            *self = LossScale { factor: (self.factor * 2.0).min(BOUNDS[1]), steps: 0 };
        }
        Some(grads)
    }
}

struct Unscaling<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
    check: Tensor<1>,
}

impl ModuleVisitor for Unscaling<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return };
        self.check = self.check.clone() + grad.clone().mul_scalar(0.0).sum();
        self.grads.register(param.id, grad.mul_scalar(self.factor));
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::HeadSpec;

    use super::*;

    fn network(device: &Device) -> Network {
        let head = HeadSpec { hidden: vec![], dropout: vec![0.0] };
        Network::new("squeezenet1_1", &head, 2, 1, device).set_frozen(2, false)
    }

    /// Gradients of one value each.
    fn gradients(network: &Network, value: f32, device: &Device) -> GradientsParams {
        struct Fill<'a>(GradientsParams, f32, &'a Device);
        impl ModuleVisitor for Fill<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    self.0.register(param.id, Tensor::<D>::full(param.val().shape(), self.1, self.2));
                }
            }
        }
        let mut fill = Fill(GradientsParams::new(), value, device);
        network.visit(&mut fill);
        fill.0
    }

    #[test]
    fn the_factor_follows_the_overflows() {
        let device = Device::flex();
        let network = network(&device.clone().autodiff());
        let mut scale = LossScale::default();
        for overflow in [f32::INFINITY, f32::NAN] {
            assert!(scale.unscaled(&network, gradients(&network, overflow, &device), &device).is_none());
        }
        assert_eq!(scale, LossScale { factor: START / 4.0, steps: 0 });
        let grads = scale.unscaled(&network, gradients(&network, 32.0, &device), &device).unwrap();
        let trained = network.parameters().into_iter().find(|p| p.trainable && p.shape.len() == 2).unwrap();
        let value: f32 = grads.get::<2>(trained.id).unwrap().max().into_scalar();
        assert_eq!(f64::from(value), 32.0 / (START / 4.0));
        scale.steps = INTERVAL - 1;
        scale.unscaled(&network, gradients(&network, 1.0, &device), &device).unwrap();
        assert_eq!(scale, LossScale { factor: START / 2.0, steps: 0 });
    }

    #[test]
    fn what_no_run_can_reach_is_told_apart() {
        assert!(LossScale::default().is_possible());
        for (factor, steps) in
            [(3.0, 0), (0.0, 0), (f64::NAN, 0), (f64::INFINITY, 0), (-2.0, 0), (1e-30, 0), (2.0, INTERVAL)]
        {
            assert!(!LossScale { factor, steps }.is_possible(), "{factor} {steps}");
        }
    }
}
