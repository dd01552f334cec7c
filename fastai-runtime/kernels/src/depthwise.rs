//! Depthwise convolutions: every channel has a kernel of its own.
//!
//! Channels lie in vectors. A block of outputs of one row is summed in registers, so that each source pixel is loaded once
//! per row of the kernel. The gradient of the input is the same sum over the gradient of the output, with the taps turned
//! around; at stride 2 there are four such sums, one per parity of row and column.

use rayon::prelude::*;

use crate::block::{BLOCK, each, meeting};
use crate::conv::{Window, check};
use crate::finish::Finish;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::prefetch;
use crate::tile::OPEN;
use crate::vector::{Vector, load, store};

/// Most rows of a kernel.
const HEIGHT: usize = 7;
/// Outputs (of one channel each) that are worth a thread's attention.
const ITEM: usize = 1 << 14;
/// Pixels whose products are summed in single precision before they go to a sum in double precision.
const PIXELS: usize = 512;
/// Shares of the weight gradient's pixels that are enough for all threads, so that channels need not be shared too.
const SHARES: usize = 64;
/// Channels of a share, where there are fewer shares of pixels; a multiple of every vector's lanes.
const CHANNELS: usize = 128;

/// Weights as `[channel vector][tap][lane]`.
#[derive(Debug)]
struct Taps {
    values: Vec<f32>,
    count: usize,
}

impl Taps {
    /// Packs the taps `ys` x `xs` of weights `[channel, height, width]`.
    fn pack(isa: Isa, weights: &[f32], kernel: [usize; 2], ys: &[usize], xs: &[usize]) -> Self {
        let (lanes, count) = (isa.lanes(), ys.len() * xs.len());
        let size = kernel[0] * kernel[1];
        let channels = weights.len() / size;
        let mut values = vec![0.0; channels.div_ceil(lanes) * count * lanes];
        for (channel, kernel_of) in weights.chunks_exact(size).enumerate() {
            let vector = channel / lanes * count;
            for (i, y) in ys.iter().enumerate() {
                for (j, x) in xs.iter().enumerate() {
                    values[(vector + i * xs.len() + j) * lanes + channel % lanes] = kernel_of[y * kernel[1] + x];
                }
            }
        }
        Self { values, count }
    }
}

/// A source row and the first of the taps that it meets.
#[derive(Clone, Copy)]
struct Row {
    source: *const f32,
    tap: usize,
}

/// Source rows that a row of outputs reads.
struct SourceRows {
    rows: [Row; HEIGHT],
    count: usize,
    /// Numbers from one pixel to the next.
    step: usize,
    /// Pixels of a row.
    width: usize,
    /// Pixel under the first tap of the first output.
    first: isize,
    /// First pixel of the row after the last; not valid where the image has none.
    next: *const f32,
}

impl SourceRows {
    /// The rows `ys` of image `image` of `source`, each meeting `width` more taps; rows outside the image are left out.
    fn new(source: Map<'_>, image: usize, ys: impl Iterator<Item = isize>, width: usize, first: isize) -> Self {
        let shape = source.shape();
        let mut rows = [Row { source: std::ptr::null(), tap: 0 }; HEIGHT];
        let mut count = 0;
        for (number, y) in ys.enumerate() {
            if (0..shape.height as isize).contains(&y) {
                let pixel = (image * shape.height + y as usize) * shape.width;
                rows[count] = Row { source: source.as_ptr().wrapping_add(pixel * source.step()), tap: number * width };
                count += 1;
            }
        }
        let next = count.checked_sub(1).map_or(source.as_ptr(), |last| rows[last].source);
        let next = next.wrapping_add(shape.width * source.step());
        Self { rows, count, step: source.step(), width: shape.width, first, next }
    }

    /// The rows that row `y` of the outputs reads.
    fn of_output(source: Map<'_>, image: usize, y: usize, window: &Window) -> Self {
        let [top, left] = window.pad.map(|pad| pad as isize);
        let ys = (0..window.kernel[0]).map(|ky| (y * window.stride + ky) as isize - top);
        Self::new(source, image, ys, window.kernel[1], -left)
    }

    /// Where the block of outputs from `x` on begins to read, and the range of pixels from there that lie in the image,
    /// when the first `count` outputs of the block are wanted.
    #[inline(always)]
    fn block<const KX: usize, const S: usize>(&self, x: usize, count: usize) -> (isize, usize, usize) {
        let from = self.first + (x * S) as isize;
        let reach = (count - 1) * S + KX;
        let low = (-from).clamp(0, reach as isize) as usize;
        let high = (self.width as isize - from).clamp(0, reach as isize) as usize;
        (from, low, high)
    }

    /// Hints that the next row of outputs reads `S` rows more, for a block whose first pixel is `from`.
    #[inline(always)]
    fn prefetch<const S: usize>(&self, from: isize, channel: usize) {
        for row in 0..S {
            let next = self.next.wrapping_add(row * self.width * self.step);
            let next = next.wrapping_offset(from * self.step as isize).wrapping_add(channel);
            for i in 0..BLOCK * S {
                prefetch::read(next.wrapping_add(i * self.step));
            }
        }
    }
}

/// A row of outputs.
struct Line<'a> {
    from: SourceRows,
    taps: &'a Taps,
    channels: usize,
    /// First output, and numbers from one to the next.
    to: *mut f32,
    to_step: usize,
    outputs: usize,
    /// Null for none.
    bias: *const f32,
    /// What is added to the first output, and numbers from one to the next; null for none. May be the outputs.
    residual: *const f32,
    residual_step: usize,
    clamp: [f32; 2],
}

/// A block of outputs, as [`Line`] describes them: `EDGE` where it has less than `BLOCK` outputs or less than a vector of
/// channels, or reads over the border.
#[inline(always)]
unsafe fn forward_block<V: Vector, const KX: usize, const S: usize, const EDGE: bool>(
    line: &Line<'_>,
    x: usize,
    count: usize,
    channel: usize,
    lanes: usize,
) {
    let (from, low, high) = line.from.block::<KX, S>(x, count);
    let step = line.from.step;
    // SAFETY: pixels `low..high` from `from` on lie in the source's row, and outputs `x..x + count` in the output's, each
    // with `lanes` channels from `channel` on; the taps hold whole vectors.
    unsafe {
        if channel.is_multiple_of(prefetch::LINE) {
            line.from.prefetch::<S>(from, channel);
            for i in 0..BLOCK {
                prefetch::write(line.to.wrapping_add((line.outputs + x + i) * line.to_step + channel));
            }
        }
        let start = if line.bias.is_null() { V::zero() } else { load::<V>(EDGE, line.bias.add(channel), lanes) };
        let mut sums = [start; BLOCK];
        let weights = line.taps.values.as_ptr().add(channel * line.taps.count);
        for row in &line.from.rows[..line.from.count] {
            let mut taps = [V::zero(); KX];
            for (k, tap) in taps.iter_mut().enumerate() {
                *tap = V::load(weights.add((row.tap + k) * V::LANES));
            }
            let source = row.source.wrapping_offset(from * step as isize).wrapping_add(channel);
            each!(I in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18] {
                if I < (BLOCK - 1) * S + KX && (!EDGE || (low..high).contains(&I)) {
                    let pixel = load::<V>(EDGE, source.wrapping_add(I * step), lanes);
                    each!(K in [0 1 2 3 4 5 6] {
                        if let Some(output) = meeting::<KX, S>(I, K) {
                            sums[output] = pixel.fma(taps[K], sums[output]);
                        }
                    });
                }
            });
        }
        let (lowest, highest) = (V::splat(line.clamp[0]), V::splat(line.clamp[1]));
        each!(I in [0 1 2 3 4 5 6] {
            if !EDGE || I < count {
                let mut sum = sums[I];
                if !line.residual.is_null() {
                    let residual = line.residual.add((x + I) * line.residual_step + channel);
                    sum = sum.add(load::<V>(EDGE, residual, lanes));
                }
                let to = line.to.add((x + I) * line.to_step + channel);
                store::<V>(EDGE, highest.min(lowest.max(sum)), to, lanes);
            }
        });
    }
}

/// Defines `$pick`, which gives the function that calls `$block` for all blocks of a line, for a kernel's width and a stride,
/// compiled for each instruction set.
macro_rules! widths {
    ($pick:ident, $block:ident, $line:ty, [$($name:ident $kx:literal $s:literal),*]) => {
        /// The function for a kernel `width` wide; there is one for the widths that occur.
        fn $pick(width: usize, stride: usize) -> unsafe fn(Isa, $line) {
            $(mod $name {
                use super::*;
                #[inline(always)]
                unsafe fn body<V: Vector>(line: $line) {
                    for x in (0..line.outputs).step_by(BLOCK) {
                        let count = BLOCK.min(line.outputs - x);
                        let (_, low, high) = line.from.block::<$kx, $s>(x, count);
                        let inside = count == BLOCK && low == 0 && high == (BLOCK - 1) * $s + $kx;
                        for channel in (0..line.channels).step_by(V::LANES) {
                            let lanes = V::LANES.min(line.channels - channel);
                            // SAFETY: the caller's; the block is as the branch says.
                            unsafe {
                                if inside && lanes == V::LANES {
                                    $block::<V, $kx, $s, false>(line, x, count, channel, lanes);
                                } else {
                                    $block::<V, $kx, $s, true>(line, x, count, channel, lanes);
                                }
                            }
                        }
                    }
                }
                dispatch! { pub(super) unsafe fn run(isa, line: $line) = body; }
            })*
            match (width, stride) {
                $(($kx, $s) => $name::run,)*
                _ => panic!("no depthwise kernel {width} wide at stride {stride}"),
            }
        }
    };
}

widths!(forward_width, forward_block, &Line<'_>, [
    w1s1 1 1, w2s1 2 1, w3s1 3 1, w4s1 4 1, w5s1 5 1, w7s1 7 1,
    w3s2 3 2, w5s2 5 2, w7s2 7 2
]);

/// Whether there are kernels for that height and width and that stride.
pub(crate) fn is_known(kernel: [usize; 2], stride: usize) -> bool {
    (1..=HEIGHT).contains(&kernel[0]) && [3, 5, 7].contains(&kernel[1]) && [1, 2].contains(&stride)
}

fn check_window(window: &Window, input: Map<'_>, output: Map<'_>) {
    let (input, output) = (input.shape(), output.shape());
    assert_eq!([input.height, input.width], window.input);
    assert_eq!([output.height, output.width], window.output);
    assert_eq!([input.batch, input.channels], [output.batch, output.channels]);
    assert!(is_known(window.kernel, window.stride), "no depthwise kernel for {window:?}");
}

/// Calls `work(image, y)` for each row of `batch` images, a few rows of `numbers` numbers at a time for a thread.
pub(crate) fn rows(batch: usize, height: usize, numbers: usize, work: impl Fn(usize, usize) + Sync) {
    let rows = batch * height;
    let each = (ITEM / numbers.max(1)).max(1);
    (0..rows.div_ceil(each)).into_par_iter().for_each(|item| {
        for row in item * each..((item + 1) * each).min(rows) {
            work(row / height, row % height);
        }
    });
}

/// A depthwise convolution, its weights packed for the forward pass.
#[derive(Debug)]
pub struct DepthwisePass {
    isa: Isa,
    taps: Taps,
    channels: usize,
    kernel: [usize; 2],
}

impl DepthwisePass {
    /// Packs weights `[channel, kernel height, kernel width]`.
    ///
    /// # Panics
    /// If `weights` are more or fewer.
    pub fn new(isa: Isa, weights: &[f32], channels: usize, kernel: [usize; 2]) -> Self {
        assert_eq!(weights.len(), channels * kernel[0] * kernel[1]);
        let [ys, xs] = kernel.map(|side| (0..side).collect::<Vec<_>>());
        Self { isa, taps: Taps::pack(isa, weights, kernel, &ys, &xs), channels, kernel }
    }

    /// Convolves `input` into `output`. Kernels are up to 7 high and 3, 5 or 7 wide, strides 1 or 2.
    ///
    /// # Panics
    /// If the shapes do not belong together, or for another kernel or stride.
    pub fn run(&self, input: Map<'_>, window: Window, output: &mut MapMut<'_>, finish: Finish<'_>) {
        check(&finish, output);
        check_window(&window, input, output.as_map());
        assert_eq!(
            [self.channels, self.kernel[0], self.kernel[1]],
            [input.shape().channels, window.kernel[0], window.kernel[1]]
        );
        let run = forward_width(window.kernel[1], window.stride);
        let shape = output.shape();
        let (to, to_step) = (output.shared(), output.step());
        rows(shape.batch, shape.height, shape.width * shape.channels, |image, y| {
            let first = (image * shape.height + y) * shape.width;
            let line = Line {
                from: SourceRows::of_output(input, image, y, &window),
                taps: &self.taps,
                channels: self.channels,
                to: to.get().wrapping_add(first * to_step),
                to_step,
                outputs: shape.width,
                bias: finish.bias.map_or(std::ptr::null(), |bias| bias.as_ptr()),
                residual: finish.residual.map_or(std::ptr::null(), |map| map.as_ptr().wrapping_add(first * map.step())),
                residual_step: finish.residual.map_or(0, |map| map.step()),
                clamp: finish.clamp,
            };
            // SAFETY: source rows, output row and residual row lie in their maps, as the checks above say; each output row
            // belongs to one call, and the output is borrowed uniquely.
            unsafe { run(self.isa, &line) }
        });
    }
}

/// Gradient of a depthwise convolution's input from the gradient `output` of its output and its `weights`,
/// `[channel, kernel height, kernel width]`, packed for the call.
///
/// `input` is set, or added to if `accumulate`.
///
/// # Panics
/// If the shapes do not belong together, or for a kernel or stride that [`DepthwisePass::run`] does not have.
pub fn input_gradient(
    isa: Isa,
    output: Map<'_>,
    weights: &[f32],
    window: Window,
    input: &mut MapMut<'_>,
    accumulate: bool,
) {
    check_window(&window, input.as_map(), output);
    let shape = input.shape();
    let Window { kernel, stride, .. } = window;
    assert_eq!(weights.len(), shape.channels * kernel[0] * kernel[1]);
    let [ys, xs] = [0, 1].map(|axis| (0..stride).map(|start| window.taps_of(axis, start)).collect::<Vec<_>>());
    let number = |taps: &[(usize, isize)]| taps.iter().map(|(tap, _)| *tap).collect::<Vec<_>>();
    let pack = |ys, xs| Taps::pack(isa, weights, kernel, &number(ys), &number(xs));
    let taps: Vec<Vec<Taps>> = ys.iter().map(|ys| xs.iter().map(|xs| pack(ys, xs)).collect()).collect();
    let (to, to_step) = (input.shared(), input.step());
    rows(shape.batch, shape.height, shape.width * shape.channels, |image, y| {
        for (start, xs) in xs.iter().enumerate().take(shape.width) {
            let source_ys = ys[y % stride].iter().map(|(_, output)| (y / stride) as isize + output);
            let first = (image * shape.height + y) * shape.width + start;
            let at = to.get().wrapping_add(first * to_step);
            let line = Line {
                from: SourceRows::new(output, image, source_ys, xs.len(), xs[0].1),
                taps: &taps[y % stride][start],
                channels: shape.channels,
                to: at,
                to_step: stride * to_step,
                outputs: (shape.width - start).div_ceil(stride),
                bias: std::ptr::null(),
                residual: if accumulate { at } else { std::ptr::null() },
                residual_step: stride * to_step,
                clamp: OPEN,
            };
            // SAFETY: source rows lie in `output` and every `stride`-th pixel of a row in `input`, as the checks above say;
            // each row belongs to one call, and `input` is borrowed uniquely.
            unsafe { forward_width(xs.len(), 1)(isa, &line) }
        }
    });
}

/// A row of output gradients, and the sums that it adds to.
struct GradientLine {
    from: SourceRows,
    channels: usize,
    output: *const f32,
    output_step: usize,
    outputs: usize,
    /// `[channel vector][tap][lane]`, the last tap for the bias.
    sums: *mut f32,
    taps: usize,
}

#[inline(always)]
unsafe fn gradient_block<V: Vector, const KX: usize, const S: usize, const EDGE: bool>(
    line: &GradientLine,
    x: usize,
    count: usize,
    channel: usize,
    lanes: usize,
) {
    let (from, low, high) = line.from.block::<KX, S>(x, count);
    let step = line.from.step;
    // SAFETY: pixels `low..high` from `from` on lie in the input's row, and outputs `x..x + count` in the output's, each
    // with `lanes` channels from `channel` on; the sums are whole vectors.
    unsafe {
        if channel.is_multiple_of(prefetch::LINE) {
            line.from.prefetch::<S>(from, channel);
            for i in 0..BLOCK {
                prefetch::read(line.output.wrapping_add((line.outputs + x + i) * line.output_step + channel));
            }
        }
        let mut outputs = [V::zero(); BLOCK];
        let sums = line.sums.add(channel * line.taps);
        let bias = sums.add((line.taps - 1) * V::LANES);
        each!(I in [0 1 2 3 4 5 6] {
            if !EDGE || I < count {
                outputs[I] = load::<V>(EDGE, line.output.add((x + I) * line.output_step + channel), lanes);
            }
        });
        let [a, b, c, d, e, f, g] = outputs;
        V::load(bias).add(a.add(b).add(c.add(d)).add(e.add(f).add(g))).store(bias);
        for row in &line.from.rows[..line.from.count] {
            let sums = sums.add(row.tap * V::LANES);
            let mut taps = [V::zero(); KX];
            for (k, tap) in taps.iter_mut().enumerate() {
                *tap = V::load(sums.add(k * V::LANES));
            }
            let source = row.source.wrapping_offset(from * step as isize).wrapping_add(channel);
            each!(I in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18] {
                if I < (BLOCK - 1) * S + KX && (!EDGE || (low..high).contains(&I)) {
                    let pixel = load::<V>(EDGE, source.wrapping_add(I * step), lanes);
                    each!(K in [0 1 2 3 4 5 6] {
                        if let Some(output) = meeting::<KX, S>(I, K) {
                            taps[K] = pixel.fma(outputs[output], taps[K]);
                        }
                    });
                }
            });
            for (k, tap) in taps.iter().enumerate() {
                tap.store(sums.add(k * V::LANES));
            }
        }
    }
}

widths!(gradient_width, gradient_block, &GradientLine, [
    w3s1 3 1, w5s1 5 1, w7s1 7 1, w3s2 3 2, w5s2 5 2, w7s2 7 2
]);

/// Gradients of a depthwise convolution's weights, `[channel, kernel height, kernel width]`, and of its bias, `[channel]`,
/// from its `input` and the gradient `output` of its output. Both are set.
///
/// # Panics
/// If the shapes do not belong together, or for a kernel or stride that [`DepthwisePass::run`] does not have.
pub fn weight_gradient(
    isa: Isa,
    input: Map<'_>,
    output: Map<'_>,
    window: Window,
    weights: &mut [f32],
    bias: Option<&mut [f32]>,
) {
    check_window(&window, input, output);
    let shape = output.shape();
    let (channels, size) = (shape.channels, window.kernel[0] * window.kernel[1]);
    assert_eq!(weights.len(), channels * size);
    assert!(bias.as_ref().is_none_or(|bias| bias.len() == channels), "a bias of every channel");
    let run = gradient_width(window.kernel[1], window.stride);
    let (taps, lanes) = (size + 1, isa.lanes());
    // Items and their sums are the same on any number of threads.
    let rows = shape.batch * shape.height;
    let rows_each = (PIXELS / shape.width.max(1)).max(1);
    let row_blocks = rows.div_ceil(rows_each);
    let channels_each = if row_blocks < SHARES { CHANNELS } else { channels.next_multiple_of(CHANNELS) };
    let channel_blocks = channels.div_ceil(channels_each.max(1));
    let padded = channels.next_multiple_of(lanes);
    let mut partial = vec![0.0f32; row_blocks * padded * taps];
    let sums = SharedMut::of(&mut partial);
    (0..row_blocks * channel_blocks).into_par_iter().for_each(|item| {
        let (block, first) = (item / channel_blocks, item % channel_blocks * channels_each);
        let in_item = channels_each.min(channels - first);
        for row in block * rows_each..((block + 1) * rows_each).min(rows) {
            let (image, y) = (row / shape.height, row % shape.height);
            let line = GradientLine {
                from: SourceRows::of_output(input.channels(first, in_item), image, y, &window),
                channels: in_item,
                output: output.as_ptr().wrapping_add(row * shape.width * output.step() + first),
                output_step: output.step(),
                outputs: shape.width,
                sums: sums.get().wrapping_add((block * padded + first) * taps),
                taps,
            };
            // SAFETY: source rows and output row lie in their maps, as the checks above say; the sums of an item are the
            // whole vectors of its channels, which no other item has.
            unsafe { run(isa, &line) }
        }
    });
    let total = |channel: usize, tap: usize| {
        let at = (channel / lanes * taps + tap) * lanes + channel % lanes;
        let blocks = (0..row_blocks).map(|block| f64::from(partial[block * padded * taps + at]));
        blocks.sum::<f64>() as f32
    };
    weights.par_chunks_mut(size).enumerate().for_each(|(channel, weights)| {
        for (tap, weight) in weights.iter_mut().enumerate() {
            *weight = total(channel, tap);
        }
    });
    for (channel, bias) in bias.into_iter().flatten().enumerate() {
        *bias = total(channel, size);
    }
}
