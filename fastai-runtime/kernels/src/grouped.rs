//! Convolutions in narrow groups, as many outputs as inputs in each. Vectors lie along the outputs: one holds those of several
//! groups, or part of one group's, so that no product is with the zeros between groups. Each input channel is spread over the
//! lanes of its own group.

use std::ops::Range;

use rayon::prelude::*;

use crate::conv::{Window, check};
use crate::finish::Finish;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::vector::{Vector, load, store};
use crate::{scratch, split};

/// Numbers of a strip of the input that a thread works on: it stays in the first-level cache.
const STRIP: usize = 7 << 10;
/// Inputs of a group whose gradients are summed together.
const INPUTS: usize = 4;
/// Items that a gradient is split into at least where it can, whatever the number of threads.
const ITEMS: usize = 32;

/// Whether there is a gradient of the weights for `each` channels in a group.
pub(crate) fn has_weight_gradient(isa: Isa, each: usize, kernel: [usize; 2], stride: usize) -> bool {
    let lanes = isa.lanes();
    let fits = each.is_multiple_of(INPUTS) && (lanes.is_multiple_of(each) || [2 * lanes, 4 * lanes].contains(&each));
    fits && (kernel == [3, 3] && stride <= 2 || kernel == [1, 1] && stride == 1)
}

/// Whether [`GroupedPass`] and [`input_gradient`] know `each` channels in a group: one vector of them at most.
pub(crate) fn is_known(isa: Isa, each: usize, kernel: [usize; 2], stride: usize) -> bool {
    each <= isa.lanes() && has_weight_gradient(isa, each, kernel, stride)
}

/// Channels that are computed together: those of whole groups and of whole vectors.
#[derive(Clone, Copy, Debug)]
struct Bundle {
    /// Channels of a group.
    each: usize,
    lanes: usize,
    /// Channels in all.
    channels: usize,
}

impl Bundle {
    fn new(isa: Isa, channels: usize, each: usize) -> Self {
        assert!(channels.is_multiple_of(each), "whole groups of {each} channels, not {channels} channels");
        Self { each, lanes: isa.lanes(), channels }
    }

    /// Channels of a bundle; the last one may have fewer.
    fn width(&self) -> usize {
        self.each.max(self.lanes)
    }

    fn vectors(&self) -> usize {
        self.width() / self.lanes
    }

    fn count(&self) -> usize {
        self.channels.div_ceil(self.width())
    }

    /// Numbers of a bundle's weights: for each vector and row of taps each input's, and of those each tap's.
    fn weights(&self, taps: [usize; 2]) -> usize {
        self.vectors() * taps[0] * self.each * taps[1] * self.lanes
    }

    /// Calls `see` for every output, input of its group and tap with the number of the weight among those of all bundles.
    fn places(&self, taps: [usize; 2], mut see: impl FnMut(usize, usize, [usize; 2], usize)) {
        for output in 0..self.channels {
            let (vector, lane) = (output / self.lanes, output % self.lanes);
            for y in 0..taps[0] {
                for input in 0..self.each {
                    for x in 0..taps[1] {
                        let row = ((vector * taps[0] + y) * self.each + input) * taps[1] + x;
                        see(output, input, [y, x], row * self.lanes + lane);
                    }
                }
            }
        }
    }

    /// For each input of a group the lanes that hold it, if a vector holds whole groups.
    fn orders(&self) -> [[u32; 16]; 16] {
        let mut orders = [[0; 16]; 16];
        for (input, order) in orders.iter_mut().enumerate().take(self.each) {
            for (lane, from) in order.iter_mut().enumerate() {
                *from = ((lane / self.each * self.each + input) % self.lanes) as u32;
            }
        }
        orders
    }
}

/// A convolution in narrow groups, its weights packed.
#[derive(Debug)]
pub(crate) struct GroupedPass {
    isa: Isa,
    bundle: Bundle,
    weights: Vec<f32>,
    /// Rows and columns of taps.
    taps: [usize; 2],
}

impl GroupedPass {
    /// Packs `weights`, `[channels, each, height, width]`, for the forward pass.
    pub(crate) fn new(isa: Isa, weights: &[f32], [channels, each]: [usize; 2], kernel: [usize; 2]) -> Self {
        Self::pack(isa, [channels, each], kernel, |output, input, [y, x]| {
            weights[((output * each + input) * kernel[0] + y) * kernel[1] + x]
        })
    }

    fn pack(
        isa: Isa,
        [channels, each]: [usize; 2],
        taps: [usize; 2],
        value: impl Fn(usize, usize, [usize; 2]) -> f32,
    ) -> Self {
        let bundle = Bundle::new(isa, channels, each);
        let mut packed = vec![0f32; bundle.count() * bundle.weights(taps)];
        bundle.places(taps, |output, input, tap, at| packed[at] = value(output, input, tap));
        Self { isa, bundle, weights: packed, taps }
    }

    /// Convolves `input` into `output`.
    ///
    /// # Panics
    /// If the shapes do not belong together.
    pub(crate) fn run(&self, input: Map<'_>, window: Window, output: &mut MapMut<'_>, finish: Finish<'_>) {
        check(&finish, output);
        assert_eq!([output.shape().height, output.shape().width], window.output);
        assert_eq!(window.kernel, self.taps);
        assert!(is_known(self.isa, self.bundle.each, window.kernel, window.stride), "no kernel for {window:?}");
        let first = window.pad.map(|pad| -(pad as isize));
        self.run_to(input, Reads { first, stride: window.stride }, [0, 0], 1, output, finish, false);
    }

    /// Every `every`-th output in both directions from `start` on: set, or added to if `accumulate`.
    #[allow(clippy::too_many_arguments)]
    fn run_to(
        &self,
        source: Map<'_>,
        reads: Reads,
        start: [usize; 2],
        every: usize,
        output: &mut MapMut<'_>,
        finish: Finish<'_>,
        accumulate: bool,
    ) {
        let (shape, step) = (output.shape(), output.step());
        assert_eq!([shape.batch, shape.channels], [source.shape().batch, self.bundle.channels]);
        assert_eq!(source.shape().channels, self.bundle.channels);
        let grid = [(shape.height - start[0]).div_ceil(every), (shape.width - start[1]).div_ceil(every)];
        if shape.numbers() == 0 {
            return;
        }
        let line = shape.width * step;
        let pass = GroupedRun {
            source,
            bundle: self.bundle,
            orders: &self.bundle.orders(),
            taps: self.taps,
            reads,
            strip: Strip::new(&self.bundle, grid, self.taps, reads.stride),
            weights: &self.weights,
            width: grid[1],
            to: output.shared(),
            first: start[0] * line + start[1] * step,
            steps: [every * step, every * line, shape.height * line],
            finish,
            accumulate,
        };
        let rows_each = pass.strip.outputs;
        let (blocks, bundles) = (grid[0].div_ceil(rows_each), self.bundle.count());
        // A block's bundles in one item, so that what they share of the input's lines is in a cache, if there are enough blocks.
        let each = if shape.batch * blocks >= 8 * rayon::current_num_threads() { bundles } else { 1 };
        let chunks = bundles.div_ceil(each);
        (0..shape.batch * blocks * chunks).into_par_iter().for_each(|item| {
            let (image, block, chunk) = (item / chunks / blocks, item / chunks % blocks, item % chunks);
            let rows = block * rows_each..((block + 1) * rows_each).min(grid[0]);
            scratch::with(pass.strip.numbers, |strip| {
                for bundle in chunk * each..((chunk + 1) * each).min(bundles) {
                    // SAFETY: the weights are packed for the bundle and taps; the strip has room for the rows that the block
                    // reads; pixels of the grid lie in the output, and no other item writes the block's rows of the bundle.
                    // Bias and residual were checked to have the output's channels and pixels.
                    unsafe { run_rows(self.isa, &pass, image, rows.clone(), bundle, strip.as_mut_ptr()) };
                }
            });
        });
    }
}

/// Which source pixel the first tap of an output reads: `first` and `stride` times the output's place.
#[derive(Clone, Copy)]
struct Reads {
    first: [isize; 2],
    stride: usize,
}

/// The part of the input that an item works on at a time: whole rows of a bundle's channels, with the border around them.
#[derive(Clone, Copy)]
struct Strip {
    /// Rows of outputs that are computed from it, at least one.
    outputs: usize,
    /// Pixels of a row: whole tiles of outputs read no further.
    columns: usize,
    /// Numbers of a row.
    line: usize,
    /// Numbers of all rows.
    numbers: usize,
}

impl Strip {
    /// For `taps` of the outputs of an image, `[height, width]`.
    fn new(bundle: &Bundle, [height, width]: [usize; 2], taps: [usize; 2], stride: usize) -> Self {
        let columns = width.next_multiple_of(14).saturating_sub(1) * stride + taps[1];
        let line = columns * bundle.width();
        let outputs = ((STRIP / line.max(1)).saturating_sub(taps[0]) / stride + 1).clamp(1, height.max(1));
        Self { outputs, columns, line, numbers: ((outputs - 1) * stride + taps[0]) * line }
    }
}

/// What all items of a convolution share.
struct GroupedRun<'a> {
    source: Map<'a>,
    bundle: Bundle,
    orders: &'a [[u32; 16]; 16],
    taps: [usize; 2],
    reads: Reads,
    strip: Strip,
    weights: &'a [f32],
    /// Outputs side by side.
    width: usize,
    to: SharedMut,
    first: usize,
    /// Numbers from one output to the next, to the next line, and to the next image.
    steps: [usize; 3],
    finish: Finish<'a>,
    accumulate: bool,
}

dispatch! {
    unsafe fn run_rows(
        isa, pass: &GroupedRun<'_>, image: usize, rows: Range<usize>, bundle: usize, strip: *mut f32,
    ) = run_rows_body;
}

#[inline(always)]
unsafe fn run_rows_body<V: Vector>(
    pass: &GroupedRun<'_>,
    image: usize,
    rows: Range<usize>,
    bundle: usize,
    strip: *mut f32,
) {
    // SAFETY: the caller's; the tile is that of the taps and stride.
    unsafe {
        match (pass.taps[1], pass.reads.stride, V::LANES == 16 && pass.width > 7) {
            (1, _, true) => rows_of::<V, 1, 1, 14>(pass, image, rows, bundle, strip),
            (2, _, true) => rows_of::<V, 2, 1, 14>(pass, image, rows, bundle, strip),
            (_, 1, true) => rows_of::<V, 3, 1, 14>(pass, image, rows, bundle, strip),
            (_, _, true) => rows_of::<V, 3, 2, 14>(pass, image, rows, bundle, strip),
            (1, _, _) => rows_of::<V, 1, 1, 7>(pass, image, rows, bundle, strip),
            (2, _, _) => rows_of::<V, 2, 1, 7>(pass, image, rows, bundle, strip),
            (_, 1, _) => rows_of::<V, 3, 1, 7>(pass, image, rows, bundle, strip),
            _ => rows_of::<V, 3, 2, 7>(pass, image, rows, bundle, strip),
        }
    }
}

/// The outputs of some rows, for `COLUMNS` taps side by side and tiles of `OUTPUTS`.
#[inline(always)]
unsafe fn rows_of<V: Vector, const COLUMNS: usize, const STRIDE: usize, const OUTPUTS: usize>(
    pass: &GroupedRun<'_>,
    image: usize,
    rows: Range<usize>,
    bundle: usize,
    strip: *mut f32,
) {
    let (width, first) = (V::LANES, bundle * V::LANES);
    let lanes = (pass.bundle.channels - first).min(V::LANES);
    let Strip { columns, line, .. } = pass.strip;
    // SAFETY: the caller's. The strip holds what the rows' taps read, and zeros as far as the last tile reads.
    unsafe {
        let from = [pass.reads.first[0] + (rows.start * STRIDE) as isize, pass.reads.first[1]];
        let count = [(rows.len() - 1) * STRIDE + pass.taps[0], columns];
        cut::<V, 1>(pass.source, image, from, count, first, lanes, strip);
        let weights = pass.weights.as_ptr().add(bundle * pass.bundle.weights(pass.taps));
        for row in 0..rows.len() {
            let mut x = 0;
            while x < pass.width {
                let tile = GroupedTile {
                    a: strip.add(row * STRIDE * line + x * STRIDE * width),
                    line,
                    weights,
                    place: [image, rows.start + row, x],
                    outputs: OUTPUTS.min(pass.width - x),
                    channel: first,
                    lanes,
                };
                sum::<V, COLUMNS, STRIDE, OUTPUTS>(pass, &tile);
                x += OUTPUTS;
            }
        }
    }
}

/// Outputs side by side of a vector of channels.
struct GroupedTile {
    /// What the first output reads in the strip.
    a: *const f32,
    /// Numbers between rows of the strip.
    line: usize,
    weights: *const f32,
    /// Image, row and column of the first output.
    place: [usize; 3],
    outputs: usize,
    channel: usize,
    lanes: usize,
}

#[inline(always)]
unsafe fn sum<V: Vector, const COLUMNS: usize, const STRIDE: usize, const OUTPUTS: usize>(
    pass: &GroupedRun<'_>,
    tile: &GroupedTile,
) {
    // SAFETY: the caller's: `OUTPUTS` outputs read the strip, and the first `tile.outputs` of them are in the output.
    unsafe {
        let mut sums = [V::zero(); OUTPUTS];
        let mut weights = tile.weights;
        for row in 0..pass.taps[0] {
            let a = tile.a.add(row * tile.line);
            for input in 0..pass.bundle.each {
                let order = V::order(&pass.orders[input]);
                let mut taps = [V::zero(); COLUMNS];
                for x in 0..COLUMNS {
                    taps[x] = V::load(weights.add(x * V::LANES));
                }
                weights = weights.add(COLUMNS * V::LANES);
                for output in 0..OUTPUTS {
                    for x in 0..COLUMNS {
                        let value = V::load(a.add((output * STRIDE + x) * V::LANES)).reorder(order);
                        sums[output] = value.fma(taps[x], sums[output]);
                    }
                }
            }
        }
        // As in `tile`: the loop below is not unrolled and reads the sums from memory of their own.
        let mut held = std::mem::MaybeUninit::<[V; OUTPUTS]>::uninit();
        let held = held.as_mut_ptr().cast::<V>();
        for output in 0..OUTPUTS {
            held.add(output).write(sums[output]);
        }
        let lanes = tile.lanes;
        let [image, y, x] = tile.place;
        let finish = &pass.finish;
        let (low, high) = (V::splat(finish.clamp[0]), V::splat(finish.clamp[1]));
        let bias = match finish.bias {
            Some(bias) => load::<V>(true, bias.as_ptr().add(tile.channel), lanes),
            None => V::zero(),
        };
        let to = pass.to.get().add(pass.first + image * pass.steps[2] + y * pass.steps[1] + tile.channel);
        for output in 0..tile.outputs {
            let to = to.add((x + output) * pass.steps[0]);
            let mut sum = held.add(output).read().add(bias);
            if pass.accumulate {
                sum = sum.add(load(true, to, lanes));
            }
            if let Some(map) = finish.residual {
                let pixel = (image * map.shape().height + y) * map.shape().width + x + output;
                sum = sum.add(load(true, map.as_ptr().add(pixel * map.step() + tile.channel), lanes));
            }
            store(true, sum.max(low).min(high), to, lanes);
        }
    }
}

/// Copies `count` rows and columns of an image from `from` on, `VECTORS` vectors of channels of each pixel; `lanes` of the only
/// one. What lies outside the image is 0.
#[inline(always)]
unsafe fn cut<V: Vector, const VECTORS: usize>(
    source: Map<'_>,
    image: usize,
    from: [isize; 2],
    count: [usize; 2],
    channel: usize,
    lanes: usize,
    to: *mut f32,
) {
    let (shape, step) = (source.shape(), source.step());
    let part = VECTORS == 1;
    // Columns of the strip in the image.
    let left = (-from[1]).clamp(0, count[1] as isize) as usize;
    let right = (shape.width as isize - from[1]).clamp(left as isize, count[1] as isize) as usize;
    // SAFETY: the caller's strip has room; the pixels that are read lie in the image.
    unsafe {
        for row in 0..count[0] {
            let to = to.add(row * count[1] * VECTORS * V::LANES);
            let y = from[0] + row as isize;
            let inside = if y < 0 || y >= shape.height as isize { 0..0 } else { left..right };
            for x in (0..count[1]).filter(|x| !inside.contains(x)) {
                for vector in 0..VECTORS {
                    V::zero().store(to.add((x * VECTORS + vector) * V::LANES));
                }
            }
            for x in inside {
                let at = (image * shape.height + y as usize) * shape.width + (from[1] + x as isize) as usize;
                let at = source.as_ptr().add(at * step + channel);
                for vector in 0..VECTORS {
                    let value = load::<V>(part, at.add(vector * V::LANES), lanes);
                    value.store(to.add((x * VECTORS + vector) * V::LANES));
                }
            }
        }
    }
}

/// Gradient of the input, which is set, or added to if `accumulate`.
///
/// # Panics
/// If the shapes do not belong together.
pub(crate) fn input_gradient(
    isa: Isa,
    output: Map<'_>,
    weights: &[f32],
    each: usize,
    window: Window,
    input: &mut MapMut<'_>,
    accumulate: bool,
) {
    let [height, width] = window.kernel;
    assert_eq!([output.shape().height, output.shape().width], window.output);
    assert_eq!([input.shape().height, input.shape().width], window.input);
    assert!(is_known(isa, each, window.kernel, window.stride), "no kernel for {window:?}");
    let sides = [input.shape().channels, each];
    for y in 0..window.stride.min(window.input[0]) {
        for x in 0..window.stride.min(window.input[1]) {
            let (ys, xs) = (window.taps_of(0, y), window.taps_of(1, x));
            // A kernel that is no narrower than the stride reads every pixel.
            let pass = GroupedPass::pack(isa, sides, [ys.len(), xs.len()], |to, from, [y, x]| {
                let (output, input) = (to / each * each + from, to % each);
                weights[((output * each + input) * height + ys[y].0) * width + xs[x].0]
            });
            let reads = Reads { first: [ys[0].1, xs[0].1], stride: 1 };
            pass.run_to(output, reads, [y, x], window.stride, input, Finish::PLAIN, accumulate);
        }
    }
}

/// Gradient of the weights, `[channels, each, height, width]`.
///
/// # Panics
/// If the shapes do not belong together.
pub(crate) fn weight_gradient(
    isa: Isa,
    input: Map<'_>,
    output: Map<'_>,
    each: usize,
    window: Window,
    gradient: &mut [f32],
) {
    let (from, to) = (input.shape(), output.shape());
    assert_eq!([from.batch, from.channels], [to.batch, to.channels]);
    assert_eq!([[from.height, from.width], [to.height, to.width]], [window.input, window.output]);
    assert!(has_weight_gradient(isa, each, window.kernel, window.stride), "no kernel for {window:?}");
    let (bundle, taps) = (Bundle::new(isa, from.channels, each), window.kernel);
    let bundles = bundle.count();
    let parts = ITEMS.div_ceil(bundles).min(from.batch).max(1);
    let numbers = bundle.weights(taps);
    let strip = Strip::new(&bundle, window.output, taps, window.stride);
    let pass = GroupedGradient { input, output, bundle, orders: &bundle.orders(), window, strip };
    let mut sums = vec![0f32; parts * bundles * numbers];
    sums.par_chunks_mut(numbers).enumerate().for_each(|(item, sums)| {
        let (part, bundle) = (item / bundles, item % bundles);
        let images = split::nth(part, parts, from.batch);
        scratch::with(strip.numbers, |strip| {
            // SAFETY: the strip has room for what a block of rows reads, the sums are those of a bundle.
            unsafe { sum_images(isa, &pass, images, bundle, strip.as_mut_ptr(), sums.as_mut_ptr()) };
        });
    });
    let (all, rest) = sums.split_at_mut(bundles * numbers);
    for part in rest.chunks_exact(bundles * numbers) {
        all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
    }
    bundle.places(taps, |output, input, [y, x], at| {
        gradient[((output * each + input) * taps[0] + y) * taps[1] + x] = all[at];
    });
}

/// What all items of a gradient share.
struct GroupedGradient<'a> {
    input: Map<'a>,
    output: Map<'a>,
    bundle: Bundle,
    orders: &'a [[u32; 16]; 16],
    window: Window,
    strip: Strip,
}

dispatch! {
    unsafe fn sum_images(
        isa, pass: &GroupedGradient<'_>, images: Range<usize>, bundle: usize, strip: *mut f32, sums: *mut f32,
    ) = sum_images_body;
}

#[inline(always)]
unsafe fn sum_images_body<V: Vector>(
    pass: &GroupedGradient<'_>,
    images: Range<usize>,
    bundle: usize,
    strip: *mut f32,
    sums: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        match (pass.bundle.vectors(), pass.window.kernel[1], pass.window.stride) {
            (1, 1, _) => images_of::<V, 1, 1, 1>(pass, images, bundle, strip, sums),
            (1, _, 1) => images_of::<V, 1, 3, 1>(pass, images, bundle, strip, sums),
            (1, _, _) => images_of::<V, 1, 3, 2>(pass, images, bundle, strip, sums),
            (2, 1, _) => images_of::<V, 2, 1, 1>(pass, images, bundle, strip, sums),
            (2, _, 1) => images_of::<V, 2, 3, 1>(pass, images, bundle, strip, sums),
            (2, _, _) => images_of::<V, 2, 3, 2>(pass, images, bundle, strip, sums),
            (_, 1, _) => images_of::<V, 4, 1, 1>(pass, images, bundle, strip, sums),
            (_, _, 1) => images_of::<V, 4, 3, 1>(pass, images, bundle, strip, sums),
            _ => images_of::<V, 4, 3, 2>(pass, images, bundle, strip, sums),
        }
    }
}

#[inline(always)]
unsafe fn images_of<V: Vector, const VECTORS: usize, const COLUMNS: usize, const STRIDE: usize>(
    pass: &GroupedGradient<'_>,
    images: Range<usize>,
    bundle: usize,
    strip: *mut f32,
    sums: *mut f32,
) {
    let (width, first) = (VECTORS * V::LANES, bundle * VECTORS * V::LANES);
    let (lanes, part) = ((pass.bundle.channels - first).min(V::LANES), VECTORS == 1);
    let shape = pass.output.shape();
    let Strip { outputs, columns, line, .. } = pass.strip;
    let (taps, step) = (pass.window.kernel[0], pass.output.step());
    for image in images {
        for start in (0..shape.height).step_by(outputs) {
            let rows = outputs.min(shape.height - start);
            // SAFETY: the caller's: the strip has room for the rows, each output reads inside it, and the sums are those of the
            // bundle, `COLUMNS` vectors for each vector, row of taps and input.
            unsafe {
                let from = [(start * STRIDE) as isize - pass.window.pad[0] as isize, -(pass.window.pad[1] as isize)];
                let count = [(rows - 1) * STRIDE + taps, columns];
                cut::<V, VECTORS>(pass.input, image, from, count, first, lanes, strip);
                for vector in 0..VECTORS {
                    let dy = pass.output.as_ptr().add((image * shape.height + start) * shape.width * step);
                    let dy = dy.add(first + vector * V::LANES);
                    for row in 0..taps {
                        for input in (0..pass.bundle.each).step_by(INPUTS) {
                            let mut totals = [[V::zero(); INPUTS]; COLUMNS];
                            let mut orders = [V::order(&pass.orders[0]); INPUTS];
                            for i in 0..INPUTS {
                                orders[i] = V::order(&pass.orders[(input + i) % 16]);
                            }
                            for y in 0..rows {
                                let mut a = strip.cast_const().add((y * STRIDE + row) * line);
                                let mut dy = dy.add(y * shape.width * step);
                                for _ in 0..shape.width {
                                    let g = load::<V>(part, dy, lanes);
                                    for x in 0..COLUMNS {
                                        let at = a.add(x * width);
                                        for i in 0..INPUTS {
                                            let value = if VECTORS == 1 {
                                                V::load(at).reorder(orders[i])
                                            } else {
                                                V::splat(*at.add(input + i))
                                            };
                                            totals[x][i] = value.fma(g, totals[x][i]);
                                        }
                                    }
                                    a = a.add(STRIDE * width);
                                    dy = dy.wrapping_add(step);
                                }
                            }
                            let at = ((vector * taps + row) * pass.bundle.each + input) * COLUMNS;
                            let to = sums.add(at * V::LANES);
                            for x in 0..COLUMNS {
                                for i in 0..INPUTS {
                                    let to = to.add((i * COLUMNS + x) * V::LANES);
                                    totals[x][i].add(V::load(to)).store(to);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
