//! The taps of a kernel that see the image at all: on a map of one pixel, only the middle one of a 3x3 kernel does.

use std::ops::Range;

use crate::conv::Window;
use crate::sides::Sides;

/// The part of a convolution's kernel that reads pixels, where the rest reads nothing but zeros around the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedTaps {
    /// The whole kernel.
    whole: [usize; 2],
    taps: [Range<usize>; 2],
    window: Window,
}

impl ReachedTaps {
    /// `None` where every row and column of the kernel reads a pixel, and for convolutions in groups.
    pub fn of(sides: Sides, window: Window) -> Option<Self> {
        let taps = [0, 1].map(|axis| reached(&window, axis));
        let partly = taps.iter().zip(window.kernel).any(|(taps, whole)| taps.len() < whole);
        if sides.groups > 1 || !partly || taps.iter().any(Range::is_empty) {
            return None;
        }
        let kernel = [0, 1].map(|axis| taps[axis].len());
        // The first tap that reads a pixel is not before the padding.
        let pad = [0, 1].map(|axis| window.pad[axis] - taps[axis].start);
        Some(ReachedTaps { whole: window.kernel, taps, window: Window { kernel, pad, ..window } })
    }

    /// Where the part reads.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The sides with the part as kernel.
    pub fn sides(&self, sides: Sides) -> Sides {
        Sides { kernel: self.window.kernel, ..sides }
    }

    /// The part of `weights`, `[output, input, height, width]`.
    pub fn cut(&self, weights: &[f32]) -> Vec<f32> {
        let whole = weights.chunks_exact(self.whole[0] * self.whole[1]);
        whole.flat_map(|kernel| self.places().map(|place| kernel[place])).collect()
    }

    /// Writes the part into whole kernels of zeros.
    pub fn spread(&self, part: &[f32], weights: &mut [f32]) {
        weights.fill(0.0);
        let each = part.chunks_exact(self.window.kernel[0] * self.window.kernel[1]);
        for (kernel, part) in weights.chunks_exact_mut(self.whole[0] * self.whole[1]).zip(each) {
            self.places().zip(part).for_each(|(place, value)| kernel[place] = *value);
        }
    }

    /// Places of the part in a whole kernel.
    fn places(&self) -> impl Iterator<Item = usize> {
        let ([ys, xs], width) = (self.taps.clone(), self.whole[1]);
        ys.flat_map(move |y| xs.clone().map(move |x| y * width + x))
    }
}

/// All taps along an axis that read a pixel for some output. With a stride, some that read none may be among them.
fn reached(window: &Window, axis: usize) -> Range<usize> {
    let (pad, last) = (window.pad[axis], window.output[axis].saturating_sub(1) * window.stride);
    let end = (window.input[axis] + pad).min(window.kernel[axis]);
    pad.saturating_sub(last).min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, pad: usize, input: usize) -> Window {
        let output = (input + 2 * pad - kernel) / stride + 1;
        Window { kernel: [kernel; 2], stride, pad: [pad; 2], input: [input; 2], output: [output; 2] }
    }

    /// Looks at every output and tap.
    fn by_search(window: &Window, axis: usize) -> Vec<usize> {
        let reads = |tap: usize| {
            (0..window.output[axis]).any(|output| {
                let place = output * window.stride + tap;
                place >= window.pad[axis] && place - window.pad[axis] < window.input[axis]
            })
        };
        (0..window.kernel[axis]).filter(|tap| reads(*tap)).collect()
    }

    #[test]
    fn taps_that_read_a_pixel_are_those_that_a_search_finds() {
        for (kernel, pad) in [(1usize, 0), (3, 1), (3, 2), (5, 2), (7, 3), (3, 0)] {
            for stride in 1..=3 {
                for input in kernel.saturating_sub(2 * pad).max(1)..=6 {
                    let window = window(kernel, stride, pad, input);
                    let (taps, searched) = (reached(&window, 0), by_search(&window, 0));
                    assert!(searched.iter().all(|tap| taps.contains(tap)), "{window:?}: {taps:?}, {searched:?}");
                    assert!(stride > 1 || taps.len() == searched.len(), "{window:?}: {taps:?}, {searched:?}");
                }
            }
        }
    }

    #[test]
    fn a_pixel_sees_the_middle_of_a_kernel() {
        let sides = Sides { input: 2, output: 1, kernel: [3, 3], stride: 1, groups: 1 };
        let found = ReachedTaps::of(sides, window(3, 1, 1, 1)).unwrap();
        assert_eq!((found.window().kernel, found.window().pad), ([1, 1], [0, 0]));
        let weights: Vec<f32> = (0..18u8).map(f32::from).collect();
        assert_eq!(found.cut(&weights), [4.0, 13.0]);
        let mut back = vec![1.0; 18];
        found.spread(&[5.0, 6.0], &mut back);
        assert_eq!((back[4], back[13], back.iter().sum::<f32>()), (5.0, 6.0, 11.0));
        assert_eq!(ReachedTaps::of(sides, window(3, 1, 1, 2)), None);
        assert_eq!(ReachedTaps::of(Sides { groups: 2, ..sides }, window(3, 1, 1, 1)), None);
    }
}
