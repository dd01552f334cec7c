//! The backward pass through a tape.

use burn::backend::autodiff::NodeId;
use fastai_kernels::norm::{self, Clamped, GradientFactors, GradientSums};
use fastai_kernels::{Finish, Isa, Map, MapShape, activation, convolution, gate, layer_norm, layout, pool};

use super::super::unit_times::{PassDirection, timed};
use super::feature_map::FeatureMap;
use super::shape;
use super::tape::{KeptMap, MapNumber, Pool, Tape, TapeEntry, UnitEntry, UnitOutput};

/// Gradient of a parameter: its node, numbers and sides.
pub(super) type ParameterGradient = (NodeId, Vec<f32>, Vec<usize>);

/// Gradients on their way back.
struct Back {
    maps: Vec<Option<FeatureMap>>,
    parameters: Vec<ParameterGradient>,
}

/// Gradients of the parameters, and of map `input` if it has one, from that of map `output`.
pub(super) fn run(
    tape: Tape,
    output: MapNumber,
    gradient: FeatureMap,
    input: MapNumber,
) -> (Vec<ParameterGradient>, Option<FeatureMap>) {
    let mut back = Back { maps: vec![None; tape.maps], parameters: Vec::new() };
    back.maps[output] = Some(gradient);
    let isa = Isa::detect();
    let mut entries = tape.entries;
    while let Some(entry) = entries.pop() {
        match entry {
            TapeEntry::Unit(entry) => timed(entry.number, PassDirection::Backward, || back.unit(*entry, &entries)),
            TapeEntry::Pool { pool, input, clamped, from, to } => {
                let Some(mut dy) = back.maps[to].take() else { continue };
                if let Some((clamp, output)) = clamped {
                    through_clamp(isa, &mut dy, Clamped::Map(output.map()), clamp, None);
                }
                let (mut dx, add) = back.sum(from, input);
                let mut to = dx.make_mut();
                match pool {
                    Pool::Max(window, winners) => pool::winners_gradient(isa, &winners, dy.map(), window, &mut to, add),
                    Pool::Average(window) => pool::average_pool_gradient(isa, dy.map(), window, &mut to, add),
                    Pool::Adaptive => pool::adaptive_average_gradient(isa, dy.map(), &mut to, add),
                }
                back.maps[from] = Some(dx);
            }
            TapeEntry::Activate { activation, x, output, from, to } => {
                let Some(dy) = back.maps[to].take() else { continue };
                let mut dx = FeatureMap::new(x.shape());
                match shape::smooth(activation) {
                    Some(smooth) => {
                        activation::activation_gradient(isa, smooth, x.map(), Some(dy.map()), &mut dx.fresh());
                    }
                    None => {
                        let clamp = shape::clamp(activation);
                        let output = Clamped::Map(output.map());
                        norm::clamp_gradient(isa, Some(dy.map()), output, clamp, None, &mut dx.fresh());
                    }
                }
                back.add(from, dx);
            }
            TapeEntry::Gate { x: (x, from), gate: (gate, gate_from), to } => {
                let Some(dy) = back.maps[to].take() else { continue };
                let (mut dx, mut dgate) = (FeatureMap::new(x.shape()), FeatureMap::new(gate.shape()));
                let maps = (x.map(), gate.map(), Some(dy.map()));
                gate::gate_gradient(isa, maps.0, maps.1, maps.2, &mut dx.fresh(), &mut dgate.fresh());
                for (number, gradient) in [(from, dx), (gate_from, dgate)] {
                    if let Some(number) = number {
                        back.add(number, gradient);
                    }
                }
            }
            TapeEntry::Depth { factors, branch, residual, to } => {
                let Some(dy) = back.maps[to].take() else { continue };
                if let Some(branch) = branch {
                    let mut dx = FeatureMap::new(dy.shape());
                    gate::gate(isa, Some(dy.map()), factors.map(), &mut dx.fresh());
                    back.add(branch, dx);
                }
                if let Some(residual) = residual {
                    back.add(residual, dy);
                }
            }
            TapeEntry::Concat { parts, to } => {
                let Some(dy) = back.maps[to].take() else { continue };
                for (number, first, channels) in parts {
                    back.add(number, dy.channels(first, channels));
                }
            }
        }
    }
    let Back { mut maps, parameters } = back;
    let input = maps.get_mut(input).and_then(Option::take);
    (parameters, input)
}

impl Back {
    fn add(&mut self, number: MapNumber, gradient: FeatureMap) {
        match &mut self.maps[number] {
            Some(sum) => layout::add(gradient.map(), &mut sum.make_mut()),
            none => *none = Some(gradient),
        }
    }

    /// The sum of a map's gradients so far and whether there is one, or where it begins.
    fn sum(&mut self, number: MapNumber, shape: MapShape) -> (FeatureMap, bool) {
        match self.maps[number].take() {
            Some(sum) => (sum, true),
            None => (FeatureMap::new(shape), false),
        }
    }

    fn parameter(&mut self, node: Option<NodeId>, values: impl FnOnce() -> Vec<f32>, sides: Vec<usize>) {
        if let Some(node) = node {
            self.parameters.push((node, values(), sides));
        }
    }

    /// Goes back through a unit; `before` is what was done before it.
    fn unit(&mut self, mut entry: UnitEntry, before: &[TapeEntry]) {
        let Some(mut dy) = self.maps[entry.to].take() else { return };
        let isa = Isa::detect();
        let channels = entry.spec.output;
        let clamp = shape::clamp(entry.spec.activation);
        if let (Some(smooth), Some(before)) = (shape::smooth(entry.spec.activation), &entry.before) {
            let mut g = FeatureMap::new(dy.shape());
            activation::activation_gradient(isa, smooth, before.map(), Some(dy.map()), &mut g.fresh());
            dy = g;
        }
        if let (Some((values, [weight, bias])), Some(inner)) = (entry.layer_norm.take(), &entry.inner) {
            let mut dx = FeatureMap::new(dy.shape());
            let found =
                layer_norm::layer_norm_gradient(isa, inner.map(), values.kernel(), Some(dy.map()), &mut dx.fresh());
            dy = dx;
            self.parameter(weight, || found.weight, vec![channels]);
            self.parameter(bias, || found.bias, vec![channels]);
            entry.inner = None;
        }
        // Through the activation.
        let zeros = vec![0f32; if entry.norm.is_none() && entry.inner.is_some() { channels } else { 0 }];
        let inner = entry.inner.take();
        let mean: &[f32] = entry.norm.as_ref().map_or(&zeros, |norm| &norm.mean);
        let with = inner.as_ref().map(|inner| (inner.map(), mean));
        let passes = clamp == Finish::PLAIN.clamp || matches!(entry.output, UnitOutput::Pooled);
        let sums = if passes && with.is_none() && entry.bias.is_none() {
            None
        } else {
            let output = match &entry.output {
                UnitOutput::Pooled => Clamped::Passed,
                UnitOutput::Kept(output) => Clamped::Map(output.map()),
                UnitOutput::OfInner { scale, shift } => Clamped::OfInput { scale, shift },
            };
            Some(through_clamp(isa, &mut dy, output, clamp, with))
        };
        if let Some(residual) = entry.residual {
            self.add(residual, dy.clone());
        }
        let dy = self.through_norm(&entry, dy, sums.as_ref(), inner);
        self.through_convolution(&entry, dy, before);
    }

    /// Goes back through the norm, the factors of the channels and the bias. `sums` are those of the gradient, `inner` is the
    /// norm's input.
    fn through_norm(
        &mut self,
        entry: &UnitEntry,
        mut dy: FeatureMap,
        sums: Option<&GradientSums>,
        inner: Option<FeatureMap>,
    ) -> FeatureMap {
        let isa = Isa::detect();
        let channels = entry.spec.output;
        let factor = |channel: usize| entry.factor.as_ref().map_or(1.0, |factor| factor[channel]);
        let sum = |channel: usize| sums.map_or(0.0, |sums| sums.gradient[channel]);
        let product = |channel: usize| sums.map_or(0.0, |sums| sums.products[channel]);
        let each = |of: &dyn Fn(usize) -> f32| (0..channels).map(of).collect::<Vec<f32>>();
        let none = each(&|_| 0.0);
        if let Some(found) = &entry.norm {
            let (weight, bias) = (found.weight.values(), found.bias.values());
            let inverse = &found.inverse;
            self.parameter(found.weight_node, || each(&|c| factor(c) * inverse[c] * product(c)), vec![channels]);
            self.parameter(found.bias_node, || each(&|c| factor(c) * sum(c)), vec![channels]);
            let scale = entry.spec.scale;
            let of_scale = |c: usize| scale * (weight[c] * inverse[c] * product(c) + bias[c] * sum(c));
            self.parameter(entry.layer_scale, || each(&of_scale), vec![channels, 1, 1]);
            let through = each(&|c| factor(c) * weight[c] * inverse[c]);
            let count = dy.shape().pixels() as f32;
            let (distance, shift) = if found.learned {
                let distance = each(&|c| -through[c] * product(c) * inverse[c] * inverse[c] / count);
                (distance, each(&|c| -through[c] * sum(c) / count))
            } else {
                (none.clone(), none.clone())
            };
            let factors = GradientFactors { gradient: &through, distance: &distance, mean: &found.mean, shift: &shift };
            let input = inner.as_ref().expect("a norm keeps its input");
            dy = pass(isa, dy, input, &factors);
        } else if let (Some(scales), Some(input)) = (&entry.factor, &inner) {
            let scale = entry.spec.scale;
            self.parameter(entry.layer_scale, || each(&|c| scale * product(c)), vec![channels, 1, 1]);
            let factors = GradientFactors { gradient: scales, distance: &none, mean: &none, shift: &none };
            dy = pass(isa, dy, input, &factors);
        }
        // With a norm after it the bias has what is left of the sums.
        if entry.bias.is_some() {
            let values = match &entry.norm {
                Some(found) if found.learned => none.clone(),
                Some(found) => each(&|c| factor(c) * found.weight.values()[c] * found.inverse[c] * sum(c)),
                None => each(&|c| factor(c) * sum(c)),
            };
            self.parameter(entry.bias, || values, vec![channels]);
        }
        dy
    }

    /// Goes back through the convolution, or to the input of a unit without one.
    fn through_convolution(&mut self, entry: &UnitEntry, dy: FeatureMap, before: &[TapeEntry]) {
        let Some((weight, node)) = &entry.weight else {
            if let Some(from) = entry.from {
                self.add(from, dy);
            }
            return;
        };
        let (isa, sides) = (Isa::detect(), shape::sides(&entry.spec));
        if let Some(node) = node {
            let mut gradient = vec![0f32; sides.weights()];
            let x = match (&entry.x, before) {
                (KeptMap::Whole(x), _) => x.clone(),
                (KeptMap::Again(_, place), before) => match &before[*place] {
                    TapeEntry::Unit(unit) => unit.output_again(),
                    _ => panic!("a map is computed again by a unit"),
                },
            };
            convolution::kernel_gradient(isa, x.map(), dy.map(), sides, entry.window, &mut gradient);
            let [height, width] = sides.kernel;
            let shape = vec![entry.spec.output, sides.input / sides.groups, height, width];
            self.parameters.push((*node, gradient, shape));
        }
        if let Some(from) = entry.from {
            let shape = entry.x.shape();
            let (mut dx, add) = self.sum(from, shape);
            let mut to = dx.make_mut();
            convolution::input_gradient(isa, dy.map(), weight.values(), sides, entry.window, &mut to, add);
            self.maps[from] = Some(dx);
        }
    }
}

/// The first pass of a norm's gradient and through a clamp, in place where nobody else has the gradient.
fn through_clamp(
    isa: Isa,
    dy: &mut FeatureMap,
    output: Clamped<'_>,
    clamp: [f32; 2],
    with: Option<(Map<'_>, &[f32])>,
) -> GradientSums {
    if let Some(mut dy) = dy.map_mut() {
        return norm::clamp_gradient(isa, None, output, clamp, with, &mut dy);
    }
    let mut to = FeatureMap::new(dy.shape());
    let sums = norm::clamp_gradient(isa, Some(dy.map()), output, clamp, with, &mut to.fresh());
    *dy = to;
    sums
}

/// The second pass of a norm's gradient, in place where nobody else has the gradient.
fn pass(isa: Isa, mut dy: FeatureMap, input: &FeatureMap, factors: &GradientFactors<'_>) -> FeatureMap {
    if let Some(mut to) = dy.map_mut() {
        norm::input_gradient(isa, None, input.map(), factors, &mut to);
        return dy;
    }
    let mut to = FeatureMap::new(dy.shape());
    norm::input_gradient(isa, Some(dy.map()), input.map(), factors, &mut to.fresh());
    to
}
