//! Depthwise convolution of one channel, for square kernels of 3 and 5 at stride 1 and 2.
//!
//! The channel is copied once into a buffer with its border of zeros and, at stride 2, with even and odd columns apart.
//! Then every output is a sum over neighbours in memory, eight outputs at a time. All three directions are that one sum:
//! the input's gradient is the correlation of the output's gradient, spread by the stride, with the kernel turned around.

use super::geometry::Geometry;

/// Outputs that are computed side by side.
const LANES: usize = 8;

/// A direction of the convolution, for [`Depthwise::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the input to the output, and to the kernel's gradient.
    Forward,
    /// From the output's gradient to the input's.
    Backward,
}

/// The layout of a buffer, and where a source plane lies in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depthwise {
    kernel: usize,
    /// Buffer rows from one row of outputs to the next; columns likewise, as so many phases.
    stride: usize,
    /// Buffer rows and columns from one source pixel to the next.
    spread: usize,
    pad: [usize; 2],
    source: [usize; 2],
    target: [usize; 2],
    rows: usize,
    /// Numbers of one phase of a row.
    width: usize,
}

impl Depthwise {
    /// `None` where the kernel, the stride or the padding is another; those convolutions go row by row.
    pub(super) fn new(g: &Geometry, direction: Direction) -> Option<Self> {
        let (kernel, stride, pad) = (g.kh, g.stride(), g.pad());
        if !g.depthwise() || g.kw != kernel || ![3, 5].contains(&kernel) || ![1, 2].contains(&stride) {
            return None;
        }
        if pad.iter().any(|pad| *pad >= kernel) {
            return None;
        }
        let (input, output) = ([g.h, g.w], [g.oh, g.ow]);
        let shape = |source, target: [usize; 2], stride, spread, pad| Depthwise {
            kernel,
            stride,
            spread,
            pad,
            source,
            target,
            rows: (target[0] - 1) * stride + kernel,
            width: target[1].next_multiple_of(LANES) + kernel.div_ceil(stride),
        };
        Some(match direction {
            Direction::Forward => shape(input, output, stride, 1, pad),
            Direction::Backward => shape(output, input, 1, stride, pad.map(|pad| kernel - 1 - pad)),
        })
    }

    /// An empty buffer; what [`fill`](Self::fill) does not write stays zero.
    pub(super) fn buffer(&self) -> Vec<f32> {
        vec![0.0; self.rows * self.stride * self.width]
    }

    /// Copies a source plane into the buffer. Every plane is written to the same places.
    pub(super) fn fill(&self, source: &[f32], buffer: &mut [f32]) {
        let [height, width] = self.source;
        let columns = ((self.target[1] - 1) * self.stride + self.kernel).saturating_sub(self.pad[1]);
        for y in 0..height {
            let row = y * self.spread + self.pad[0];
            if row >= self.rows {
                break;
            }
            let line = &source[y * width..][..width.min(columns.div_ceil(self.spread))];
            let to = &mut buffer[row * self.stride * self.width..][..self.stride * self.width];
            match (self.stride, self.spread) {
                (1, 1) => to[self.pad[1]..][..line.len()].copy_from_slice(line),
                (1, spread) => to[self.pad[1]..].iter_mut().step_by(spread).zip(line).for_each(|(to, x)| *to = *x),
                _ => {
                    for (x, value) in line.iter().enumerate() {
                        let column = x + self.pad[1];
                        to[column % self.stride * self.width + column / self.stride] = *value;
                    }
                }
            }
        }
    }

    /// Adds the correlation of the buffer with the kernel to `target`; a kernel that is to be turned around comes so.
    pub(super) fn correlate(&self, buffer: &[f32], kernel: &[f32], target: &mut [f32]) {
        assert!(buffer.len() == self.rows * self.stride * self.width);
        assert!(target.len() == self.target[0] * self.target[1] && kernel.len() == self.kernel * self.kernel);
        match (self.kernel, self.stride) {
            (3, 1) => wide::correlate::<3, 1>(self, buffer, kernel, target),
            (3, _) => wide::correlate::<3, 2>(self, buffer, kernel, target),
            (_, 1) => wide::correlate::<5, 1>(self, buffer, kernel, target),
            _ => wide::correlate::<5, 2>(self, buffer, kernel, target),
        }
    }

    /// Adds to `kernel` its gradient: the correlation of the buffer with the output's gradient.
    pub(super) fn kernel_gradient(&self, buffer: &[f32], slopes: &[f32], kernel: &mut [f32]) {
        assert!(buffer.len() == self.rows * self.stride * self.width);
        assert!(slopes.len() == self.target[0] * self.target[1] && kernel.len() == self.kernel * self.kernel);
        match (self.kernel, self.stride) {
            (3, 1) => wide::kernel_gradient::<3, 1>(self, buffer, slopes, kernel),
            (3, _) => wide::kernel_gradient::<3, 2>(self, buffer, slopes, kernel),
            (_, 1) => wide::kernel_gradient::<5, 1>(self, buffer, slopes, kernel),
            _ => wide::kernel_gradient::<5, 2>(self, buffer, slopes, kernel),
        }
    }

    /// Numbers of the buffer that tap `[ky, kx]` multiplies, for the outputs of row `y`.
    #[inline(always)]
    fn tap<'a, const S: usize>(&self, buffer: &'a [f32], y: usize, ky: usize, kx: usize) -> &'a [f32] {
        &buffer[((y * S + ky) * S + kx % S) * self.width + kx / S..][..self.target[1].next_multiple_of(LANES)]
    }
}

/// `a * b + c`, in one instruction where there is one: without it `mul_add` is a slow function.
#[inline(always)]
fn add_product<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn correlate<const K: usize, const S: usize, const FUSED: bool>(
    d: &Depthwise,
    buffer: &[f32],
    kernel: &[f32],
    target: &mut [f32],
) {
    for (y, row) in target.chunks_exact_mut(d.target[1]).enumerate() {
        let taps: [[&[f32]; K]; K] = std::array::from_fn(|ky| std::array::from_fn(|kx| d.tap::<S>(buffer, y, ky, kx)));
        for (block, outputs) in row.chunks_mut(LANES).enumerate() {
            let at = block * LANES;
            let mut sums = [0f32; LANES];
            for ky in 0..K {
                for kx in 0..K {
                    let values = &taps[ky][kx][at..at + LANES];
                    let factor = kernel[ky * K + kx];
                    for lane in 0..LANES {
                        sums[lane] = add_product::<FUSED>(factor, values[lane], sums[lane]);
                    }
                }
            }
            for (output, sum) in outputs.iter_mut().zip(sums) {
                *output += sum;
            }
        }
    }
}

#[inline(always)]
fn kernel_gradient<const K: usize, const S: usize, const FUSED: bool>(
    d: &Depthwise,
    buffer: &[f32],
    slopes: &[f32],
    kernel: &mut [f32],
) {
    for ky in 0..K {
        let mut sums = [[0f32; LANES]; K];
        for (y, row) in slopes.chunks_exact(d.target[1]).enumerate() {
            let taps: [&[f32]; K] = std::array::from_fn(|kx| d.tap::<S>(buffer, y, ky, kx));
            for (block, some) in row.chunks(LANES).enumerate() {
                let at = block * LANES;
                let mut slope = [0f32; LANES];
                slope[..some.len()].copy_from_slice(some);
                for (sums, tap) in sums.iter_mut().zip(&taps) {
                    let values = &tap[at..at + LANES];
                    for lane in 0..LANES {
                        sums[lane] = add_product::<FUSED>(slope[lane], values[lane], sums[lane]);
                    }
                }
            }
        }
        for (gradient, sums) in kernel[ky * K..][..K].iter_mut().zip(&sums) {
            *gradient += sums.iter().sum::<f32>();
        }
    }
}

/// The same functions, compiled for wider vectors where the processor has them.
mod wide {
    use super::Depthwise;

    macro_rules! widest {
        ($name:ident, $last:ty) => {
            pub(super) fn $name<const K: usize, const S: usize>(d: &Depthwise, a: &[f32], b: &[f32], c: $last) {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,fma")]
                    fn with_avx<const K: usize, const S: usize>(d: &Depthwise, a: &[f32], b: &[f32], c: $last) {
                        super::$name::<K, S, true>(d, a, b, c);
                    }
                    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                        // SAFETY: the processor has what the function was compiled for; that is all it asks.
                        return unsafe { with_avx::<K, S>(d, a, b, c) };
                    }
                }
                super::$name::<K, S, false>(d, a, b, c);
            }
        };
    }
    widest!(correlate, &mut [f32]);
    widest!(kernel_gradient, &mut [f32]);
}

#[cfg(test)]
mod tests {
    use super::super::ConvArgs;
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 97) as f32 / 48.5 - 1.0).collect()
    }

    /// Both sides are compared on small whole multiples of 1 / 48.5, so rounding is all that can differ.
    fn close(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len(), "{what}");
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{what}: {a} {b}");
        }
    }

    #[test]
    fn every_size_is_as_row_by_row() {
        for kernel in [3, 5] {
            for stride in [1, 2] {
                for pad in [0, 1, kernel / 2, kernel - 1] {
                    for h in 1..19 {
                        for w in [1, 3, 7, 8, 9, 16, 17, 25] {
                            if h + 2 * pad < kernel || w + 2 * pad < kernel {
                                continue;
                            }
                            let args = ConvArgs { stride, pad: [pad, pad], groups: 1 };
                            let g = Geometry::new(&[1, 1, h, w], &[1, 1, kernel, kernel], args);
                            let what = format!("kernel {kernel}, stride {stride}, pad {pad}, {h} x {w}");
                            let (x, weight) = (numbers(h * w, 1), numbers(kernel * kernel, 2));
                            let dy = numbers(g.oh * g.ow, 3);

                            let d = Depthwise::new(&g, Direction::Forward).unwrap();
                            let mut buffer = d.buffer();
                            d.fill(&x, &mut buffer);
                            let (mut ours, mut theirs) = (vec![0.5; dy.len()], vec![0.5; dy.len()]);
                            d.correlate(&buffer, &weight, &mut ours);
                            g.plane_forward(&x, &weight, &mut theirs);
                            close(&ours, &theirs, &what);

                            let (mut ours, mut theirs) = (vec![0.5; weight.len()], vec![0.5; weight.len()]);
                            d.kernel_gradient(&buffer, &dy, &mut ours);
                            g.plane_dw(&x, &dy, &mut theirs);
                            close(&ours, &theirs, &what);

                            let d = Depthwise::new(&g, Direction::Backward).unwrap();
                            let mut buffer = d.buffer();
                            d.fill(&dy, &mut buffer);
                            let turned: Vec<f32> = weight.iter().rev().copied().collect();
                            let (mut ours, mut theirs) = (vec![0.5; x.len()], vec![0.5; x.len()]);
                            d.correlate(&buffer, &turned, &mut ours);
                            g.plane_dx(&weight, &dy, &mut theirs);
                            close(&ours, &theirs, &what);
                        }
                    }
                }
            }
        }
    }
}
