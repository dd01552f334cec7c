//! Which pixels a convolution reads for each output, copied side by side: rows of the left operand of a matrix product.

use crate::isa::dispatch;
use crate::map::Map;
use crate::vector::Vector;

/// The neighbours that each output reads: for every output pixel `(y, x)` the source pixels
/// `(y * step + rows[i].y, x * step + rows[i].x + j)` for `j < rows[i].count`.
#[derive(Clone, Debug)]
pub(crate) struct Neighbours {
    pub rows: Vec<TapRow>,
    pub step: usize,
    /// Height and width of the grid of outputs.
    pub grid: [usize; 2],
}

/// Source pixels side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapRow {
    pub y: isize,
    pub x: isize,
    pub count: usize,
}

impl Neighbours {
    /// Source pixels of an output.
    pub(crate) fn taps(&self) -> usize {
        self.rows.iter().map(|row| row.count).sum()
    }

    /// Whether an output reads the one source pixel of its own place, so that nothing need be copied.
    pub(crate) fn is_identity(&self, source: Map<'_>) -> bool {
        let shape = source.shape();
        self.step == 1
            && self.grid == [shape.height, shape.width]
            && matches!(self.rows[..], [TapRow { y: 0, x: 0, count: 1 }])
    }

    /// Copies for the outputs `outputs` (numbered over all images) the numbers `numbers` of their neighbours (tap by tap,
    /// channel by channel) to rows of `to` that begin every `to_step` numbers. What lies outside the image is 0.
    pub(crate) fn gather(
        &self,
        isa: crate::isa::Isa,
        source: Map<'_>,
        outputs: std::ops::Range<usize>,
        numbers: std::ops::Range<usize>,
        to: &mut [f32],
        to_step: usize,
    ) {
        let outputs_in_all = source.shape().batch * self.grid[0] * self.grid[1];
        assert!(outputs.end <= outputs_in_all && numbers.end <= self.taps() * source.shape().channels);
        assert!(outputs.is_empty() || (outputs.len() - 1) * to_step + numbers.len() <= to.len());
        assert!(to_step >= numbers.len());
        if outputs.is_empty() {
            return;
        }
        // SAFETY: the assertions above bound what is written; what is read is bounded in the body by the source's sides.
        unsafe { copy_block(isa, self, source, outputs, numbers, to.as_mut_ptr(), to_step) }
    }
}

dispatch! {
    unsafe fn copy_block(
        isa,
        neighbours: &Neighbours,
        source: Map<'_>,
        outputs: std::ops::Range<usize>,
        numbers: std::ops::Range<usize>,
        to: *mut f32,
        to_step: usize,
    ) = copy_block_body;
}

#[inline(always)]
unsafe fn copy_block_body<V: Vector>(
    neighbours: &Neighbours,
    source: Map<'_>,
    outputs: std::ops::Range<usize>,
    numbers: std::ops::Range<usize>,
    to: *mut f32,
    to_step: usize,
) {
    let shape = source.shape();
    let (channels, step) = (shape.channels, source.step());
    let (height, width) = (shape.height as isize, shape.width as isize);
    let dense = source.is_dense();
    let [grid_height, grid_width] = neighbours.grid;
    let mut x = outputs.start % grid_width;
    let mut y = outputs.start / grid_width % grid_height;
    let mut image = outputs.start / (grid_width * grid_height);
    for output in 0..outputs.len() {
        // SAFETY: row `output` of the destination, which the caller vouches for.
        let mut to = unsafe { to.add(output * to_step) };
        let mut first = 0;
        for row in &neighbours.rows {
            let in_row = row.count * channels;
            let (start, end) = (numbers.start.max(first), numbers.end.min(first + in_row));
            if start < end {
                let (start, end) = (start - first, end - first);
                let source_y = (y * neighbours.step) as isize + row.y;
                let source_x = (x * neighbours.step) as isize + row.x;
                // SAFETY: pixels are read only where `0 <= source_y < height` and `0 <= x < width`, and of these the
                // channels `0..channels`; as many numbers are written as `numbers` has.
                unsafe {
                    if source_y < 0 || source_y >= height {
                        fill::<V>(to, end - start);
                    } else {
                        let line = (image as isize * height + source_y) * width;
                        if dense {
                            // Numbers of the row that lie in the image, counted from the row's first.
                            let valid_from = ((-source_x).clamp(0, row.count as isize)) as usize * channels;
                            let valid_to = ((width - source_x).clamp(0, row.count as isize)) as usize * channels;
                            let from = start.max(valid_from).min(end);
                            let until = end.min(valid_to).max(from);
                            fill::<V>(to, from - start);
                            let at = (line + source_x) * channels as isize + from as isize;
                            copy::<V>(source.as_ptr().wrapping_offset(at), to.add(from - start), until - from);
                            fill::<V>(to.add(until - start), end - until);
                        } else {
                            let mut at = start;
                            while at < end {
                                let (tap, channel) = (at / channels, at % channels);
                                let count = (channels - channel).min(end - at);
                                let source_x = source_x + tap as isize;
                                let to = to.add(at - start);
                                if source_x < 0 || source_x >= width {
                                    fill::<V>(to, count);
                                } else {
                                    let from = (line + source_x) as usize * step + channel;
                                    copy::<V>(source.as_ptr().add(from), to, count);
                                }
                                at += count;
                            }
                        }
                    }
                    to = to.add(end - start);
                }
            }
            first += in_row;
        }
        x += 1;
        if x == grid_width {
            (x, y) = (0, y + 1);
            if y == grid_height {
                (y, image) = (0, image + 1);
            }
        }
    }
}

#[inline(always)]
unsafe fn copy<V: Vector>(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's pointers are valid for `count` numbers.
    unsafe {
        let mut i = 0;
        while i + V::LANES <= count {
            V::load(from.add(i)).store(to.add(i));
            i += V::LANES;
        }
        if i < count {
            V::load_first(from.add(i), count - i).store_first(to.add(i), count - i);
        }
    }
}

#[inline(always)]
unsafe fn fill<V: Vector>(to: *mut f32, count: usize) {
    // SAFETY: the caller's pointer is valid for `count` numbers.
    unsafe {
        let mut i = 0;
        while i + V::LANES <= count {
            V::zero().store(to.add(i));
            i += V::LANES;
        }
        if i < count {
            V::zero().store_first(to.add(i), count - i);
        }
    }
}
