//! Gradient of a convolution's weights: a matrix product whose sums run over the pixels of all images.

use rayon::prelude::*;

use crate::conv::{Window, depths};
use crate::isa::Isa;
use crate::map::{Map, SharedMut};
use crate::panel::Panels;
use crate::scratch;
use crate::tile::{OPEN, Tile, Tiles, Walk};

/// Pixels that are summed in one go.
const DEPTH: usize = 192;
/// Rows of the gradient, `[taps * input]`, that are computed together.
const ROWS: usize = 576;
/// Parts that the work is split into at least, whatever the number of threads.
const PARTS: usize = 16;

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
    let rows = taps * channels;
    let blocks: Vec<_> = depths(rows, ROWS).collect();
    // A part has at least one run of pixels.
    let parts = PARTS.div_ceil(blocks.len()).min(pixels.div_ceil(DEPTH)).max(1);
    let tiles = Tiles::new(isa, Walk::Columns);
    scratch::with(parts * rows * columns, |sums| {
        let to = SharedMut::of(sums);
        (0..parts * blocks.len()).into_par_iter().for_each(|item| {
            let (part, block) = (item / blocks.len(), &blocks[item % blocks.len()]);
            let pixels = part * pixels / parts..(part + 1) * pixels / parts;
            scratch::with(DEPTH * (ROWS + 16), |left| {
                let mut right = Panels::zeros(isa, DEPTH.min(pixels.len()), columns);
                for run in depths(pixels.len(), DEPTH) {
                    let run = pixels.start + run.start..pixels.start + run.end;
                    let step = block.len().next_multiple_of(16) + 16;
                    neighbours.gather(isa, input, run.clone(), block.clone(), left, step);
                    right.fill_rows(run.len(), |row| output.pixel(run.start + row));
                    for first in (0..columns).step_by(right.width()) {
                        let width = right.width().min(columns - first);
                        for (row, height) in tiles.split(block.len()) {
                            let at = (part * rows + block.start + row) * columns + first;
                            let tile = Tile {
                                k: run.len(),
                                a: left[row..].as_ptr(),
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
                                clamp: OPEN,
                            };
                            // SAFETY: the left operand holds `run.len()` rows of `block.len()` numbers every `step`, the
                            // panels `run.len()` rows; each item has rows of its own in the sums of its part.
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
