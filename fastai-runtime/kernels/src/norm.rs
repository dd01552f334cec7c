//! Batch normalisation of maps: statistics, the pass forward, and the two passes of its gradient.
//!
//! Sums over pixels are taken in blocks of `BLOCK` pixels in single precision; blocks are added in double precision, in
//! order.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::vector::Vector;

/// Pixels whose sums are taken in single precision.
const BLOCK: usize = 256;
/// Vectors of channels that are summed side by side in registers.
const WIDE: usize = 4;

/// Mean and biased variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Means.
    pub mean: Vec<f32>,
    /// Biased variances.
    pub variance: Vec<f32>,
}

fn blocks(pixels: usize) -> usize {
    pixels.div_ceil(BLOCK)
}

fn block(number: usize, pixels: usize) -> std::ops::Range<usize> {
    number * BLOCK..((number + 1) * BLOCK).min(pixels)
}

/// Moments of each channel of `x` over the batch and the image.
///
/// # Panics
/// If the map has no pixel.
pub fn moments(isa: Isa, x: Map<'_>) -> Moments {
    let (pixels, channels) = (x.shape().pixels(), x.shape().channels);
    assert!(pixels > 0, "moments of no pixel");
    let mut sums = vec![0f32; blocks(pixels) * 2 * channels];
    sums.par_chunks_mut((2 * channels).max(1)).enumerate().for_each(|(number, sums)| {
        // SAFETY: pixels of the map; `sums` has two numbers for each channel.
        unsafe { block_moments(isa, x, block(number, pixels), sums.as_mut_ptr()) };
    });
    let mut moments = Moments { mean: vec![0.0; channels], variance: vec![0.0; channels] };
    for channel in 0..channels {
        let (mut count, mut mean, mut squares) = (0f64, 0f64, 0f64);
        for (number, sums) in sums.chunks_exact(2 * channels).enumerate() {
            let more = block(number, pixels).len() as f64;
            let (block_mean, block_squares) = (f64::from(sums[channel]), f64::from(sums[channels + channel]));
            let (delta, total) = (block_mean - mean, count + more);
            mean += delta * more / total;
            squares += block_squares + delta * delta * count * more / total;
            count = total;
        }
        moments.mean[channel] = mean as f32;
        moments.variance[channel] = (squares / count) as f32;
    }
    moments
}

dispatch! {
    unsafe fn block_moments(isa, x: Map<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) = block_moments_body;
}

#[inline(always)]
unsafe fn block_moments_body<V: Vector>(x: Map<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) {
    let (channels, step) = (x.shape().channels, x.step());
    let mut first = 0;
    while first < channels {
        let vectors = ((channels - first) / V::LANES).min(WIDE);
        // SAFETY: the caller's pixels and channels.
        unsafe {
            let start = x.as_ptr().add(pixels.start * step + first);
            let count = pixels.len();
            if vectors == WIDE {
                let mut total = [V::zero(); WIDE];
                for pixel in 0..count {
                    for j in 0..WIDE {
                        total[j] = total[j].add(V::load(start.add(pixel * step + j * V::LANES)));
                    }
                }
                let share = V::splat(1.0 / count as f32);
                let mean = total.map(|total| total.mul(share));
                let mut squares = [V::zero(); WIDE];
                for pixel in 0..count {
                    for j in 0..WIDE {
                        let delta = V::load(start.add(pixel * step + j * V::LANES)).sub(mean[j]);
                        squares[j] = delta.fma(delta, squares[j]);
                    }
                }
                for j in 0..WIDE {
                    mean[j].store(sums.add(first + j * V::LANES));
                    squares[j].store(sums.add(channels + first + j * V::LANES));
                }
                first += WIDE * V::LANES;
            } else {
                let lanes = V::LANES.min(channels - first);
                let load = |pixel: usize| {
                    let at = start.add(pixel * step);
                    if lanes == V::LANES { V::load(at) } else { V::load_first(at, lanes) }
                };
                let mut total = V::zero();
                for pixel in 0..count {
                    total = total.add(load(pixel));
                }
                let mean = total.mul(V::splat(1.0 / count as f32));
                let mut squares = V::zero();
                for pixel in 0..count {
                    let delta = load(pixel).sub(mean);
                    squares = delta.fma(delta, squares);
                }
                put(mean, sums.add(first), lanes);
                put(squares, sums.add(channels + first), lanes);
                first += lanes;
            }
        }
    }
}

#[inline(always)]
unsafe fn put<V: Vector>(value: V, to: *mut f32, lanes: usize) {
    // SAFETY: the caller's pointer is valid for `lanes` numbers.
    unsafe { if lanes == V::LANES { value.store(to) } else { value.store_first(to, lanes) } }
}

#[inline(always)]
unsafe fn get<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: the caller's pointer is valid for `lanes` numbers.
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_first(from, lanes) } }
}

/// `clamp(x * scale + shift + residual)`, scale and shift those of the channel.
///
/// # Panics
/// If the shapes differ.
pub fn affine(
    isa: Isa,
    x: Map<'_>,
    scale: &[f32],
    shift: &[f32],
    residual: Option<Map<'_>>,
    clamp: [f32; 2],
    output: &mut MapMut<'_>,
) {
    let shape = x.shape();
    assert_eq!(shape, output.shape());
    assert!(residual.is_none_or(|map| map.shape() == shape));
    assert!(scale.len() >= shape.channels && shift.len() >= shape.channels);
    let (to, step, pixels) = (output.shared(), output.step(), shape.pixels());
    (0..blocks(pixels)).into_par_iter().for_each(|number| {
        // SAFETY: pixels of maps of one shape; the output's of this block are nobody else's.
        unsafe { block_affine(isa, x, scale, shift, residual, clamp, to, step, block(number, pixels)) };
    });
}

dispatch! {
    unsafe fn block_affine(
        isa, x: Map<'_>, scale: &[f32], shift: &[f32], residual: Option<Map<'_>>, clamp: [f32; 2], to: SharedMut,
        step: usize, pixels: std::ops::Range<usize>,
    ) = block_affine_body;
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn block_affine_body<V: Vector>(
    x: Map<'_>,
    scale: &[f32],
    shift: &[f32],
    residual: Option<Map<'_>>,
    clamp: [f32; 2],
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
) {
    let channels = x.shape().channels;
    for pixel in pixels {
        for first in (0..channels).step_by(V::LANES) {
            let lanes = V::LANES.min(channels - first);
            // SAFETY: `lanes` channels of a pixel of each map.
            unsafe {
                let (low, high) = (V::splat(clamp[0]), V::splat(clamp[1]));
                let value = get::<V>(x.as_ptr().add(pixel * x.step() + first), lanes);
                let (scale, shift) =
                    (get::<V>(scale.as_ptr().add(first), lanes), get::<V>(shift.as_ptr().add(first), lanes));
                let mut value = value.fma(scale, shift);
                if let Some(map) = residual {
                    value = value.add(get::<V>(map.as_ptr().add(pixel * map.step() + first), lanes));
                }
                put(value.max(low).min(high), to.get().add(pixel * step + first), lanes);
            }
        }
    }
}

/// What a gradient's first pass finds for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientSums {
    /// Sum of the gradient.
    pub gradient: Vec<f32>,
    /// Sum of the gradient times the input's distance from its mean; empty without an input.
    pub products: Vec<f32>,
}

/// The first pass: the gradient of a clamped output, `dy`, goes on where the output lies inside the clamp; its sums and its
/// products with `input`'s distance from `mean` are those of the norm's shift and scale.
///
/// # Panics
/// If the shapes differ.
pub fn clamp_gradient(
    isa: Isa,
    dy: Map<'_>,
    output: Map<'_>,
    clamp: [f32; 2],
    input: Option<(Map<'_>, &[f32])>,
    gradient: &mut MapMut<'_>,
) -> GradientSums {
    let shape = dy.shape();
    assert_eq!([shape; 2], [output.shape(), gradient.shape()]);
    assert!(input.is_none_or(|(map, mean)| map.shape() == shape && mean.len() >= shape.channels));
    let (to, step, pixels, channels) = (gradient.shared(), gradient.step(), shape.pixels(), shape.channels);
    let mut sums = vec![0f32; blocks(pixels) * 2 * channels];
    sums.par_chunks_mut((2 * channels).max(1)).enumerate().for_each(|(number, sums)| {
        // SAFETY: pixels of maps of one shape; the gradient's of this block are nobody else's.
        unsafe {
            block_clamp_gradient(isa, dy, output, clamp, input, to, step, block(number, pixels), sums.as_mut_ptr());
        }
    });
    let add = |offset: usize| {
        let channel = |channel: usize| {
            sums.chunks_exact(2 * channels).map(|sums| f64::from(sums[offset + channel])).sum::<f64>() as f32
        };
        (0..channels).map(channel).collect()
    };
    GradientSums { gradient: add(0), products: if input.is_some() { add(channels) } else { Vec::new() } }
}

dispatch! {
    unsafe fn block_clamp_gradient(
        isa, dy: Map<'_>, output: Map<'_>, clamp: [f32; 2], input: Option<(Map<'_>, &[f32])>, to: SharedMut, step: usize,
        pixels: std::ops::Range<usize>, sums: *mut f32,
    ) = block_clamp_gradient_body;
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn block_clamp_gradient_body<V: Vector>(
    dy: Map<'_>,
    output: Map<'_>,
    clamp: [f32; 2],
    input: Option<(Map<'_>, &[f32])>,
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
    sums: *mut f32,
) {
    let channels = dy.shape().channels;
    let masked = clamp != crate::tile::OPEN;
    for first in (0..channels).step_by(V::LANES) {
        let lanes = V::LANES.min(channels - first);
        // SAFETY: `lanes` channels of pixels of each map; `sums` has two numbers for each channel.
        unsafe {
            let (low, high) = (V::splat(clamp[0]), V::splat(clamp[1]));
            let mean = match input {
                Some((_, mean)) => get::<V>(mean.as_ptr().add(first), lanes),
                None => V::zero(),
            };
            let (mut total, mut products) = (V::zero(), V::zero());
            for pixel in pixels.clone() {
                let mut g = get::<V>(dy.as_ptr().add(pixel * dy.step() + first), lanes);
                if masked {
                    let at = get::<V>(output.as_ptr().add(pixel * output.step() + first), lanes);
                    g = g.inside(at, low, high);
                }
                total = total.add(g);
                if let Some((map, _)) = input {
                    let x = get::<V>(map.as_ptr().add(pixel * map.step() + first), lanes);
                    products = g.fma(x.sub(mean), products);
                }
                put(g, to.get().add(pixel * step + first), lanes);
            }
            put(total, sums.add(first), lanes);
            put(products, sums.add(channels + first), lanes);
        }
    }
}

/// Factors of each channel for a gradient's second pass.
#[derive(Clone, Debug)]
pub struct GradientFactors<'a> {
    /// Of the gradient.
    pub gradient: &'a [f32],
    /// Of the input's distance from its mean.
    pub distance: &'a [f32],
    /// Means of the input.
    pub mean: &'a [f32],
    /// Added.
    pub shift: &'a [f32],
}

/// The second pass: `gradient * factor + (input - mean) * distance + shift` of each channel. `gradient` may be none: then it
/// is what the output holds.
///
/// # Panics
/// If the shapes differ.
pub fn input_gradient(
    isa: Isa,
    gradient: Option<Map<'_>>,
    input: Map<'_>,
    factors: &GradientFactors<'_>,
    output: &mut MapMut<'_>,
) {
    let shape = input.shape();
    assert_eq!(shape, output.shape());
    assert!(gradient.is_none_or(|map| map.shape() == shape));
    let all = [factors.gradient, factors.distance, factors.mean, factors.shift];
    assert!(all.iter().all(|values| values.len() >= shape.channels));
    let (to, step, pixels) = (output.shared(), output.step(), shape.pixels());
    (0..blocks(pixels)).into_par_iter().for_each(|number| {
        // SAFETY: pixels of maps of one shape; the output's of this block are nobody else's, and without a gradient they
        // hold it.
        unsafe { block_input_gradient(isa, gradient, input, factors, to, step, block(number, pixels)) };
    });
}

dispatch! {
    unsafe fn block_input_gradient(
        isa, gradient: Option<Map<'_>>, input: Map<'_>, factors: &GradientFactors<'_>, to: SharedMut, step: usize,
        pixels: std::ops::Range<usize>,
    ) = block_input_gradient_body;
}

#[inline(always)]
unsafe fn block_input_gradient_body<V: Vector>(
    gradient: Option<Map<'_>>,
    input: Map<'_>,
    factors: &GradientFactors<'_>,
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
) {
    let channels = input.shape().channels;
    for pixel in pixels {
        for first in (0..channels).step_by(V::LANES) {
            let lanes = V::LANES.min(channels - first);
            // SAFETY: `lanes` channels of a pixel of each map.
            unsafe {
                let at = to.get().add(pixel * step + first);
                let g = match gradient {
                    Some(map) => get::<V>(map.as_ptr().add(pixel * map.step() + first), lanes),
                    None => get::<V>(at, lanes),
                };
                let of = |values: &[f32]| get::<V>(values.as_ptr().add(first), lanes);
                let x = get::<V>(input.as_ptr().add(pixel * input.step() + first), lanes);
                let rest = x.sub(of(factors.mean)).fma(of(factors.distance), of(factors.shift));
                put(g.fma(of(factors.gradient), rest), at, lanes);
            }
        }
    }
}
