//! Gradient of a convolution's weights: a matrix product whose sums run over the pixels of all images.

use rayon::prelude::*;

use crate::conv::Window;
use crate::isa::Isa;
use crate::map::{Map, SharedMut};
use crate::panel::Panels;
use crate::tile::{OPEN, Tile, TileOrder, Tiles, WHOLE};
use crate::{scratch, split};

/// Pixels that are summed in one go.
const DEPTH: usize = 192;
/// Rows of the gradient, `[taps * input]`, that are computed together at most.
const ROWS: usize = 576;
/// Items that the work is split into at least where it can, whatever the number of threads.
const ITEMS: usize = 16;
/// Rows and columns of an item at least.
const LEAST: usize = 128;
/// Numbers in the sums of all parts of the pixels at most, unless there is one part.
const SUMS: usize = 1 << 20;

/// Gradient of the weights, `[output, input, height, width]`, of a convolution with one group.
///
/// # Panics
/// If the shapes do not belong together.
pub fn weight_gradient(isa: Isa, input: Map<'_>, output: Map<'_>, window: Window, gradient: &mut [f32]) {
    let neighbours = window.forward();
    let (channels, columns) = (input.shape().channels, output.shape().channels);
    let (taps, pixels) = (neighbours.taps(), output.shape().pixels());
    assert_eq!([output.shape().height, output.shape().width], window.output);
    assert_eq!([input.shape().height, input.shape().width], window.input);
    assert_eq!(input.shape().batch, output.shape().batch);
    assert_eq!(gradient.len(), columns * channels * taps);
    if gradient.is_empty() {
        return;
    }
    let rows = taps * channels;
    // By pixels where the sums are small, then by columns, then by rows: each item copies its rows and columns.
    let row_blocks = rows.div_ceil(ROWS);
    let most_parts = (SUMS / (rows * columns)).min(pixels.div_ceil(DEPTH)).max(1);
    let parts = ITEMS.div_ceil(row_blocks).min(most_parts);
    let column_blocks = ITEMS.div_ceil(row_blocks * parts).min(columns / LEAST).max(1);
    let row_blocks = ITEMS.div_ceil(column_blocks * parts).min(rows / LEAST).max(row_blocks);
    let tiles = Tiles::new(isa, TileOrder::Columns);
    scratch::with(parts * rows * columns, |sums| {
        let to = SharedMut::of(sums);
        (0..parts * row_blocks * column_blocks).into_par_iter().for_each(|item| {
            let part = item / (row_blocks * column_blocks);
            let pixels = split::nth(part, parts, pixels);
            let block = split::nth(item / column_blocks % row_blocks, row_blocks, rows);
            let line = split::nth(item % column_blocks, column_blocks, columns);
            scratch::with(DEPTH * (ROWS + 32), |left| {
                let mut right = Panels::new(isa, DEPTH.min(pixels.len()), line.len());
                for run in split::at_most(DEPTH, pixels.len()) {
                    let run = pixels.start + run.start..pixels.start + run.end;
                    let step = block.len().next_multiple_of(16) + 16;
                    neighbours.gather(isa, input, run.clone(), block.clone(), left, step);
                    right.fill_rows(run.len(), |row| &output.pixel(run.start + row)[line.clone()]);
                    for first in (0..line.len()).step_by(right.width()) {
                        let width = right.width().min(line.len() - first);
                        for (row, height) in tiles.split(block.len()) {
                            let at = (part * rows + block.start + row) * columns + line.start + first;
                            let tile = Tile {
                                k: run.len(),
                                a: left[row..].as_ptr(),
                                segments: WHOLE,
                                a_step: step,
                                b: right.row(0, first).as_ptr(),
                                // SAFETY: a row and column of the part's sums.
                                c: unsafe { to.get().add(at) },
                                c_step: columns,
                                columns: width,
                                accumulate: run.start > pixels.start,
                                bias: std::ptr::null(),
                                residual: std::ptr::null(),
                                residual_step: 0,
                                ahead: right.row(0, first).as_ptr(),
                                ahead_step: 0,
                                clamp: OPEN,
                            };
                            // SAFETY: the left operand holds `run.len()` rows of `block.len()` numbers every `step`, the
                            // panels `run.len()` rows; each item has rows and columns of its own in the sums of its part.
                            unsafe { tiles.run(height, &tile) }
                        }
                    }
                }
            });
        });
        unpack(sums, [parts, taps, channels, columns], gradient);
    });
}

/// Adds the parts, `[part, tap, input, output]`, and turns them into `[output, input, tap]`.
fn unpack(sums: &[f32], [parts, taps, channels, columns]: [usize; 4], gradient: &mut [f32]) {
    /// Outputs that are turned together: a cache line.
    const LINE: usize = 16;
    let each = channels * taps;
    gradient.par_chunks_mut(LINE * each).enumerate().for_each(|(block, gradient)| {
        let first = block * LINE;
        let count = gradient.len() / each;
        for tap in 0..taps {
            for channel in 0..channels {
                let mut line = [0f32; LINE];
                for part in 0..parts {
                    let row = &sums[((part * taps + tap) * channels + channel) * columns + first..][..count];
                    line.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                for (output, value) in line[..count].iter().enumerate() {
                    gradient[output * each + channel * taps + tap] = *value;
                }
            }
        }
    });
}
