//! Scaling like OpenCV's `INTER_AREA`.

use super::crop::CropWindow;
use super::image::{FloatImage, Pixels};
use fastai_kernels::wide::{Wide, wide};

/// Height and width of an image of `extent` whose shorter side becomes `target`: `max(floor(side * target / shorter),
/// target)` a side.
pub(super) fn scaled_size(extent: (f64, f64), target: usize) -> (usize, usize) {
    let ratio = target as f64 / extent.0.min(extent.1);
    let side = |n: f64| ((n * ratio).floor() as usize).max(target);
    (side(extent.0), side(extent.1))
}

/// Scales the shorter side to `target` pixels, preserving the aspect ratio up to rounding down.
pub fn scale_min<P: Pixels>(source: &P, target: usize) -> FloatImage {
    let (height, width) = scaled_size(source.extent(), target);
    resize(source, height, width)
}

/// Scales to `height` x `width`: area averaging if both sides shrink, otherwise a blend of the two nearest pixels per axis
/// (OpenCV's `INTER_AREA`, which differs from the usual bilinear enlargement).
pub fn resize<P: Pixels>(source: &P, height: usize, width: usize) -> FloatImage {
    resize_window(source, (height, width), CropWindow::whole((height, width)))
}

/// Computes `window` of `source` scaled to `size`. The values equal those of cropping after [`resize`], at a lower cost.
pub(super) fn resize_window<P: Pixels>(source: &P, size: (usize, usize), window: CropWindow) -> FloatImage {
    let (from, extent) = (source.size(), source.extent());
    if extent == (size.0 as f64, size.1 as f64) {
        return FloatImage::window_of(source, window);
    }
    let shrinks = size.0 as f64 <= extent.0 && size.1 as f64 <= extent.1;
    let axis = |extent: f64, from: usize, to: usize, first: usize, count: usize| match shrinks {
        true => AxisWeights::area(extent, from, to, first, count),
        false => AxisWeights::linear(from, to, first, count),
    };
    let rows = axis(extent.0, from.0, size.0, window.top, window.height);
    let columns = Columns::new(&axis(extent.1, from.1, size.1, window.left, window.width), from.1);

    wide(Resize { source, window, rows: &rows, columns: &columns })
}

/// A scaling with its weights.
struct Resize<'a, P> {
    source: &'a P,
    window: CropWindow,
    rows: &'a AxisWeights,
    columns: &'a Columns,
}

impl<P: Pixels> Wide for Resize<'_, P> {
    type Output = FloatImage;

    #[inline(always)]
    fn run(self) -> FloatImage {
        let Resize { source, window, rows, columns } = self;
        if window.width == 0 {
            return FloatImage::black(window.height, 0);
        }
        let mut image = FloatImage::unwritten(window.height, window.width);
        let samples = source.samples();
        let (first, last) = columns.span();
        let stride = source.size().1 * P::LANES;
        // Rows first: that pass reads the most and runs over contiguous samples. One more float at the end, because a
        // pixel is read as four floats whatever its lanes.
        let length = (last - first) * P::LANES;
        let mut blended = vec![0f32; length + 1];
        let row_of = |y: usize| &samples[y * stride + first * P::LANES..y * stride + last * P::LANES];
        for (y, out) in image.pixels_mut().chunks_exact_mut(window.width).enumerate() {
            let (start, weights) = rows.taps(y);
            blend_rows(&mut blended[..length], start, weights, P::UNIT, row_of);
            columns.blend::<P>(&blended, first, out);
        }
        image
    }
}

/// Writes the weighted sum of rows `start..` into `out`, each sample times `unit`.
#[inline(always)]
fn blend_rows<'a, S: Copy + Into<f32> + 'a>(
    out: &mut [f32],
    start: usize,
    weights: &[f32],
    unit: f32,
    row_of: impl Fn(usize) -> &'a [S],
) {
    // The usual number of rows in one pass; further rows go in pairs, which halves the memory traffic of the sums.
    let head = match *weights {
        [u] => {
            let u = u * unit;
            for (sum, &a) in out.iter_mut().zip(row_of(start)) {
                *sum = u * a.into();
            }
            return;
        }
        [u, v] => {
            let (u, v) = (u * unit, v * unit);
            for ((sum, &a), &b) in out.iter_mut().zip(row_of(start)).zip(row_of(start + 1)) {
                *sum = u * a.into() + v * b.into();
            }
            return;
        }
        [u, v, w, ..] if weights.len() % 2 == 1 => {
            let (u, v, w) = (u * unit, v * unit, w * unit);
            let rows = row_of(start).iter().zip(row_of(start + 1)).zip(row_of(start + 2));
            for (sum, ((&a, &b), &c)) in out.iter_mut().zip(rows) {
                *sum = u * a.into() + v * b.into() + w * c.into();
            }
            3
        }
        [..] => {
            out.fill(0.0);
            0
        }
    };
    let tail = &weights[head..];
    for (k, pair) in tail.chunks_exact(2).enumerate() {
        let y = start + head + 2 * k;
        let (u, v) = (pair[0] * unit, pair[1] * unit);
        for ((sum, &a), &b) in out.iter_mut().zip(row_of(y)).zip(row_of(y + 1)) {
            *sum += u * a.into() + v * b.into();
        }
    }
}

/// For each target pixel of one axis, the first source pixel and the weights of it and its followers.
struct AxisWeights {
    starts: Vec<usize>,
    /// The start of each target pixel's weights, followed by the end of all.
    offsets: Vec<usize>,
    weights: Vec<f32>,
}

impl AxisWeights {
    fn with_capacity(count: usize, taps: usize) -> Self {
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        AxisWeights { starts: Vec::with_capacity(count), offsets, weights: Vec::with_capacity(count * taps) }
    }

    /// Averages over `[d * s, (d + 1) * s)`, for `count` target pixels from `first`; `extent` of the `from` pixels count.
    fn area(extent: f64, from: usize, to: usize, first: usize, count: usize) -> Self {
        // Overlaps this short are rounding errors (OpenCV's bound).
        const SLIVER: f64 = 1e-3;
        let scale = extent / to as f64;
        let mut axis = AxisWeights::with_capacity(count, scale as usize + 2);
        for d in first..first + count {
            let begin = d as f64 * scale;
            let end = begin + scale;
            let cell = scale.min(extent - begin);
            let last = (end.floor() as usize).min(from - 1);
            let whole = (begin.ceil() as usize).min(last);
            let before = whole as f64 - begin;
            let after = end - last as f64;
            let mut start = whole;
            if before > SLIVER {
                start -= 1;
                axis.weights.push((before / cell) as f32);
            }
            axis.weights.resize(axis.weights.len() + (last - whole), (1.0 / cell) as f32);
            if after > SLIVER {
                axis.weights.push((after.min(1.0).min(cell) / cell) as f32);
            }
            axis.close(start);
        }
        axis
    }

    /// Blends two neighbours, for `count` target pixels from `first`.
    fn linear(from: usize, to: usize, first: usize, count: usize) -> Self {
        let inverse = to as f64 / from as f64;
        let scale = 1.0 / inverse;
        let mut axis = AxisWeights::with_capacity(count, 2);
        for d in first..first + count {
            let start = ((d as f64 * scale).floor() as usize).min(from - 1);
            // OpenCV rounds to f32 before taking the floor, which matters where a new pixel coincides with an old one.
            let past = ((d + 1) as f64 - (start + 1) as f64 * inverse) as f32;
            let fraction = if past <= 0.0 { 0.0 } else { past - past.floor() };
            if fraction > 0.0 && start + 1 < from {
                axis.weights.extend([1.0 - fraction, fraction]);
            } else {
                axis.weights.push(1.0);
            }
            axis.close(start);
        }
        axis
    }

    /// Ends the list of the pixel being tabulated.
    fn close(&mut self, start: usize) {
        self.starts.push(start);
        self.offsets.push(self.weights.len());
    }

    #[inline(always)]
    fn taps(&self, index: usize) -> (usize, &[f32]) {
        (self.starts[index], &self.weights[self.offsets[index]..self.offsets[index + 1]])
    }
}

/// An [`AxisWeights`] along which whole pixels are blended.
///
/// Each target pixel has equally many weights, some of them 0: a loop whose length alternates between two and three
/// costs more in mispredicted branches than in arithmetic. A weight is there once a lane and 0 for the unused fourth,
/// where a pixel of three lanes shows its neighbour.
struct Columns {
    taps: usize,
    starts: Vec<usize>,
    weights: Vec<[f32; 4]>,
}

impl Columns {
    /// The same sums as `axis`, over `from` source pixels.
    fn new(axis: &AxisWeights, from: usize) -> Self {
        let count = axis.starts.len();
        let taps = (0..count).map(|d| axis.taps(d).1.len()).max().unwrap_or(1);
        let mut columns =
            Columns { taps, starts: Vec::with_capacity(count), weights: Vec::with_capacity(count * taps) };
        for d in 0..count {
            let (start, weights) = axis.taps(d);
            // At the far end the zeros come first, so that no pixel outside is read.
            let shifted = start.min(from - taps);
            columns.weights.resize(d * taps + start - shifted, [0.0; 4]);
            columns.weights.extend(weights.iter().map(|&w| [w, w, w, 0.0]));
            columns.weights.resize((d + 1) * taps, [0.0; 4]);
            columns.starts.push(shifted);
        }
        columns
    }

    /// The source pixels that are read, first and one past the last.
    #[inline(always)]
    fn span(&self) -> (usize, usize) {
        let last = self.starts.last().map_or(0, |start| start + self.taps);
        (self.starts.first().copied().unwrap_or(0), last)
    }

    /// Blends `row`, whose first pixel is the source's `first`, to the pixels of `out`.
    #[inline(always)]
    fn blend<P: Pixels>(&self, row: &[f32], first: usize, out: &mut [[f32; 4]]) {
        match self.taps {
            1 => self.blend_taps::<P, 1>(row, first, out),
            2 => self.blend_taps::<P, 2>(row, first, out),
            3 => self.blend_taps::<P, 3>(row, first, out),
            4 => self.blend_taps::<P, 4>(row, first, out),
            _ => {
                let weights = self.weights.chunks_exact(self.taps);
                for ((pixel, &start), weights) in out.iter_mut().zip(&self.starts).zip(weights) {
                    *pixel = sum_taps::<P>(&row[(start - first) * P::LANES..], weights);
                }
            }
        }
    }

    /// [`Columns::blend`] with the number of weights known to the compiler.
    #[inline(always)]
    fn blend_taps<P: Pixels, const TAPS: usize>(&self, row: &[f32], first: usize, out: &mut [[f32; 4]]) {
        let (weights, _) = self.weights.as_chunks::<TAPS>();
        for ((pixel, &start), weights) in out.iter_mut().zip(&self.starts).zip(weights) {
            let start = start.wrapping_sub(first).wrapping_mul(P::LANES);
            *pixel = sum_taps::<P>(&row[start..start.wrapping_add((TAPS - 1) * P::LANES + 4)], weights);
        }
    }
}

#[inline(always)]
fn sum_taps<P: Pixels>(row: &[f32], weights: &[[f32; 4]]) -> [f32; 4] {
    let mut sum = [0f32; 4];
    for (k, weight) in weights.iter().enumerate() {
        let p = &row[k * P::LANES..k * P::LANES + 4];
        for lane in 0..4 {
            sum[lane] += weight[lane] * p[lane];
        }
    }
    sum
}
