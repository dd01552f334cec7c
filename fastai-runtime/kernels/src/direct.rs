//! Convolutions that read their input where it lies: those of few channels in all or in a group, whose rows are too short to
//! be worth gathering. The input is copied once with its border of zeros, and a tile reads a run of it for each tap.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::conv::{PackedWeights, Window, check};
use crate::finish::Finish;
use crate::isa::Isa;
use crate::map::{Map, MapMut, MapShape, product};
use crate::panel::Panels;
use crate::tile::{Tile, TileOrder, Tiles};

/// Outputs that a thread computes together at least.
const OUTPUTS: usize = 224;

/// A convolution in equal groups, its weights packed.
#[derive(Debug)]
pub(crate) struct Direct {
    isa: Isa,
    /// Those of each group, `[taps * input, output]`.
    groups: Vec<Panels>,
    /// Channels of a group's input.
    input: usize,
    kernel: [usize; 2],
}

impl Direct {
    /// Packs the weights of each group.
    ///
    /// # Panics
    /// If the groups differ in their sides.
    pub(crate) fn new(isa: Isa, groups: &[PackedWeights<'_>]) -> Self {
        let (input, kernel) = groups.first().map_or((0, [1, 1]), |group| (group.channels()[1], group.kernel()));
        assert!(groups.iter().all(|group| group.channels() == groups[0].channels() && group.kernel() == kernel));
        Self { isa, groups: groups.iter().map(|group| group.forward(isa)).collect(), input, kernel }
    }

    /// The same for the gradient of the input at stride 1, which is the convolution of the output's gradient with the
    /// weights turned by half a turn.
    pub(crate) fn backward(isa: Isa, groups: &[PackedWeights<'_>]) -> Self {
        let (output, kernel) = groups.first().map_or((0, [1, 1]), |group| (group.channels()[0], group.kernel()));
        let [ys, xs] = kernel.map(|side| (0..side).rev().collect::<Vec<_>>());
        Self { isa, groups: groups.iter().map(|group| group.backward(isa, &ys, &xs)).collect(), input: output, kernel }
    }

    /// Convolves `input` into `output`, which is set, or added to if `accumulate`.
    ///
    /// # Panics
    /// If the shapes do not belong together.
    pub(crate) fn run(
        &self,
        input: Map<'_>,
        window: Window,
        output: &mut MapMut<'_>,
        finish: Finish<'_>,
        accumulate: bool,
    ) {
        let (from, to) = (input.shape(), output.shape());
        let each = self.groups.first().map_or(0, Panels::columns);
        assert_eq!([from.batch, from.channels], [to.batch, self.input * self.groups.len()]);
        assert_eq!(to.channels, each * self.groups.len());
        assert_eq!([[to.height, to.width], window.kernel], [window.output, self.kernel]);
        check(&finish, output);
        if to.numbers() == 0 {
            return;
        }
        let bordered = Bordered::new(input, window);
        let shape = bordered.shape;
        // Runs of numbers side by side that a group reads for an output: rows of taps, or taps.
        let [height, width] = self.kernel;
        let (runs, run) = if self.groups.len() == 1 {
            ((0..height).map(|y| y * shape.width * shape.channels).collect::<Vec<_>>(), width * self.input)
        } else {
            let taps = (0..height).flat_map(|y| (0..width).map(move |x| (y * shape.width + x) * shape.channels));
            (taps.collect(), self.input)
        };
        let rows_each = OUTPUTS.div_ceil(to.width).min(to.height);
        let blocks = to.height.div_ceil(rows_each);
        let (address, step) = (output.shared(), output.step());
        let tiles = Tiles::new(self.isa, TileOrder::Rows);
        let stride = window.stride;
        (0..to.batch * blocks).into_par_iter().for_each(|item| {
            let (image, block) = (item / blocks, item % blocks);
            let rows = block * rows_each..((block + 1) * rows_each).min(to.height);
            for (group, panels) in self.groups.iter().enumerate() {
                for first in (0..each).step_by(panels.width()) {
                    let columns = panels.width().min(each - first);
                    let channel = group * each + first;
                    for y in rows.clone() {
                        for (x, height) in tiles.split(to.width) {
                            let pixel = (image * to.height + y) * to.width + x;
                            let source = (image * shape.height + y * stride) * shape.width + x * stride;
                            let tile = Tile {
                                k: run,
                                a: bordered.values()[source * shape.channels + group * self.input..].as_ptr(),
                                segments: &runs,
                                a_step: stride * shape.channels,
                                b: panels.row(0, first).as_ptr(),
                                // SAFETY: a channel of a pixel of the output.
                                c: unsafe { address.get().add(pixel * step + channel) },
                                c_step: step,
                                columns,
                                accumulate,
                                bias: finish.bias.map_or(std::ptr::null(), |bias| bias[channel..].as_ptr()),
                                residual: finish.residual.map_or(std::ptr::null(), |map| {
                                    // SAFETY: a channel of a pixel of the residual, which has the output's shape.
                                    unsafe { map.as_ptr().add(pixel * map.step() + channel) }
                                }),
                                residual_step: finish.residual.map_or(0, |map| map.step()),
                                ahead: panels.row(0, first).as_ptr(),
                                ahead_step: 0,
                                clamp: finish.clamp,
                            };
                            // SAFETY: the bordered map has every pixel that the window of an output reaches, so each run of
                            // each row lies in it; the panels hold `run` rows for each of the runs; items have rows of the
                            // output of their own. Bias and residual were checked to have the output's channels and pixels,
                            // and are borrowed beside a unique borrow of the output.
                            unsafe { tiles.run(height, &tile) }
                        }
                    }
                }
            }
        });
    }
}

/// A dense map with the pixels that windows reach outside the image, which are 0.
struct Bordered<'a> {
    copy: Option<Buffer>,
    input: Map<'a>,
    shape: MapShape,
}

impl<'a> Bordered<'a> {
    fn new(input: Map<'a>, window: Window) -> Self {
        let from = input.shape();
        let reach =
            |axis: usize| product(&[window.output[axis] - 1, window.stride]).saturating_add(window.kernel[axis]);
        let shape = MapShape { height: reach(0), width: reach(1), ..from };
        if window.pad == [0, 0] && shape == from && input.is_dense() {
            return Self { copy: None, input, shape };
        }
        let mut copy = Buffer::new(shape.numbers());
        let channels = from.channels;
        let line = shape.width * channels;
        copy.values_mut().par_chunks_mut(line.max(1)).enumerate().for_each(|(number, to)| {
            let (image, y) = (number / shape.height, number % shape.height);
            let y = y.wrapping_sub(window.pad[0]);
            if y >= from.height {
                return to.fill(0.0);
            }
            let (left, right) = to.split_at_mut((window.pad[1] * channels).min(line));
            left.fill(0.0);
            let (inside, right) = right.split_at_mut((from.width * channels).min(right.len()));
            right.fill(0.0);
            let first = (image * from.height + y) * from.width;
            if input.is_dense() {
                let row = &input.dense()[first * channels..];
                inside.copy_from_slice(&row[..inside.len()]);
            } else {
                for (x, to) in inside.chunks_exact_mut(channels).enumerate() {
                    to.copy_from_slice(input.pixel(first + x));
                }
            }
        });
        Self { copy: Some(copy), input, shape }
    }

    fn values(&self) -> &[f32] {
        match &self.copy {
            Some(copy) => copy.values(),
            None => self.input.dense(),
        }
    }
}
