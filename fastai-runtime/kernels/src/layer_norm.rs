//! Layer normalisation: the channels of each pixel get mean 0 and variance 1, then a factor and a shift of their own.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::math::Math;
use crate::vector::{load, store};

/// Pixels of an item, and those whose gradients are summed in single precision.
const PIXELS: usize = 128;

/// Factor and shift of each channel, and what is added to a pixel's variance.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormWeights<'a> {
    /// Factors, `[channel]`.
    pub weight: &'a [f32],
    /// Shifts, `[channel]`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of a [`LayerNormWeights`].
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormGradient {
    /// Of the factors, `[channel]`.
    pub weight: Vec<f32>,
    /// Of the shifts, `[channel]`.
    pub bias: Vec<f32>,
}

impl LayerNormWeights<'_> {
    fn check(&self, channels: usize) {
        assert_eq!([self.weight.len(), self.bias.len()], [channels; 2], "a factor and a shift of every channel");
    }
}

/// Two terms for each channel of a pixel. (A closure would be a function without the instructions of `V`, in which nothing
/// is inlined.)
trait Terms<V: Math> {
    /// Those of the `lanes` channels from `channel` on; other lanes do not count.
    unsafe fn of(&self, channel: usize, lanes: usize) -> [V; 2];
}

/// The sums of the terms of `channels` channels.
#[inline(always)]
unsafe fn totals<V: Math>(channels: usize, terms: &impl Terms<V>) -> [f32; 2] {
    // SAFETY: the caller has the instructions of `V`, and the terms the channels.
    unsafe {
        let mut sums = [[V::zero(); 2]; 4];
        let mut channel = 0;
        while channel + 4 * V::LANES <= channels {
            for (i, [a, b]) in sums.iter_mut().enumerate() {
                let [more_a, more_b] = terms.of(channel + i * V::LANES, V::LANES);
                (*a, *b) = (a.add(more_a), b.add(more_b));
            }
            channel += 4 * V::LANES;
        }
        while channel < channels {
            let lanes = V::LANES.min(channels - channel);
            let [a, b] = terms.of(channel, lanes);
            sums[0] = [sums[0][0].add(a.first(lanes)), sums[0][1].add(b.first(lanes))];
            channel += V::LANES;
        }
        let [a, b, c, d] = sums;
        [a[0].add(b[0]).add(c[0].add(d[0])).sum(), a[1].add(b[1]).add(c[1].add(d[1])).sum()]
    }
}

/// The numbers, and nothing.
struct Plain(*const f32);

impl<V: Math> Terms<V> for Plain {
    #[inline(always)]
    unsafe fn of(&self, channel: usize, lanes: usize) -> [V; 2] {
        // SAFETY: the caller's.
        unsafe { [load(true, self.0.add(channel), lanes), V::zero()] }
    }
}

/// Deviations of the distances from a mean, and nothing.
struct Deviations(*const f32, f32);

impl<V: Math> Terms<V> for Deviations {
    #[inline(always)]
    unsafe fn of(&self, channel: usize, lanes: usize) -> [V; 2] {
        // SAFETY: the caller's.
        unsafe {
            let delta = load::<V>(true, self.0.add(channel), lanes).sub(V::splat(self.1));
            [delta.mul(delta), V::zero()]
        }
    }
}

/// Mean of a pixel and one over its standard deviation.
#[inline(always)]
unsafe fn statistics<V: Math>(x: *const f32, channels: usize, epsilon: f32) -> [f32; 2] {
    // SAFETY: the caller's pointer is valid for `channels` numbers.
    unsafe {
        let count = channels as f32;
        let mean = totals::<V>(channels, &Plain(x))[0] / count;
        let variance = totals::<V>(channels, &Deviations(x, mean))[0] / count;
        [mean, 1.0 / (variance + epsilon).sqrt()]
    }
}

dispatch! {
    unsafe fn forward(
        isa, x: Option<Map<'_>>, norm: LayerNormWeights<'_>, to: SharedMut, step: usize, pixels: std::ops::Range<usize>,
    ) = forward_body;
}

#[inline(always)]
unsafe fn forward_body<V: Math>(
    x: Option<Map<'_>>,
    norm: LayerNormWeights<'_>,
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
) {
    let channels = norm.weight.len();
    for pixel in pixels {
        // SAFETY: the channels of a pixel of each map, of the factors and of the shifts.
        unsafe {
            let to = to.get().add(pixel * step);
            let x = x.map_or(to.cast_const(), |x| x.as_ptr().add(pixel * x.step()));
            let [mean, inverse] = statistics::<V>(x, channels, norm.epsilon);
            for channel in (0..channels).step_by(V::LANES) {
                let lanes = V::LANES.min(channels - channel);
                let scaled = load::<V>(true, x.add(channel), lanes).sub(V::splat(mean)).mul(V::splat(inverse));
                let weight = load::<V>(true, norm.weight.as_ptr().add(channel), lanes);
                let y = scaled.fma(weight, load(true, norm.bias.as_ptr().add(channel), lanes));
                store(true, y, to.add(channel), lanes);
            }
        }
    }
}

/// Sets `output` to the norm of each pixel of `x`, or of `output` itself if there is no `x`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn layer_norm(isa: Isa, x: Option<Map<'_>>, norm: LayerNormWeights<'_>, output: &mut MapMut<'_>) {
    let shape = output.shape();
    norm.check(shape.channels);
    assert!(x.is_none_or(|x| x.shape() == shape), "maps of one shape");
    let (to, step, pixels) = (output.shared(), output.step(), shape.pixels());
    (0..pixels.div_ceil(PIXELS)).into_par_iter().for_each(|item| {
        let pixels = item * PIXELS..((item + 1) * PIXELS).min(pixels);
        // SAFETY: pixels of maps of one shape, with a factor and a shift for each channel; the output's belong to this call
        // only, and it is borrowed uniquely.
        unsafe { forward(isa, x, norm, to, step, pixels) }
    });
}

/// What the gradient reads and writes.
#[derive(Clone, Copy)]
struct GradientSpan<'a> {
    x: Map<'a>,
    dy: Option<Map<'a>>,
    norm: LayerNormWeights<'a>,
    to: SharedMut,
    step: usize,
}

dispatch! {
    unsafe fn backward(isa, pass: GradientSpan<'_>, pixels: std::ops::Range<usize>, sums: &mut [f32]) = backward_body;
}

/// A pixel's gradient times the factors, and that times its scaled numbers. On the way the gradients of factors and shifts are
/// added to their sums.
struct Products {
    x: *const f32,
    dy: *const f32,
    weight: *const f32,
    of_weight: *mut f32,
    of_bias: *mut f32,
    mean: f32,
    inverse: f32,
}

impl Products {
    /// The pixel's numbers with mean 0 and variance 1.
    #[inline(always)]
    unsafe fn scaled<V: Math>(&self, channel: usize, lanes: usize) -> V {
        // SAFETY: the caller's.
        unsafe { load::<V>(true, self.x.add(channel), lanes).sub(V::splat(self.mean)).mul(V::splat(self.inverse)) }
    }
}

impl<V: Math> Terms<V> for Products {
    #[inline(always)]
    unsafe fn of(&self, channel: usize, lanes: usize) -> [V; 2] {
        // SAFETY: the caller's; the sums belong to it alone.
        unsafe {
            let (scaled, dy) = (self.scaled::<V>(channel, lanes), load::<V>(true, self.dy.add(channel), lanes));
            let (of_weight, of_bias) = (self.of_weight.add(channel), self.of_bias.add(channel));
            store(true, scaled.fma(dy, load(true, of_weight, lanes)), of_weight, lanes);
            store(true, load::<V>(true, of_bias, lanes).add(dy), of_bias, lanes);
            let gradient = dy.mul(load(true, self.weight.add(channel), lanes));
            [gradient, gradient.mul(scaled)]
        }
    }
}

/// Adds the gradients of factors and shifts to `sums`, `[2, channel]`.
#[inline(always)]
unsafe fn backward_body<V: Math>(pass: GradientSpan<'_>, pixels: std::ops::Range<usize>, sums: &mut [f32]) {
    let GradientSpan { x, dy, norm, to, step } = pass;
    let channels = norm.weight.len();
    let (weight, of_weight) = (norm.weight.as_ptr(), sums.as_mut_ptr());
    let of_bias = of_weight.wrapping_add(channels);
    for pixel in pixels {
        let to = to.get().wrapping_add(pixel * step);
        let x = x.as_ptr().wrapping_add(pixel * x.step());
        let dy = dy.map_or(to.cast_const(), |dy| dy.as_ptr().wrapping_add(pixel * dy.step()));
        // SAFETY: the channels of a pixel of each map, of the factors and of the sums.
        unsafe {
            let [mean, inverse] = statistics::<V>(x, channels, norm.epsilon);
            let products = Products { x, dy, weight, of_weight, of_bias, mean, inverse };
            let [all, along] = totals::<V>(channels, &products);
            let (all, along) = (V::splat(-all / channels as f32), V::splat(-along / channels as f32));
            for channel in (0..channels).step_by(V::LANES) {
                let lanes = V::LANES.min(channels - channel);
                let dy = load::<V>(true, dy.add(channel), lanes);
                let gradient = dy.fma(load(true, weight.add(channel), lanes), all);
                let gradient = products.scaled::<V>(channel, lanes).fma(along, gradient);
                store(true, gradient.mul(V::splat(inverse)), to.add(channel), lanes);
            }
        }
    }
}

/// Gradient of [`layer_norm`]'s input, from that input, `x`, and the gradient `dy` of its output; without `dy` it is what
/// `dx` holds. `dx` is set. The shifts are not looked at.
///
/// # Panics
/// If the shapes do not belong together.
pub fn layer_norm_gradient(
    isa: Isa,
    x: Map<'_>,
    norm: LayerNormWeights<'_>,
    dy: Option<Map<'_>>,
    dx: &mut MapMut<'_>,
) -> LayerNormGradient {
    let shape = x.shape();
    norm.check(shape.channels);
    assert!(dx.shape() == shape && dy.is_none_or(|dy| dy.shape() == shape), "maps of one shape");
    let (pixels, channels) = (shape.pixels(), shape.channels);
    let pass = GradientSpan { x, dy, norm, step: dx.step(), to: dx.shared() };
    let mut sums = vec![0f32; pixels.div_ceil(PIXELS) * 2 * channels];
    sums.par_chunks_mut((2 * channels).max(1)).enumerate().for_each(|(item, sums)| {
        let pixels = item * PIXELS..((item + 1) * PIXELS).min(pixels);
        // SAFETY: pixels of maps of one shape, with a factor and two sums for each channel; those of `dx` belong to this call
        // only, and it is borrowed uniquely.
        unsafe { backward(isa, pass, pixels, sums) }
    });
    let total =
        |number: usize| sums.iter().skip(number).step_by(2 * channels).map(|sum| f64::from(*sum)).sum::<f64>() as f32;
    LayerNormGradient {
        weight: (0..channels).map(total).collect(),
        bias: (channels..2 * channels).map(total).collect(),
    }
}
