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
pub struct LayerNorm<'a> {
    /// Factors, `[channel]`.
    pub weight: &'a [f32],
    /// Shifts, `[channel]`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of a [`LayerNorm`].
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormGradient {
    /// Of the factors, `[channel]`.
    pub weight: Vec<f32>,
    /// Of the shifts, `[channel]`.
    pub bias: Vec<f32>,
}

impl LayerNorm<'_> {
    fn check(&self, channels: usize) {
        assert_eq!([self.weight.len(), self.bias.len()], [channels; 2], "a factor and a shift of every channel");
    }
}

/// The sums of the two numbers that `of(channel, lanes)` gives for vectors of `channels` channels, of which lanes beyond
/// `lanes` do not count.
#[inline(always)]
unsafe fn totals<V: Math>(channels: usize, mut of: impl FnMut(usize, usize) -> [V; 2]) -> [f32; 2] {
    // SAFETY: the caller has the instructions of `V`.
    unsafe {
        let mut sums = [[V::zero(); 2]; 4];
        let mut channel = 0;
        while channel + 4 * V::LANES <= channels {
            for (i, [a, b]) in sums.iter_mut().enumerate() {
                let [more_a, more_b] = of(channel + i * V::LANES, V::LANES);
                (*a, *b) = (a.add(more_a), b.add(more_b));
            }
            channel += 4 * V::LANES;
        }
        while channel < channels {
            let lanes = V::LANES.min(channels - channel);
            let [a, b] = of(channel, lanes).map(|more| if lanes == V::LANES { more } else { more.first(lanes) });
            sums[0] = [sums[0][0].add(a), sums[0][1].add(b)];
            channel += V::LANES;
        }
        let [a, b, c, d] = sums;
        [0, 1].map(|i| a[i].add(b[i]).add(c[i].add(d[i])).sum())
    }
}

/// Mean of a pixel and one over its standard deviation.
#[inline(always)]
unsafe fn statistics<V: Math>(x: *const f32, channels: usize, epsilon: f32) -> [f32; 2] {
    // SAFETY: the caller's pointer is valid for `channels` numbers.
    unsafe {
        let load = |channel, lanes| load::<V>(true, x.add(channel), lanes);
        let count = channels as f32;
        let mean = totals::<V>(channels, |channel, lanes| [load(channel, lanes), V::zero()])[0] / count;
        let squares = totals::<V>(channels, |channel, lanes| {
            let delta = load(channel, lanes).sub(V::splat(mean));
            [delta.mul(delta), V::zero()]
        });
        [mean, 1.0 / (squares[0] / count + epsilon).sqrt()]
    }
}

dispatch! {
    unsafe fn forward(
        isa, x: Option<Map<'_>>, norm: LayerNorm<'_>, to: SharedMut, step: usize, pixels: std::ops::Range<usize>,
    ) = forward_body;
}

#[inline(always)]
unsafe fn forward_body<V: Math>(
    x: Option<Map<'_>>,
    norm: LayerNorm<'_>,
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
                let load = |from: *const f32| load::<V>(true, from.add(channel), lanes);
                let scaled = load(x).sub(V::splat(mean)).mul(V::splat(inverse));
                let y = scaled.fma(load(norm.weight.as_ptr()), load(norm.bias.as_ptr()));
                store(true, y, to.add(channel), lanes);
            }
        }
    }
}

/// Sets `output` to the norm of each pixel of `x`, or of `output` itself if there is no `x`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn layer_norm(isa: Isa, x: Option<Map<'_>>, norm: LayerNorm<'_>, output: &mut MapMut<'_>) {
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
struct Pass<'a> {
    x: Map<'a>,
    dy: Option<Map<'a>>,
    norm: LayerNorm<'a>,
    to: SharedMut,
    step: usize,
}

dispatch! {
    unsafe fn backward(isa, pass: Pass<'_>, pixels: std::ops::Range<usize>, sums: &mut [f32]) = backward_body;
}

/// Adds the gradients of factors and shifts to `sums`, `[2, channel]`.
#[inline(always)]
unsafe fn backward_body<V: Math>(pass: Pass<'_>, pixels: std::ops::Range<usize>, sums: &mut [f32]) {
    let Pass { x, dy, norm, to, step } = pass;
    let channels = norm.weight.len();
    let [of_weight, of_bias] = [sums.as_mut_ptr(), sums.as_mut_ptr().wrapping_add(channels)];
    for pixel in pixels {
        // SAFETY: the channels of a pixel of each map, of the factors and of the sums.
        unsafe {
            let to = to.get().add(pixel * step);
            let x = x.as_ptr().add(pixel * x.step());
            let dy = dy.map_or(to.cast_const(), |dy| dy.as_ptr().add(pixel * dy.step()));
            let [mean, inverse] = statistics::<V>(x, channels, norm.epsilon);
            let scaled = |channel: usize, lanes: usize| {
                load::<V>(true, x.add(channel), lanes).sub(V::splat(mean)).mul(V::splat(inverse))
            };
            let [all, along] = totals::<V>(channels, |channel, lanes| {
                let load = |from: *const f32| load::<V>(true, from.add(channel), lanes);
                let (scaled, dy) = (scaled(channel, lanes), load(dy));
                store(true, scaled.fma(dy, load(of_weight)), of_weight.add(channel), lanes);
                store(true, load(of_bias).add(dy), of_bias.add(channel), lanes);
                let gradient = dy.mul(load(norm.weight.as_ptr()));
                [gradient, gradient.mul(scaled)]
            });
            let [all, along] = [all, along].map(|sum| V::splat(-sum / channels as f32));
            for channel in (0..channels).step_by(V::LANES) {
                let lanes = V::LANES.min(channels - channel);
                let load = |from: *const f32| load::<V>(true, from.add(channel), lanes);
                let gradient = load(dy).fma(load(norm.weight.as_ptr()), all);
                let gradient = scaled(channel, lanes).fma(along, gradient);
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
    norm: LayerNorm<'_>,
    dy: Option<Map<'_>>,
    dx: &mut MapMut<'_>,
) -> LayerNormGradient {
    let shape = x.shape();
    norm.check(shape.channels);
    assert!(dx.shape() == shape && dy.is_none_or(|dy| dy.shape() == shape), "maps of one shape");
    let (pixels, channels) = (shape.pixels(), shape.channels);
    let pass = Pass { x, dy, norm, step: dx.step(), to: dx.shared() };
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
