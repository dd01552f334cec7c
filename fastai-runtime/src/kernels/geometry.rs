//! Sizes of one convolution, and its columns.

use std::ops::Range;

use super::ConvArgs;

/// Floats of a tile of columns: 512 KiB, so that it stays in the second-level cache.
const TILE: usize = 131_072;

/// Sizes of a convolution of `[n, c, h, w]` with `[k, c / groups, kh, kw]` to `[n, k, oh, ow]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) n: usize,
    pub(super) c: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) k: usize,
    pub(super) kh: usize,
    pub(super) kw: usize,
    pub(super) oh: usize,
    pub(super) ow: usize,
    pub(super) groups: usize,
    stride: usize,
    pad: [usize; 2],
}

impl Geometry {
    /// # Panics
    /// If the shapes do not belong together or the kernel is larger than the padded image.
    pub(super) fn new(x: &[usize], weight: &[usize], args: ConvArgs) -> Self {
        let (&[n, c, h, w], &[k, inner, kh, kw]) = (x, weight) else {
            panic!("a convolution of {x:?} with {weight:?}")
        };
        let ConvArgs { stride, pad, groups } = args;
        assert!(groups > 0 && stride > 0 && kh > 0 && kw > 0, "groups, stride and kernel are at least 1");
        assert!(c == inner * groups && k.is_multiple_of(groups), "{x:?} with {weight:?} in {groups} groups");
        let (th, tw) = (h + 2 * pad[0], w + 2 * pad[1]);
        assert!(th >= kh && tw >= kw, "a kernel of {kh} x {kw} on {th} x {tw} pixels");
        let (oh, ow) = ((th - kh) / stride + 1, (tw - kw) / stride + 1);
        Self { n, c, h, w, k, kh, kw, oh, ow, groups, stride, pad }
    }
    /// Pixels between two outputs.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }
    /// Zeros above and below, left and right.
    pub(super) fn pad(&self) -> [usize; 2] {
        self.pad
    }
    /// Channels that a group reads.
    pub(super) fn inner(&self) -> usize {
        self.c / self.groups
    }
    /// Channels that a group writes.
    pub(super) fn outer(&self) -> usize {
        self.k / self.groups
    }
    /// Inputs of one output value.
    pub(super) fn taps(&self) -> usize {
        self.inner() * self.kh * self.kw
    }
    /// Pixels of an input plane.
    pub(super) fn input_plane(&self) -> usize {
        self.h * self.w
    }
    /// Pixels of an output plane.
    pub(super) fn output_plane(&self) -> usize {
        self.oh * self.ow
    }
    /// Whether the image itself is the matrix of columns.
    pub(super) fn pointwise(&self) -> bool {
        self.kh == 1 && self.kw == 1 && self.stride == 1 && self.pad == [0, 0]
    }
    /// Whether each channel is convolved alone.
    pub(super) fn depthwise(&self) -> bool {
        self.inner() == 1 && self.outer() == 1
    }
    /// Output rows whose columns are made at a time.
    pub(super) fn tile_rows(&self) -> usize {
        (TILE / (self.taps() * self.ow).max(1)).clamp(1, self.oh)
    }
    /// Floats that a tile of columns needs.
    pub(super) fn tile_len(&self) -> usize {
        if self.pointwise() { 0 } else { self.taps() * self.tile_rows() * self.ow }
    }
    /// Input row that kernel row `ky` reads for output row `oy`, unless it lies in the padding.
    pub(super) fn input_row(&self, oy: usize, ky: usize) -> Option<usize> {
        (oy * self.stride + ky).checked_sub(self.pad[0]).filter(|y| *y < self.h)
    }
    /// Output columns for which kernel column `kx` reads inside the image, and the input column of the first of them.
    pub(super) fn columns(&self, kx: usize) -> (Range<usize>, usize) {
        let (s, p) = (self.stride, self.pad[1]);
        let first = p.saturating_sub(kx).div_ceil(s);
        let end = if self.w + p > kx { ((self.w + p - kx - 1) / s + 1).min(self.ow) } else { 0 };
        if first >= end { (0..0, 0) } else { (first..end, first * s + kx - p) }
    }

    /// Copies what output rows `rows` read into `columns`, `[taps, rows * ow]`; `x` is one image's group.
    pub(super) fn gather(&self, x: &[f32], rows: Range<usize>, columns: &mut [f32]) {
        self.each_tap(&rows, |tap, line, source, (span, first)| {
            let line = &mut columns[tap * rows.len() * self.ow + line * self.ow..][..self.ow];
            let Some(source) = source else { return line.fill(0.0) };
            line[..span.start].fill(0.0);
            line[span.end..].fill(0.0);
            let from = x[source + first..].iter().step_by(self.stride);
            if self.stride == 1 {
                let length = span.len();
                line[span].copy_from_slice(&x[source + first..][..length]);
            } else {
                line[span].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        });
    }

    /// The reverse: adds the columns to the pixels they came from.
    pub(super) fn scatter(&self, columns: &[f32], rows: Range<usize>, x: &mut [f32]) {
        self.each_tap(&rows, |tap, line, target, (span, first)| {
            let Some(target) = target else { return };
            let line = &columns[tap * rows.len() * self.ow + line * self.ow..][..self.ow];
            add_strided(&mut x[target + first..], &line[span], 1.0, self.stride);
        });
    }

    /// Calls `each(tap, row within rows, start of the input row, columns)` for every tap and row.
    fn each_tap(&self, rows: &Range<usize>, mut each: impl FnMut(usize, usize, Option<usize>, (Range<usize>, usize))) {
        for tap in 0..self.taps() {
            let (channel, ky, kx) = (tap / (self.kh * self.kw), tap / self.kw % self.kh, tap % self.kw);
            let columns = self.columns(kx);
            for (line, oy) in rows.clone().enumerate() {
                let row = self.input_row(oy, ky).map(|y| (channel * self.h + y) * self.w);
                let row = row.filter(|_| !columns.0.is_empty());
                each(tap, line, row, columns.clone());
            }
        }
    }

    /// Convolves one channel: `y` is `[oh, ow]` and holds the bias.
    pub(super) fn plane_forward(&self, x: &[f32], weight: &[f32], y: &mut [f32]) {
        self.each_row(|ky, kx, input, output, (span, first)| {
            let to = &mut y[output + span.start..output + span.end];
            let (from, factor) = (&x[input + first..], weight[ky * self.kw + kx]);
            if self.stride == 1 {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
            } else {
                to.iter_mut().zip(from.iter().step_by(self.stride)).for_each(|(to, from)| *to += factor * from);
            }
        });
    }

    /// Gradient of one channel's input, added to `dx`.
    pub(super) fn plane_dx(&self, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
        self.each_row(|ky, kx, input, output, (span, first)| {
            let from = &dy[output + span.start..output + span.end];
            add_strided(&mut dx[input + first..], from, weight[ky * self.kw + kx], self.stride);
        });
    }

    /// Gradient of one channel's kernel from one image, added to `dw`.
    pub(super) fn plane_dw(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        self.each_row(|ky, kx, input, output, (span, first)| {
            let right = &dy[output + span.start..output + span.end];
            dw[ky * self.kw + kx] += dot_strided(&x[input + first..], right, self.stride);
        });
    }

    fn each_row(&self, mut each: impl FnMut(usize, usize, usize, usize, (Range<usize>, usize))) {
        for oy in 0..self.oh {
            for ky in 0..self.kh {
                let Some(y) = self.input_row(oy, ky) else { continue };
                for kx in 0..self.kw {
                    let columns = self.columns(kx);
                    if !columns.0.is_empty() {
                        each(ky, kx, y * self.w, oy * self.ow, columns);
                    }
                }
            }
        }
    }
}

/// `to[i * stride] += factor * from[i]`.
fn add_strided(to: &mut [f32], from: &[f32], factor: f32, stride: usize) {
    if stride == 1 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
    } else {
        to.iter_mut().step_by(stride).zip(from).for_each(|(to, from)| *to += factor * from);
    }
}

/// Sum of `left[i * stride] * right[i]`, in eight interleaved sums so that it runs on vectors.
fn dot_strided(left: &[f32], right: &[f32], stride: usize) -> f32 {
    if stride != 1 {
        return left.iter().step_by(stride).zip(right).map(|(a, b)| a * b).sum();
    }
    let left = &left[..right.len()];
    let (a, a_rest) = left.as_chunks::<8>();
    let (b, b_rest) = right.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
