//! Convolutions as matrix products over pixels: the rows are outputs, the sums run over the numbers that an output reads.
//! No matrix of columns is made; a block of rows is gathered where it is used.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::finish::Finish;
use crate::gather::{Neighbours, TapRow};
use crate::isa::Isa;
use crate::map::{Map, MapMut, SharedMut, product};
use crate::panel::Panels;
use crate::tile::{OPEN, Tile, TileOrder, Tiles, WHOLE};
use crate::{scratch, split};

/// Outputs that are computed together: what they read stays in the second-level cache.
const ROWS: usize = 112;
/// Outputs whose rows a thread gathers for all threads.
const SHARED_ROWS: usize = 16;
/// Products that are summed in one go: a panel of so many rows stays in the first-level cache.
const DEPTH: usize = 256;

/// Sides of a convolution with one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Pixels between two outputs.
    pub stride: usize,
    /// Zeros above and to the left of the image.
    pub pad: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
}

impl Window {
    /// What an output reads.
    pub(crate) fn forward(&self) -> Neighbours {
        let [top, left] = self.pad.map(|pad| pad as isize);
        let rows = (0..self.kernel[0]).map(|ky| TapRow { y: ky as isize - top, x: -left, count: self.kernel[1] });
        Neighbours { rows: rows.collect(), step: self.stride, grid: self.output }
    }

    /// Which taps read the input's rows (axis 0) or columns (axis 1) `start + stride * i`, the last tap first: number of the
    /// tap, and the output that reads it, counted from `i`.
    pub(crate) fn taps_of(&self, axis: usize, start: usize) -> Vec<(usize, isize)> {
        let (reach, stride) = ((start + self.pad[axis]) as isize, self.stride as isize);
        let taps = (0..self.kernel[axis]).rev().map(|tap| (tap, reach - tap as isize));
        taps.filter(|(_, rest)| rest % stride == 0).map(|(tap, rest)| (tap, rest.div_euclid(stride))).collect()
    }
}

/// How a product is shared between threads.
struct Shares {
    rows: usize,
    row_blocks: usize,
    column_blocks: usize,
    columns_each: usize,
}

impl Shares {
    fn new(rows: usize, columns: usize, width: usize) -> Self {
        let row_blocks = rows.div_ceil(ROWS);
        let panels = columns.div_ceil(width);
        let wanted = 8 * rayon::current_num_threads();
        let column_blocks = wanted.div_ceil(row_blocks.max(1)).min(panels).max(1);
        let columns_each = panels.div_ceil(column_blocks) * width;
        Self { rows, row_blocks, column_blocks: columns.div_ceil(columns_each.max(1)), columns_each }
    }

    fn items(&self) -> usize {
        self.row_blocks * self.column_blocks
    }

    /// Rows and columns of item `number`.
    fn item(&self, number: usize, columns: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (row, column) = (number / self.column_blocks, number % self.column_blocks);
        let rows = split::nth(row, self.row_blocks, self.rows);
        let columns = column * self.columns_each..((column + 1) * self.columns_each).min(columns);
        (rows, columns)
    }
}

/// Pixels of an output on a grid, which need not follow each other.
#[derive(Clone, Copy)]
struct Places {
    to: SharedMut,
    /// Number of the first pixel's first channel.
    first: usize,
    /// Height and width of the grid.
    grid: [usize; 2],
    /// Numbers from one pixel to the next, from one line to the next, and from one image to the next.
    steps: [usize; 3],
}

impl Places {
    /// Every `stride`-th pixel in both directions from `start` on.
    fn every(output: &mut MapMut<'_>, start: [usize; 2], stride: usize) -> Self {
        let (shape, step) = (output.shape(), output.step());
        let line = shape.width * step;
        Self {
            to: output.shared(),
            first: start[0] * line + start[1] * step,
            grid: [(shape.height - start[0]).div_ceil(stride), (shape.width - start[1]).div_ceil(stride)],
            steps: [stride * step, stride * line, shape.height * line],
        }
    }

    /// The address of a pixel, which lies in the output that the places are of if `number` counts one of its images.
    fn pixel(&self, number: usize) -> *mut f32 {
        let [height, width] = self.grid;
        let (x, y, image) = (number % width, number / width % height, number / (width * height));
        self.to.get().wrapping_add(self.first + x * self.steps[0] + y * self.steps[1] + image * self.steps[2])
    }

    /// Parts of `pixels` whose pixels follow each other every `steps[0]`.
    fn runs(&self, pixels: std::ops::Range<usize>) -> impl Iterator<Item = std::ops::Range<usize>> {
        let [height, width] = self.grid;
        let [pixel, line, image] = self.steps;
        let whole = line == width * pixel && image == height * line;
        let mut start = pixels.start;
        std::iter::from_fn(move || {
            let end = if whole { pixels.end } else { pixels.end.min((start / width + 1) * width) };
            let run = start..end;
            start = end;
            (!run.is_empty()).then_some(run)
        })
    }
}

/// For each pixel at `places` of an output with that many images and channels the product of what it reads of `source` with
/// `weights`, `[taps * channel, output channel]`. The output is set, or added to if `accumulate`.
///
/// # Panics
/// If the shapes do not belong together.
#[allow(clippy::too_many_arguments)]
fn to_places(
    isa: Isa,
    source: Map<'_>,
    neighbours: &Neighbours,
    weights: &Panels,
    places: Places,
    [batch, columns]: [usize; 2],
    finish: Finish<'_>,
    accumulate: bool,
) {
    let k = weights.k();
    assert_eq!(places.grid, neighbours.grid);
    assert_eq!(batch, source.shape().batch);
    assert_eq!([k, weights.columns()], [neighbours.taps() * source.shape().channels, columns]);
    let rows = batch * places.grid[0] * places.grid[1];
    let direct = k > 0 && neighbours.is_identity(source) && !source.step().is_multiple_of(512);
    let shares = Shares::new(rows, columns, weights.width());
    let tiles = Tiles::new(isa, TileOrder::Rows);
    // Several items read the same rows: they are gathered once for all of them.
    let gathered = (!direct && shares.column_blocks > 1).then(|| {
        let step = k.next_multiple_of(16) + 16;
        let mut buffer = Buffer::new(product(&[rows, step]));
        buffer.values_mut().par_chunks_mut(SHARED_ROWS * step).enumerate().for_each(|(part, to)| {
            let first = part * SHARED_ROWS;
            neighbours.gather(isa, source, first..(first + SHARED_ROWS).min(rows), 0..k, to, step);
        });
        (buffer, step)
    });
    let whole = match &gathered {
        Some((buffer, step)) => Some((buffer.values(), *step)),
        None => direct.then(|| (source.values(), source.step())),
    };
    (0..shares.items()).into_par_iter().for_each(|item| {
        let (rows, columns) = shares.item(item, columns);
        scratch::with(if whole.is_some() { 0 } else { ROWS * (DEPTH + 16) }, |block| {
            for numbers in split::at_most(DEPTH, k) {
                let (a, a_step) = if let Some((all, step)) = whole {
                    (all[rows.start * step + numbers.start..].as_ptr(), step)
                } else {
                    let step = numbers.len().next_multiple_of(16) + 16;
                    neighbours.gather(isa, source, rows.clone(), numbers.clone(), block, step);
                    (block.as_ptr(), step)
                };
                let (begins, ends) = (numbers.start == 0, numbers.end == k);
                for first in columns.clone().step_by(weights.width()) {
                    let width = weights.width().min(columns.end - first);
                    let after = first + weights.width();
                    let next = match after < columns.end {
                        true => weights.row(numbers.start, after),
                        false => weights.row(numbers.end, columns.start),
                    };
                    let (mut ahead, ahead_step) = tiles.ahead(next.as_ptr(), rows.len());
                    // With many pixels the weights stay in the second-level cache, but the source comes from further away.
                    let source_ahead = direct && first == columns.start && shares.row_blocks > shares.column_blocks;
                    for run in places.runs(rows.clone()) {
                        for (row, height) in tiles.split(run.len()) {
                            let pixel = run.start + row;
                            let residual = finish.residual.filter(|_| ends);
                            // SAFETY: a row of the block, or a pixel of the source.
                            let a = unsafe { a.add((pixel - rows.start) * a_step) };
                            let (ahead_now, ahead_step) = match source_ahead {
                                true => (a.wrapping_add(height * a_step), (height * a_step).div_ceil(numbers.len())),
                                false => (ahead, ahead_step),
                            };
                            let tile = Tile {
                                k: numbers.len(),
                                a,
                                segments: WHOLE,
                                a_step,
                                b: weights.row(numbers.start, first).as_ptr(),
                                // SAFETY: a channel of a pixel of the output.
                                c: unsafe { places.pixel(pixel).add(first) },
                                c_step: places.steps[0],
                                columns: width,
                                accumulate: accumulate || !begins,
                                bias: finish.bias.map_or(std::ptr::null(), |bias| bias[first..].as_ptr()),
                                residual: residual.map_or(std::ptr::null(), |map| {
                                    // SAFETY: a pixel and channel of the residual, which has the output's shape.
                                    unsafe { map.as_ptr().add(pixel * map.step() + first) }
                                }),
                                residual_step: residual.map_or(0, |map| map.step()),
                                ahead: ahead_now,
                                ahead_step,
                                clamp: if ends { finish.clamp } else { OPEN },
                            };
                            // SAFETY: the block holds `rows.len()` rows of `numbers.len()` numbers every `a_step`, as do
                            // the gathered rows, or the source from that pixel on when it is read directly: it has the
                            // grid's pixels and `k` channels. The panels hold `k` rows of whole vectors for `width`
                            // columns; the pixels of a run lie in the output every `c_step`, and items have pixels and
                            // channels of their own. Bias and residual were checked to have the output's channels and
                            // pixels, and are borrowed beside a unique borrow of the output.
                            unsafe { tiles.run(height, &tile) }
                            ahead = ahead.wrapping_add(numbers.len() * ahead_step);
                        }
                    }
                }
            }
        });
    });
}

pub(crate) fn check(finish: &Finish<'_>, output: &MapMut<'_>) {
    assert!(finish.bias.is_none_or(|bias| bias.len() >= output.shape().channels), "a bias of every channel");
    assert!(finish.residual.is_none_or(|map| map.shape() == output.shape()), "a residual of the output's shape");
}

/// Weights of a convolution with one group, `[output, input, height, width]`, for its kernels to pack.
#[derive(Clone, Copy, Debug)]
pub struct PackedWeights<'a> {
    values: &'a [f32],
    output: usize,
    input: usize,
    kernel: [usize; 2],
}

impl<'a> PackedWeights<'a> {
    /// Weights of these sides.
    ///
    /// # Panics
    /// If there are more or fewer `values`.
    pub fn new(values: &'a [f32], output: usize, input: usize, kernel: [usize; 2]) -> Self {
        assert_eq!(values.len(), product(&[output, input, kernel[0], kernel[1]]));
        Self { values, output, input, kernel }
    }

    /// Output and input channels.
    pub(crate) fn channels(&self) -> [usize; 2] {
        [self.output, self.input]
    }

    /// Height and width of the kernel.
    pub(crate) fn kernel(&self) -> [usize; 2] {
        self.kernel
    }

    /// One weight.
    pub(crate) fn at(&self, output: usize, input: usize, y: usize, x: usize) -> f32 {
        self.values[((output * self.input + input) * self.kernel[0] + y) * self.kernel[1] + x]
    }

    /// `[taps * input, output]`, tap by tap.
    pub(crate) fn forward(&self, isa: Isa) -> Panels {
        let [height, width] = self.kernel;
        let taps = height * width;
        Panels::pack(isa, taps, self.input, self.output, |tap, input, output| {
            self.values[(output * self.input + input) * taps + tap]
        })
    }

    /// `[taps * output, input]` of the taps `ys` and `xs`, tap by tap.
    pub(crate) fn backward(&self, isa: Isa, ys: &[usize], xs: &[usize]) -> Panels {
        let [height, width] = self.kernel;
        let taps: Vec<usize> = ys.iter().flat_map(|y| xs.iter().map(move |x| y * width + x)).collect();
        Panels::pack(isa, taps.len(), self.output, self.input, |tap, output, input| {
            self.values[(output * self.input + input) * height * width + taps[tap]]
        })
    }
}

/// A convolution with one group, its weights packed for the forward pass.
#[derive(Debug)]
pub struct Forward {
    isa: Isa,
    weights: Panels,
}

impl Forward {
    /// Packs the weights.
    pub fn new(isa: Isa, weights: PackedWeights<'_>) -> Self {
        Self { isa, weights: weights.forward(isa) }
    }

    /// Convolves `input` into `output`.
    ///
    /// # Panics
    /// If the shapes do not belong together.
    pub fn run(&self, input: Map<'_>, window: Window, output: &mut MapMut<'_>, finish: Finish<'_>) {
        check(&finish, output);
        let (shape, places) = (output.shape(), Places::every(output, [0, 0], 1));
        let sides = [shape.batch, shape.channels];
        to_places(self.isa, input, &window.forward(), &self.weights, places, sides, finish, false);
    }
}

/// Gradient of a convolution's input, `weights` packed for the call.
///
/// `input` is set, or added to if `accumulate`.
///
/// # Panics
/// If the shapes do not belong together.
pub fn input_gradient(
    isa: Isa,
    output: Map<'_>,
    weights: PackedWeights<'_>,
    window: Window,
    input: &mut MapMut<'_>,
    accumulate: bool,
) {
    let s = window.stride;
    let (batch, channels) = (input.shape().batch, input.shape().channels);
    assert_eq!([input.shape().height, input.shape().width], window.input);
    for y in 0..s.min(window.input[0]) {
        for x in 0..s.min(window.input[1]) {
            let (ys, xs) = (window.taps_of(0, y), window.taps_of(1, x));
            let places = Places::every(input, [y, x], s);
            if ys.is_empty() || xs.is_empty() {
                if !accumulate {
                    clear(places, batch, channels);
                }
                continue;
            }
            let rows = ys.iter().map(|(_, y)| TapRow { y: *y, x: xs[0].1, count: xs.len() }).collect();
            let neighbours = Neighbours { rows, step: 1, grid: places.grid };
            let number = |taps: Vec<(usize, isize)>| taps.into_iter().map(|(k, _)| k).collect::<Vec<_>>();
            let panels = weights.backward(isa, &number(ys), &number(xs));
            to_places(isa, output, &neighbours, &panels, places, [batch, channels], Finish::PLAIN, accumulate);
        }
    }
}

/// Sets the pixels at `places` to 0.
fn clear(places: Places, batch: usize, channels: usize) {
    (0..batch * places.grid[0] * places.grid[1]).into_par_iter().with_min_len(64).for_each(|pixel| {
        // SAFETY: the channels of a pixel of the output, which no other call has.
        unsafe { std::slice::from_raw_parts_mut(places.pixel(pixel), channels) }.fill(0.0);
    });
}
