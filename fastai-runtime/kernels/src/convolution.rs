//! A convolution of any groups, by the kernel that suits its sides.

use crate::conv::{self, Forward, PackedWeights, Window};
use crate::depthwise;
use crate::direct::Direct;
use crate::finish::Finish;
use crate::grouped::{self, GroupedPass};
use crate::isa::Isa;
use crate::map::{Map, MapMut};
use crate::reached::ReachedTaps;
pub use crate::sides::Sides;
use crate::weight_gradient::weight_gradient;
use crate::winograd::Winograd;
use crate::winograd_gradient;

/// Channels of a group that are worth a matrix product of their own: a vector.
const GROUP: usize = 16;
/// Channels from which on a transform costs less than the products it saves.
const TRANSFORMED: usize = 16;

impl Sides {
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether Winograd's algorithm computes it.
    fn is_transformed(&self) -> bool {
        self.kernel == [3, 3] && self.stride == 1 && self.groups == 1 && self.input.min(self.output) >= TRANSFORMED
    }

    /// Whether every channel has a kernel of its own, which the kernels for that know.
    fn is_depthwise(&self) -> bool {
        self.groups > 1
            && [self.input, self.output] == [self.groups; 2]
            && depthwise::is_known(self.kernel, self.stride)
    }

    /// Channels of a group, which are as many in the output, if `known` says that the kernels for narrow groups take them.
    fn group_channels(&self, isa: Isa, known: fn(Isa, usize, [usize; 2], usize) -> bool) -> Option<usize> {
        let each = self.input / self.groups;
        let even = self.groups > 1 && self.input == self.output;
        (even && known(isa, each, self.kernel, self.stride)).then_some(each)
    }

    /// The convolution in as many groups as are worth it, of groups side by side: narrow ones are joined, with zeros between
    /// them.
    fn joined(&self) -> Joined {
        let each = [self.input / self.groups, self.output / self.groups];
        let joins =
            |count: &usize| self.groups.is_multiple_of(*count) && (count * each[1] >= GROUP || *count == self.groups);
        let count = (1..=self.groups).find(joins).unwrap_or(self.groups);
        Joined { count, each, taps: self.taps(), groups: self.groups / count }
    }
}

/// Groups of a convolution that are computed together.
struct Joined {
    /// Groups in one.
    count: usize,
    /// Channels of the input and output of a group.
    each: [usize; 2],
    taps: usize,
    /// What is left of the groups.
    groups: usize,
}

impl Joined {
    fn input(&self) -> usize {
        self.count * self.each[0]
    }
    fn output(&self) -> usize {
        self.count * self.each[1]
    }

    /// Calls `see` with the place of each run of weights, `[input of a group, taps]`, in all weights and in those of the joined
    /// group `group`.
    fn runs(&self, group: usize, mut see: impl FnMut(usize, usize)) {
        let run = self.each[0] * self.taps;
        for output in 0..self.output() {
            let inner = output / self.each[1];
            see((group * self.output() + output) * run, (output * self.count + inner) * run);
        }
    }

    /// Weights of a joined group, `[output, input, taps]`.
    fn spread(&self, weights: &[f32], group: usize) -> Vec<f32> {
        let run = self.each[0] * self.taps;
        let mut spread = vec![0f32; self.output() * self.input() * self.taps];
        self.runs(group, |from, to| spread[to..to + run].copy_from_slice(&weights[from..from + run]));
        spread
    }

    /// The joined groups, packed by `pack`.
    fn direct(
        &self,
        isa: Isa,
        weights: &[f32],
        kernel: [usize; 2],
        pack: impl FnOnce(Isa, &[PackedWeights<'_>]) -> Direct,
    ) -> Direct {
        let spread: Vec<Vec<f32>> = (0..self.groups).map(|group| self.spread(weights, group)).collect();
        let groups: Vec<_> =
            spread.iter().map(|weights| PackedWeights::new(weights, self.output(), self.input(), kernel)).collect();
        pack(isa, &groups)
    }
}

/// A convolution whose weights are packed for the forward pass.
#[derive(Debug)]
pub struct Convolution {
    kernel: Kernel,
    /// The only window that it is for, and what of it the kernel reads.
    reached: Option<(Window, Window)>,
}

#[derive(Debug)]
enum Kernel {
    Products(Forward),
    Transformed(Winograd),
    Depthwise(depthwise::DepthwisePass),
    Grouped(GroupedPass),
    Direct(Direct),
}

impl Convolution {
    /// Packs `weights`, `[output, input / groups, height, width]`.
    ///
    /// # Panics
    /// If there are more or fewer weights than the sides say.
    pub fn new(isa: Isa, weights: &[f32], sides: Sides) -> Self {
        assert_eq!(weights.len(), sides.weights());
        let kernel = if sides.is_transformed() {
            Kernel::Transformed(Winograd::new(
                isa,
                PackedWeights::new(weights, sides.output, sides.input, sides.kernel),
            ))
        } else if sides.is_depthwise() {
            Kernel::Depthwise(depthwise::DepthwisePass::new(isa, weights, sides.output, sides.kernel))
        } else if let Some(each) = sides.group_channels(isa, grouped::is_known) {
            Kernel::Grouped(GroupedPass::new(isa, weights, [sides.input, each], sides.kernel))
        } else if sides.groups == 1 && sides.input >= GROUP {
            Kernel::Products(Forward::new(isa, PackedWeights::new(weights, sides.output, sides.input, sides.kernel)))
        } else {
            Kernel::Direct(sides.joined().direct(isa, weights, sides.kernel, Direct::new))
        };
        Self { kernel, reached: None }
    }

    /// Packs the taps of `weights` that read pixels in this window, which is then the only one for [`Self::run`].
    ///
    /// # Panics
    /// If there are more or fewer weights than the sides say.
    pub fn within(isa: Isa, weights: &[f32], sides: Sides, window: Window) -> Self {
        assert_eq!(weights.len(), sides.weights());
        match ReachedTaps::of(sides, window) {
            Some(reached) => {
                let kernel = Self::new(isa, &reached.cut(weights), reached.sides(sides)).kernel;
                Self { kernel, reached: Some((window, reached.window())) }
            }
            None => Self::new(isa, weights, sides),
        }
    }

    /// Convolves `input` into `output`.
    ///
    /// # Panics
    /// If the shapes do not belong together, or the window is not the one that the weights were packed for.
    pub fn run(&self, input: Map<'_>, window: Window, output: &mut MapMut<'_>, finish: Finish<'_>) {
        let window = self.reached.map_or(window, |(whole, reached)| {
            assert_eq!(window, whole, "packed for another window");
            reached
        });
        match &self.kernel {
            Kernel::Products(forward) => forward.run(input, window, output, finish),
            Kernel::Transformed(winograd) => winograd.run(input, window.pad, output, finish),
            Kernel::Grouped(forward) => forward.run(input, window, output, finish),
            Kernel::Depthwise(forward) => forward.run(input, window, output, finish),
            Kernel::Direct(direct) => direct.run(input, window, output, finish, false),
        }
    }
}

/// Gradient of a convolution's input, which is set, or added to if `accumulate`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn input_gradient(
    isa: Isa,
    output: Map<'_>,
    weights: &[f32],
    sides: Sides,
    window: Window,
    input: &mut MapMut<'_>,
    accumulate: bool,
) {
    assert_eq!(weights.len(), sides.weights());
    if let Some(reached) = ReachedTaps::of(sides, window) {
        let (weights, sides, window) = (reached.cut(weights), reached.sides(sides), reached.window());
        return input_gradient(isa, output, &weights, sides, window, input, accumulate);
    }
    if sides.is_transformed() {
        let winograd = Winograd::backward(isa, PackedWeights::new(weights, sides.output, sides.input, sides.kernel));
        return winograd.run_or_add(output, window.pad.map(|pad| 2 - pad), input, Finish::PLAIN, accumulate);
    }
    if sides.groups == 1 {
        let weights = PackedWeights::new(weights, sides.output, sides.input, sides.kernel);
        return conv::input_gradient(isa, output, weights, window, input, accumulate);
    }
    if sides.is_depthwise() {
        return depthwise::input_gradient(isa, output, weights, window, input, accumulate);
    }
    if let Some(each) = sides.group_channels(isa, grouped::is_known) {
        return grouped::input_gradient(isa, output, weights, each, window, input, accumulate);
    }
    let joined = sides.joined();
    if window.stride == 1 && (0..2).all(|axis| window.pad[axis] < window.kernel[axis]) {
        let back = Window {
            pad: [0, 1].map(|axis| window.kernel[axis] - 1 - window.pad[axis]),
            input: window.output,
            output: window.input,
            ..window
        };
        let direct = joined.direct(isa, weights, sides.kernel, Direct::backward);
        return direct.run(output, back, input, Finish::PLAIN, accumulate);
    }
    for group in 0..joined.groups {
        let weights = joined.spread(weights, group);
        let weights = PackedWeights::new(&weights, joined.output(), joined.input(), sides.kernel);
        let output = output.channels(group * joined.output(), joined.output());
        let mut input = input.channels(group * joined.input(), joined.input());
        conv::input_gradient(isa, output, weights, window, &mut input, accumulate);
    }
}

/// Gradient of a convolution's weights, `[output, input / groups, height, width]`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn kernel_gradient(isa: Isa, input: Map<'_>, output: Map<'_>, sides: Sides, window: Window, gradient: &mut [f32]) {
    assert_eq!(gradient.len(), sides.weights());
    if let Some(reached) = ReachedTaps::of(sides, window) {
        let part = reached.sides(sides);
        let mut cut = vec![0f32; part.weights()];
        kernel_gradient(isa, input, output, part, reached.window(), &mut cut);
        return reached.spread(&cut, gradient);
    }
    if sides.is_transformed() {
        return winograd_gradient::weight_gradient(isa, input, output, window, gradient);
    }
    if sides.groups == 1 {
        return weight_gradient(isa, input, output, window, gradient);
    }
    if sides.is_depthwise() {
        return depthwise::weight_gradient(isa, input, output, window, gradient, None);
    }
    if let Some(each) = sides.group_channels(isa, grouped::has_weight_gradient) {
        return grouped::weight_gradient(isa, input, output, each, window, gradient);
    }
    let joined = sides.joined();
    let mut spread = vec![0f32; joined.output() * joined.input() * joined.taps];
    let run = joined.each[0] * joined.taps;
    for group in 0..joined.groups {
        let input = input.channels(group * joined.input(), joined.input());
        let output = output.channels(group * joined.output(), joined.output());
        weight_gradient(isa, input, output, window, &mut spread);
        joined.runs(group, |to, from| gradient[to..to + run].copy_from_slice(&spread[from..from + run]));
    }
}
