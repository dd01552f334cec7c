//! The memory of a pass through a network, counted from its layers without building them.

use fastai_dsl::arch::graph::{Node, UnitSpec};
use fastai_dsl::arch::unit::{Activation, NormSpec};
use fastai_dsl::{BodyState, Plan, Recipe, Stage};
use serde::Serialize;

use super::facts;

/// Bytes per image in the body, in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActivationBytes {
    /// Stored from the forward pass until the backward pass uses them.
    pub kept: u64,
    /// The maps of the largest layer: its input and twice its output. Every pass needs them, and a frozen body needs
    /// nothing else.
    pub passing: u64,
}

/// Returns the bytes of a square image with a side of `size` pixels in the body of `arch` without its last `cut` modules,
/// while the layer groups from `first` on train.
///
/// The count covers the maps that backward passes read: the input of a convolution or batch norm, the output of an
/// activation. It excludes a library's workspace, such as unrolled windows.
///
/// # Panics
/// If `arch` is unknown or has fewer modules, or the image is smaller than the architecture
/// allows.
pub fn activation_bytes(arch: &str, cut: u32, size: usize, first: usize) -> ActivationBytes {
    let graph = facts(arch).blueprint().body.without_last(cut as usize);
    let mut count = Count { units: &graph.units, first, maps: Vec::new(), bytes: ActivationBytes::default() };
    let image = count.map([3, size, size], false);
    count.node(&graph.root, image);
    count.bytes
}

/// The memory of the network while a step processes images or features, bytes in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageMemory {
    /// Weights, gradients and the optimizer's state.
    pub weights: u64,
    /// The maps that a batch stores for the backward pass, and those of the largest layer.
    pub activations: u64,
}

impl StageMemory {
    /// Estimates the memory of a stage; `None` for steps without computation, and while the number of classes is unknown.
    pub fn of(recipe: &Recipe, plan: &Plan, stage: &Stage) -> Option<Self> {
        if !stage.step.runs_network() {
            return None;
        }
        let trains = stage.step.trains();
        let head = plan.groups.len() - 1;
        let first = if trains { stage.state.first_trainable } else { head };
        let model = recipe.model();
        let bytes = activation_bytes(model.arch.name(), model.cut, stage.state.size as usize, first);
        // The memory of the head on features is negligible.
        let image = if trains && stage.state.body == BodyState::Precomputed { 0 } else { bytes.kept + bytes.passing };
        Some(StageMemory {
            weights: stage.parameter_bytes(&plan.groups, recipe)?,
            activations: image * u64::from(stage.state.batch),
        })
    }

    /// Both together.
    pub fn total(self) -> u64 {
        self.weights + self.activations
    }
}

/// A tensor of the pass.
#[derive(Clone, Copy)]
struct PassMap {
    sides: [usize; 3],
    /// Whether a backward pass reaches the map.
    tracked: bool,
    kept: bool,
}

/// Number of a map.
type Id = usize;

struct Count<'a> {
    units: &'a [UnitSpec],
    first: usize,
    maps: Vec<PassMap>,
    bytes: ActivationBytes,
}

impl Count<'_> {
    fn map(&mut self, sides: [usize; 3], tracked: bool) -> Id {
        self.maps.push(PassMap { sides, tracked, kept: false });
        self.maps.len() - 1
    }

    fn size_of(&self, id: Id) -> u64 {
        4 * self.maps[id].sides.iter().product::<usize>() as u64
    }

    /// Records that an operation's backward pass reads the map; several may.
    fn keep(&mut self, id: Id) {
        if !std::mem::replace(&mut self.maps[id].kept, true) {
            self.bytes.kept += self.size_of(id);
        }
    }

    /// An operation with one input and no parameters, whose backward pass reads the input if `reads`.
    fn plain(&mut self, x: Id, sides: [usize; 3], reads: bool) -> Id {
        let tracked = self.maps[x].tracked;
        if tracked && reads {
            self.keep(x);
        }
        self.map(sides, tracked)
    }

    fn node(&mut self, node: &Node, x: Id) -> Id {
        let [channels, height, width] = self.maps[x].sides;
        match node {
            Node::Unit(number) => self.unit(*number, x, None),
            Node::Chain(nodes) => nodes.iter().fold(x, |x, node| self.node(node, x)),
            Node::Residual { branch, last, shortcut, .. } => {
                let residual = self.node(shortcut, x);
                let x = branch.iter().fold(x, |x, node| self.node(node, x));
                self.unit(*last, x, Some(residual))
            }
            Node::Concat(nodes) => {
                let parts: Vec<Id> = nodes.iter().map(|node| self.node(node, x)).collect();
                let channels = parts.iter().map(|part| self.maps[*part].sides[0]).sum();
                let [_, height, width] = parts.first().map_or([0; 3], |part| self.maps[*part].sides);
                let tracked = parts.iter().any(|part| self.maps[*part].tracked);
                self.map([channels, height, width], tracked)
            }
            Node::MaxPool(args) | Node::AvgPool(args) => {
                self.plain(x, [channels, args.windows(height), args.windows(width)], true)
            }
            Node::AdaptiveAvg(side) => self.plain(x, [channels, *side, *side], *side != 1),
            Node::Activate(activation) => self.activation(*activation, x),
            Node::Gate(gate) => {
                let means = self.plain(x, [channels, 1, 1], false);
                let factors = self.node(gate, means);
                let tracked = self.maps[x].tracked || self.maps[factors].tracked;
                if tracked {
                    self.keep(x);
                    self.keep(factors);
                }
                self.map([channels, height, width], tracked)
            }
        }
    }

    fn unit(&mut self, number: usize, x: Id, residual: Option<Id>) -> Id {
        let UnitSpec { conv, group, spec, .. } = &self.units[number];
        let learns = *group >= self.first;
        let tracked = learns || self.maps[x].tracked;
        let [_, height, width] = self.maps[x].sides;
        let mut y = x;
        if conv.is_some() {
            if tracked {
                self.keep(x);
            }
            let [height, width] = spec.output_side([height, width]);
            y = self.map([spec.output, height, width], tracked);
        }
        let passing = self.size_of(x) + 2 * self.size_of(y);
        self.bytes.passing = self.bytes.passing.max(passing);
        let alone = residual.is_none() && spec.scale == 1.0 && !spec.layer_scale;
        let clamps = spec.activation.bounds().is_some();
        if let Some(norm) = spec.norm {
            y = match norm {
                NormSpec::Batch { .. } => y,
                // Subtracting the mean stores nothing. The square, the quotient and the product read the centred map.
                NormSpec::Layer { .. } => self.plain(y, self.maps[y].sides, false),
            };
            if tracked {
                self.keep(y);
            }
            y = self.map(self.maps[y].sides, tracked);
            // One operation with the clamp, which reads that input again.
            if alone && clamps && matches!(norm, NormSpec::Batch { .. }) {
                return y;
            }
            if matches!(norm, NormSpec::Layer { .. }) {
                y = self.plain(y, self.maps[y].sides, true);
            }
        }
        if spec.layer_scale {
            y = self.plain(y, self.maps[y].sides, true);
        }
        if let Some(residual) = residual {
            let tracked = tracked || self.maps[residual].tracked;
            y = self.map(self.maps[y].sides, tracked);
        }
        self.activation(spec.activation, y)
    }

    fn activation(&mut self, activation: Activation, x: Id) -> Id {
        let PassMap { sides, tracked, .. } = self.maps[x];
        match activation {
            Activation::None => x,
            Activation::Relu | Activation::Sigmoid => {
                let y = self.map(sides, tracked);
                if tracked {
                    self.keep(y);
                }
                y
            }
            Activation::Relu6 => self.plain(x, sides, true),
            // A clamp of a multiple of the input.
            Activation::HardSigmoid => {
                let line = self.plain(x, sides, false);
                self.plain(line, sides, true)
            }
            // The input times one plus the error function of its scaled value: stores each factor and the function's
            // argument.
            Activation::Gelu => {
                let part = self.plain(x, sides, true);
                let share = self.plain(part, sides, true);
                self.plain(share, sides, true)
            }
            // The product of the input and its (hard) sigmoid: the gradient of each reads the other.
            Activation::Silu | Activation::HardSwish => {
                let hard = activation == Activation::HardSwish;
                let sigmoid = self.activation(if hard { Activation::HardSigmoid } else { Activation::Sigmoid }, x);
                if tracked {
                    self.keep(x);
                    self.keep(sigmoid);
                }
                self.map(sides, self.maps[sigmoid].tracked)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the floating-point tensors that PyTorch saves for the backward pass of torchvision's bodies at 224 px, by
    /// `tools/reference_activations.py`.
    const PYTORCH: &[(&str, u64)] = &[
        ("resnet18", 20_591_360),
        ("resnet34", 30_641_408),
        ("resnet50", 84_401_920),
        ("resnext50_32x4d", 110_724_352),
        ("squeezenet1_1", 17_060_096),
        ("vgg16_bn", 115_020_288),
        ("densenet121", 128_718_208),
    ];

    #[test]
    fn training_keeps_what_pytorch_saves() {
        for (arch, saved) in PYTORCH {
            let kept = activation_bytes(arch, 0, 224, 0).kept;
            let ratio = kept as f64 / *saved as f64;
            assert!((0.98..1.02).contains(&ratio), "{arch}: {kept} of {saved}");
        }
    }

    #[test]
    fn frozen_groups_keep_nothing() {
        for arch in fastai_dsl::arch::ARCHS.iter().map(|arch| arch.name) {
            let [all, late, head] = [0, 1, 2].map(|first| activation_bytes(arch, 0, 224, first));
            assert!(all.kept > late.kept && late.kept > 0, "{arch}: {all:?} {late:?}");
            assert_eq!(head.kept, 0, "{arch}");
            assert!(head.passing > 0 && head.passing == all.passing, "{arch}");
            assert!(activation_bytes(arch, 0, 299, 0).kept > all.kept, "{arch}");
        }
    }
}
