//! Batch normalisation of maps: statistics, the pass forward, and the two passes of its gradient.
//!
//! Sums over pixels are taken in blocks of `BLOCK` pixels in single precision; blocks are added in double precision, in
//! order.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::prefetch;
use crate::vector::{ChannelSpan, Vector, WIDE, columns_of, load, store};

/// Pixels whose sums are taken in single precision.
const BLOCK: usize = 256;
/// Pixels of which a pass takes a few columns before it takes the next columns, so that it walks through memory nearly in
/// order.
const GROUP: usize = 8;

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
    let (mut mean, mut squares) = (vec![0f64; channels], vec![0f64; channels]);
    let of_blocks = || sums.chunks_exact((2 * channels).max(1)).enumerate();
    for (number, sums) in of_blocks() {
        let share = block(number, pixels).len() as f64 / pixels as f64;
        mean.iter_mut().zip(sums).for_each(|(mean, of_block)| *mean += share * f64::from(*of_block));
    }
    for (number, sums) in of_blocks() {
        let count = block(number, pixels).len() as f64;
        let of_block = sums[..channels].iter().zip(&sums[channels..]);
        for ((squares, mean), (block_mean, block_squares)) in squares.iter_mut().zip(&mean).zip(of_block) {
            let delta = f64::from(*block_mean) - mean;
            *squares += f64::from(*block_squares) + count * delta * delta;
        }
    }
    let to_single = |values: Vec<f64>, by: f64| values.into_iter().map(|value| (value * by) as f32).collect();
    Moments { mean: to_single(mean, 1.0), variance: to_single(squares, 1.0 / pixels as f64) }
}

dispatch! {
    unsafe fn block_moments(isa, x: Map<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) = block_moments_body;
}

#[inline(always)]
unsafe fn block_moments_body<V: Vector>(x: Map<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) {
    for ChannelSpan { first, lanes, is_wide } in columns_of::<V>(0..x.shape().channels) {
        let pixels = pixels.clone();
        // SAFETY: the caller's, for the channels from `first` on.
        unsafe {
            match is_wide {
                true => moments_columns::<V, WIDE>(x, pixels, first, lanes, sums),
                false => moments_columns::<V, 1>(x, pixels, first, lanes, sums),
            }
        }
    }
}

/// Means of the pixels' `VECTORS` vectors of `lanes` channels, whole ones if there are several, and sums of the squares of
/// what lies beside them.
#[inline(always)]
unsafe fn moments_columns<V: Vector, const VECTORS: usize>(
    x: Map<'_>,
    pixels: std::ops::Range<usize>,
    first: usize,
    lanes: usize,
    sums: *mut f32,
) {
    let part = VECTORS == 1;
    // SAFETY: those channels of pixels of the map; `sums` has two numbers for each channel.
    unsafe {
        let at = |pixel: usize, i: usize| x.as_ptr().wrapping_add(pixel * x.step() + first + i * V::LANES);
        let mut means = [V::zero(); VECTORS];
        for pixel in pixels.clone() {
            for (i, total) in means.iter_mut().enumerate() {
                *total = total.add(load(part, at(pixel, i), lanes));
            }
        }
        let share = V::splat(1.0 / pixels.len() as f32);
        for mean in &mut means {
            *mean = mean.mul(share);
        }
        let mut squares = [V::zero(); VECTORS];
        for pixel in pixels.clone() {
            for (i, squares) in squares.iter_mut().enumerate() {
                let delta = load::<V>(part, at(pixel, i), lanes).sub(means[i]);
                *squares = delta.fma(delta, *squares);
                // The block is in the cache by now: time to fetch the next one.
                prefetch::read(at(pixel + pixels.len(), i));
            }
        }
        for i in 0..VECTORS {
            let to = sums.add(first + i * V::LANES);
            store(part, means[i], to, lanes);
            store(part, squares[i], to.add(x.shape().channels), lanes);
        }
    }
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
                let value = load::<V>(true, x.as_ptr().add(pixel * x.step() + first), lanes);
                let (scale, shift) = (
                    load::<V>(true, scale.as_ptr().add(first), lanes),
                    load::<V>(true, shift.as_ptr().add(first), lanes),
                );
                let mut value = value.fma(scale, shift);
                if let Some(map) = residual {
                    value = value.add(load::<V>(true, map.as_ptr().add(pixel * map.step() + first), lanes));
                }
                store(true, high.min(low.max(value)), to.get().add(pixel * step + first), lanes);
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

/// The output of a clamp, which tells where its gradient goes on.
#[derive(Clone, Copy)]
pub enum Clamped<'a> {
    /// The gradient has passed the clamp already.
    Passed,
    /// The output.
    Map(Map<'a>),
    /// The output is that of [`affine`] without a residual, of the input and these factors and shifts of each channel.
    OfInput {
        /// Factors.
        scale: &'a [f32],
        /// Shifts.
        shift: &'a [f32],
    },
}

/// What the first pass of a gradient reads and writes.
#[derive(Clone, Copy)]
struct FirstPass<'a> {
    /// Without it, it is what `to` holds.
    dy: Option<Map<'a>>,
    output: Clamped<'a>,
    clamp: [f32; 2],
    input: Option<(Map<'a>, &'a [f32])>,
    to: SharedMut,
    step: usize,
}

/// The first pass: the gradient of a clamped output, `dy`, goes on to `gradient` where the output lies inside the clamp; without
/// `dy` it is what `gradient` holds. Its sums, and its products with the distance of `input`'s map from its means, are those of
/// the norm's shift and scale.
///
/// # Panics
/// If the shapes differ, or if the output is that of an input that is not there.
pub fn clamp_gradient(
    isa: Isa,
    dy: Option<Map<'_>>,
    output: Clamped<'_>,
    clamp: [f32; 2],
    input: Option<(Map<'_>, &[f32])>,
    gradient: &mut MapMut<'_>,
) -> GradientSums {
    let shape = gradient.shape();
    assert!(dy.is_none_or(|map| map.shape() == shape), "maps of one shape");
    match output {
        Clamped::Passed => {}
        Clamped::Map(map) => assert_eq!(map.shape(), shape, "maps of one shape"),
        Clamped::OfInput { scale, shift } => {
            assert!(input.is_some() && scale.len() >= shape.channels && shift.len() >= shape.channels);
        }
    }
    assert!(input.is_none_or(|(map, mean)| map.shape() == shape && mean.len() >= shape.channels));
    let (pixels, channels) = (shape.pixels(), shape.channels);
    let pass = FirstPass { dy, output, clamp, input, step: gradient.step(), to: gradient.shared() };
    let mask = match output {
        _ if clamp == crate::tile::OPEN => Mask::None,
        Clamped::Passed => Mask::None,
        Clamped::Map(_) => Mask::Output,
        Clamped::OfInput { .. } => Mask::Input,
    };
    let mut sums = vec![0f32; blocks(pixels) * 2 * channels];
    sums.par_chunks_mut((2 * channels).max(1)).enumerate().for_each(|(number, sums)| {
        // SAFETY: pixels of maps of one shape; the gradient's of this block are nobody else's, and the sums are two for each
        // channel.
        unsafe { block_first_pass(isa, pass, mask, channels, block(number, pixels), sums.as_mut_ptr()) };
    });
    let mut totals = vec![0f64; 2 * channels];
    for sums in sums.chunks_exact((2 * channels).max(1)) {
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(*sum));
    }
    let to_single = |totals: &[f64]| totals.iter().map(|total| *total as f32).collect();
    let products = if input.is_some() { to_single(&totals[channels..]) } else { Vec::new() };
    GradientSums { gradient: to_single(&totals[..channels]), products }
}

/// Which numbers tell where a gradient goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mask {
    /// It goes on everywhere.
    None,
    /// The output's.
    Output,
    /// The input's, times the factors and shifted.
    Input,
}

dispatch! {
    unsafe fn block_first_pass(
        isa, pass: FirstPass<'_>, mask: Mask, channels: usize, pixels: std::ops::Range<usize>, sums: *mut f32,
    ) = block_first_pass_body;
}

#[inline(always)]
unsafe fn block_first_pass_body<V: Vector>(
    pass: FirstPass<'_>,
    mask: Mask,
    channels: usize,
    pixels: std::ops::Range<usize>,
    sums: *mut f32,
) {
    for start in pixels.clone().step_by(GROUP) {
        for ChannelSpan { first, lanes, is_wide } in columns_of::<V>(0..channels) {
            let pixels = start..pixels.end.min(start + GROUP);
            // SAFETY: the caller's, for the channels from `first` on.
            unsafe {
                match (mask, is_wide) {
                    (Mask::None, true) => columns::<V, WIDE, 0>(pass, pixels, first, lanes, sums, channels),
                    (Mask::None, false) => columns::<V, 1, 0>(pass, pixels, first, lanes, sums, channels),
                    (Mask::Output, true) => columns::<V, WIDE, 1>(pass, pixels, first, lanes, sums, channels),
                    (Mask::Output, false) => columns::<V, 1, 1>(pass, pixels, first, lanes, sums, channels),
                    (Mask::Input, true) => columns::<V, WIDE, 2>(pass, pixels, first, lanes, sums, channels),
                    (Mask::Input, false) => columns::<V, 1, 2>(pass, pixels, first, lanes, sums, channels),
                }
            }
        }
    }
}

/// The first pass of the pixels' `VECTORS` vectors of `lanes` channels, whole ones if there are several. The sums are added to.
/// `MASK` is 1 if the output tells where the gradient goes on, 2 if the input does, 0 if it goes on everywhere.
#[inline(always)]
unsafe fn columns<V: Vector, const VECTORS: usize, const MASK: u8>(
    pass: FirstPass<'_>,
    pixels: std::ops::Range<usize>,
    first: usize,
    lanes: usize,
    sums: *mut f32,
    channels: usize,
) {
    let part = VECTORS == 1;
    // SAFETY: those channels of pixels of each map; `sums` has two numbers for each channel. Where the input tells, there is
    // one, with a factor and a shift for each channel.
    unsafe {
        let (low, high) = (V::splat(pass.clamp[0]), V::splat(pass.clamp[1]));
        let [mut means, mut scales, mut shifts] = [[V::zero(); VECTORS]; 3];
        let (mut totals, mut products) = ([V::zero(); VECTORS], [V::zero(); VECTORS]);
        for i in 0..VECTORS {
            let at = first + i * V::LANES;
            if let Some((_, mean)) = pass.input {
                means[i] = load(part, mean.as_ptr().add(at), lanes);
            }
            if let (2, Clamped::OfInput { scale, shift }) = (MASK, pass.output) {
                scales[i] = load(part, scale.as_ptr().add(at), lanes);
                shifts[i] = load(part, shift.as_ptr().add(at), lanes);
            }
            totals[i] = load(part, sums.add(at), lanes);
            products[i] = load(part, sums.add(channels + at), lanes);
        }
        let (output, output_step) = match pass.output {
            Clamped::Map(map) if MASK == 1 => (map.as_ptr(), map.step()),
            _ => (std::ptr::null(), 0),
        };
        for pixel in pixels {
            let to = pass.to.get().add(pixel * pass.step + first);
            let dy = pass.dy.map_or(to.cast_const(), |map| map.as_ptr().add(pixel * map.step() + first));
            let output = output.wrapping_add(pixel * output_step + first);
            for i in 0..VECTORS {
                let at = i * V::LANES;
                if at.is_multiple_of(prefetch::LINE) {
                    prefetch::write(to.wrapping_add(GROUP * pass.step + at));
                    if let Some(map) = pass.dy {
                        prefetch::read(dy.wrapping_add(GROUP * map.step() + at));
                    }
                    if MASK == 1 {
                        prefetch::read(output.wrapping_add(GROUP * output_step + at));
                    }
                    if let Some((map, _)) = pass.input {
                        prefetch::read(map.as_ptr().wrapping_add((pixel + GROUP) * map.step() + first + at));
                    }
                }
                let mut g = load::<V>(part, dy.add(at), lanes);
                if MASK == 1 {
                    g = g.inside(load::<V>(part, output.add(at), lanes), low, high);
                }
                if let Some((map, _)) = pass.input {
                    let x = load::<V>(part, map.as_ptr().add(pixel * map.step() + first + at), lanes);
                    if MASK == 2 {
                        g = g.inside(x.fma(scales[i], shifts[i]), low, high);
                    }
                    products[i] = g.fma(x.sub(means[i]), products[i]);
                }
                totals[i] = totals[i].add(g);
                store(part, g, to.add(at), lanes);
            }
        }
        for i in 0..VECTORS {
            let to = sums.add(first + i * V::LANES);
            store(part, totals[i], to, lanes);
            store(part, products[i], to.add(channels), lanes);
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
    for start in pixels.clone().step_by(GROUP) {
        for ChannelSpan { first, lanes, is_wide } in columns_of::<V>(0..input.shape().channels) {
            let pixels = start..pixels.end.min(start + GROUP);
            // SAFETY: the caller's, for the channels from `first` on.
            unsafe {
                match is_wide {
                    true => input_gradient_columns::<V, WIDE>(gradient, input, factors, to, step, pixels, first, lanes),
                    false => input_gradient_columns::<V, 1>(gradient, input, factors, to, step, pixels, first, lanes),
                }
            }
        }
    }
}

/// The second pass of the pixels' `VECTORS` vectors of `lanes` channels, whole ones if there are several.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn input_gradient_columns<V: Vector, const VECTORS: usize>(
    gradient: Option<Map<'_>>,
    input: Map<'_>,
    factors: &GradientFactors<'_>,
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
    first: usize,
    lanes: usize,
) {
    let part = VECTORS == 1;
    let (input_step, ahead) = (input.step(), GROUP);
    // SAFETY: those channels of pixels of each map, and of the factors.
    unsafe {
        let mut columns = [[V::zero(); VECTORS]; 4];
        let values = [factors.gradient, factors.distance, factors.mean, factors.shift];
        for (column, values) in columns.iter_mut().zip(values) {
            for (i, to) in column.iter_mut().enumerate() {
                *to = load(part, values.as_ptr().add(first + i * V::LANES), lanes);
            }
        }
        let [factor, distance, mean, shift] = columns;
        for pixel in pixels {
            let to = to.get().add(pixel * step + first);
            let gradient = gradient.map_or(to.cast_const(), |map| map.as_ptr().add(pixel * map.step() + first));
            let input = input.as_ptr().add(pixel * input_step + first);
            for i in 0..VECTORS {
                let at = i * V::LANES;
                if at.is_multiple_of(prefetch::LINE) {
                    prefetch::read(input.wrapping_add(ahead * input_step + at));
                    prefetch::write(to.wrapping_add(ahead * step + at));
                }
                let delta = load::<V>(part, input.add(at), lanes).sub(mean[i]);
                let rest = delta.fma(distance[i], shift[i]);
                store(part, load::<V>(part, gradient.add(at), lanes).fma(factor[i], rest), to.add(at), lanes);
            }
        }
    }
}
