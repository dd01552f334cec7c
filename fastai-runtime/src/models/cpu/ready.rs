//! A unit that has nothing to learn from a pass: its norm and factors are part of its convolution, whose weights are packed.

use std::sync::{Arc, OnceLock};

use fastai_kernels::conv::Window;
use fastai_kernels::convolution::Convolution;
use fastai_kernels::{Finish, Isa, MapMut, ReachedTaps, activation, layer_norm, norm};

use super::super::conv_norm::{Conv, ConvNorm, Norm};
use super::feature_map::FeatureMap;
use super::shape;
use crate::float::{Floats, floats};

/// What is made of a frozen unit for the kernels when it first runs, and shared by the clones of its body from then on.
#[derive(Clone, Debug, Default)]
pub(in crate::models) struct ReadyUnit(OnceLock<Arc<Ready>>);

impl ReadyUnit {
    /// The unit, made ready unless it is.
    ///
    /// # Panics
    /// If its tensors are on another device.
    pub(super) fn of(&self, unit: &ConvNorm) -> &Ready {
        self.0.get_or_init(|| Arc::new(Ready::new(unit).expect("a body on the CPU")))
    }

    #[cfg(test)]
    pub(in crate::models) fn is_made(&self) -> bool {
        self.0.get().is_some()
    }
}

/// A unit for evaluation. It is made of the values at one moment and knows nothing of later ones.
#[derive(Debug)]
pub(super) struct Ready {
    /// The convolution for every window, packed when it is first needed.
    whole: OnceLock<Convolution>,
    /// That of the first window of which only some taps read pixels.
    reached: OnceLock<(Window, Convolution)>,
    /// Of each channel; part of the weights where there is a convolution.
    scale: Vec<f32>,
    shift: Vec<f32>,
    layer_norm: Option<LayerNormValues>,
}

/// Weight, bias and epsilon of a layer norm.
#[derive(Debug)]
pub(super) struct LayerNormValues {
    pub(super) weight: Floats,
    pub(super) bias: Floats,
    pub(super) epsilon: f32,
}

impl LayerNormValues {
    pub(super) fn kernel(&self) -> layer_norm::LayerNormWeights<'_> {
        let Self { weight, bias, epsilon } = self;
        layer_norm::LayerNormWeights { weight: weight.values(), bias: bias.values(), epsilon: *epsilon }
    }
}

impl Ready {
    /// Folds and packs a unit, unless its tensors are on another device.
    fn new(unit: &ConvNorm) -> Option<Self> {
        let spec = unit.spec();
        let channels = spec.output;
        let (mut scale, mut shift) = match &unit.norm {
            Some(Norm::Batch(norm)) => {
                let (scale, shift) = norm.affine();
                (floats(scale)?.values().to_vec(), floats(shift)?.values().to_vec())
            }
            _ => (vec![1.0; channels], vec![0.0; channels]),
        };
        if let Some(factor) = factor(unit)? {
            scale.iter_mut().zip(&factor).for_each(|(scale, factor)| *scale *= factor);
            shift.iter_mut().zip(&factor).for_each(|(shift, factor)| *shift *= factor);
        }
        let layer_norm = match &unit.norm {
            Some(Norm::Layer(norm)) => Some(LayerNormValues {
                weight: floats(norm.weight.val())?,
                bias: floats(norm.bias.val())?,
                epsilon: norm.epsilon() as f32,
            }),
            _ => None,
        };
        if let Some(conv) = &unit.conv {
            floats(conv.weight.val())?;
            if let Some(bias) = &conv.bias {
                let bias = floats(bias.val())?;
                for ((shift, scale), bias) in shift.iter_mut().zip(&scale).zip(bias.values()) {
                    *shift += bias * scale;
                }
            }
        }
        Some(Self { whole: OnceLock::new(), reached: OnceLock::new(), scale, shift, layer_norm })
    }

    /// The convolution of the unit that this was made of, for that window.
    fn convolution(&self, unit: &ConvNorm, conv: &Conv, window: Window) -> &Convolution {
        let sides = shape::sides(unit.spec());
        let weights = || folded(&floats(conv.weight.val()).expect("a body on the CPU"), &self.scale);
        if ReachedTaps::of(sides, window).is_some() {
            let pack = || (window, Convolution::within(Isa::detect(), &weights(), sides, window));
            let (of, reached) = self.reached.get_or_init(pack);
            if *of == window {
                return reached;
            }
        }
        self.whole.get_or_init(|| Convolution::new(Isa::detect(), &weights(), sides))
    }

    /// The unit's output.
    pub(super) fn run(&self, unit: &ConvNorm, x: &FeatureMap, residual: Option<&FeatureMap>, output: &mut MapMut<'_>) {
        let (isa, spec) = (Isa::detect(), unit.spec());
        let clamp = shape::clamp(spec.activation);
        let residual = residual.map(FeatureMap::map);
        match (&unit.conv, &self.layer_norm) {
            (Some(conv), _) => {
                let finish = Finish { bias: Some(&self.shift), residual, clamp };
                let window = shape::window(spec, x.shape());
                self.convolution(unit, conv, window).run(x.map(), window, output, finish);
            }
            (None, None) => norm::affine(isa, x.map(), &self.scale, &self.shift, residual, clamp, output),
            (None, Some(_)) => {}
        }
        if let Some(values) = &self.layer_norm {
            let x = unit.conv.is_none().then(|| x.map());
            layer_norm::layer_norm(isa, x, values.kernel(), output);
        }
        if let Some(smooth) = shape::smooth(spec.activation) {
            activation::activate(isa, smooth, None, output);
        }
    }
}

/// Weights with the factor of each output channel.
fn folded(weights: &Floats, scale: &[f32]) -> Vec<f32> {
    let mut weights = weights.values().to_vec();
    let each = weights.len() / scale.len().max(1);
    for (weights, scale) in weights.chunks_exact_mut(each.max(1)).zip(scale) {
        weights.iter_mut().for_each(|weight| *weight *= scale);
    }
    weights
}

/// What the norm's output is multiplied by before a residual is added, if that changes it. None if the tensor is on another
/// device.
#[allow(clippy::option_option)]
pub(super) fn factor(unit: &ConvNorm) -> Option<Option<Vec<f32>>> {
    let spec = unit.spec();
    let scale = match &unit.layer_scale {
        Some(scale) => Some(floats::<3>(scale.val())?),
        None => None,
    };
    Some(match scale.as_ref().map(Floats::values) {
        Some(values) => Some(values.iter().map(|value| value * spec.scale).collect()),
        None => (spec.scale != 1.0).then(|| vec![spec.scale; spec.output]),
    })
}
