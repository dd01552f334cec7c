//! SqueezeNet 1.1, <https://arxiv.org/abs/1602.07360>, as torchvision has it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::kernels::max_pool;

use super::conv_norm::{ConvNorm, ConvSpec, Padding};
use super::norm::Pass;

/// Squeezes the channels with a 1x1 convolution, expands them with 1x1 and 3x3 ones side by side.
#[derive(Module, Debug)]
pub struct Fire {
    squeeze: ConvNorm,
    expand1x1: ConvNorm,
    expand3x3: ConvNorm,
}

impl Fire {
    fn new(input: usize, squeeze: usize, expand: usize, seed: u64, index: u64, device: &Device) -> Self {
        let conv = |input, output, kernel, place: u64| {
            ConvNorm::new(ConvSpec::new(input, output, kernel), seed, index + place, device)
        };
        Self {
            squeeze: conv(input, squeeze, 1, 0),
            expand1x1: conv(squeeze, expand, 1, 1),
            expand3x3: conv(squeeze, expand, 3, 2),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let x = self.squeeze.forward(x, pass);
        Tensor::cat(vec![self.expand1x1.forward(x.clone(), pass), self.expand3x3.forward(x, pass)], 1)
    }
}

/// The body, `features.0` to `features.12` of torchvision; 512 channels come out.
#[derive(Module, Debug)]
pub struct SqueezeNet {
    stem: ConvNorm,
    fires: Vec<Fire>,
}

/// Place of each fire module in torchvision's `features`.
const PLACES: [usize; 8] = [3, 4, 6, 7, 9, 10, 11, 12];
/// Fire modules (by number) that a pool comes before.
const POOLS: [usize; 3] = [0, 2, 4];

impl SqueezeNet {
    /// Random weights.
    pub fn new(seed: u64, device: &Device) -> Self {
        let widths = [16, 16, 32, 32, 48, 48, 64, 64];
        let mut input = 64;
        let fires = widths
            .iter()
            .enumerate()
            .map(|(i, &squeeze)| {
                let fire = Fire::new(input, squeeze, 4 * squeeze, seed, 1 + 3 * i as u64, device);
                input = 8 * squeeze;
                fire
            })
            .collect();
        let stem = ConvSpec::new(3, 64, 3).stride(2).padding(Padding::Symmetric(0));
        Self { stem: ConvNorm::new(stem, seed, 0, device), fires }
    }

    /// `[batch, 3, height, width]` to `[batch, 512, about height / 16, about width / 16]`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let mut x = self.stem.forward(x, pass);
        for (number, fire) in self.fires.iter().enumerate() {
            if POOLS.contains(&number) {
                x = max_pool(x, 3, 2);
            }
            x = fire.forward(x, pass);
        }
        x
    }

    /// torchvision's name of the parameter at `path` in this module.
    pub(super) fn published_name(path: &str) -> String {
        if let Some(rest) = path.strip_prefix("stem.") {
            return format!("features.0.{rest}");
        }
        let fire = path.strip_prefix("fires.").and_then(|rest| rest.split_once('.'));
        match fire.and_then(|(n, rest)| Some((n.parse::<usize>().ok()?, rest))) {
            Some((number, rest)) => format!("features.{}.{rest}", PLACES[number]),
            None => path.to_owned(),
        }
    }

    /// Layer group of the parameter with torchvision's `name`: `features.0` to `features.4`, then the rest.
    pub(super) fn group_of(name: &str) -> usize {
        let place = name.strip_prefix("features.").and_then(|rest| rest.split('.').next());
        usize::from(place.and_then(|p| p.parse::<usize>().ok()).is_none_or(|p| p > 4))
    }
}
