//! The right operand of a matrix product, packed: panels of two vectors' width, each stored row by row.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::isa::Isa;

/// A matrix `[k, columns]` in panels; the last panel is padded with zeros to one or two whole vectors.
#[derive(Debug)]
pub(crate) struct Panels {
    values: Buffer,
    k: usize,
    columns: usize,
    lanes: usize,
}

impl Panels {
    /// A matrix of any values for this instruction set.
    pub(crate) fn new(isa: Isa, k: usize, columns: usize) -> Self {
        let lanes = isa.lanes();
        Self { values: Buffer::new(k * columns.next_multiple_of(lanes)), k, columns, lanes }
    }

    /// Packs `[tap, inner, column]` of what `value(tap, inner, column)` gives.
    pub(crate) fn pack(
        isa: Isa,
        taps: usize,
        inner: usize,
        columns: usize,
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let mut panels = Self::new(isa, taps * inner, columns);
        let (width, lanes) = (panels.width(), panels.lanes);
        panels.values.values_mut().par_chunks_mut((width * taps * inner).max(1)).enumerate().for_each(
            |(panel, values)| {
                let first = panel * width;
                let used = width.min(columns - first);
                let padded = used.div_ceil(lanes) * lanes;
                // A line of each tap in turn: the taps of a weight lie side by side.
                for row in 0..inner {
                    for tap in 0..taps {
                        let (to, padding) = values[(tap * inner + row) * padded..][..padded].split_at_mut(used);
                        for (column, to) in to.iter_mut().enumerate() {
                            *to = value(tap, row, first + column);
                        }
                        padding.fill(0.0);
                    }
                }
            },
        );
        panels
    }

    /// Packs `k` rows, at most as many as there is room for; the other methods then see that many.
    pub(crate) fn fill_rows<'a>(&mut self, k: usize, row: impl Fn(usize) -> &'a [f32]) {
        assert!(k * self.columns.next_multiple_of(self.lanes) <= self.values.values().len());
        self.k = k;
        for first in (0..self.columns).step_by(self.width()) {
            let (width, end) = (self.vectors_at(first) * self.lanes, self.columns.min(first + self.width()));
            for (number, to) in self.panel_mut(first).chunks_exact_mut(width).enumerate() {
                let (values, padding) = to.split_at_mut(end - first);
                values.copy_from_slice(&row(number)[first..end]);
                padding.fill(0.0);
            }
        }
    }

    /// Columns of a whole panel.
    pub(crate) fn width(&self) -> usize {
        2 * self.lanes
    }

    /// Vectors in a row of the panel that begins with column `first`.
    pub(crate) fn vectors_at(&self, first: usize) -> usize {
        (self.columns - first).div_ceil(self.lanes).min(2)
    }

    /// Products in a sum.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Row `k` of the panel that begins with column `first`, a multiple of the panel's width, and all after it.
    pub(crate) fn row(&self, k: usize, first: usize) -> &[f32] {
        &self.values.values()[first * self.k + k * self.vectors_at(first) * self.lanes..]
    }

    /// The panel that begins with column `first`.
    pub(crate) fn panel_mut(&mut self, first: usize) -> &mut [f32] {
        let len = self.vectors_at(first) * self.lanes * self.k;
        &mut self.values.values_mut()[first * self.k..][..len]
    }

    /// All panels, from left to right.
    pub(crate) fn panels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let whole = (self.width() * self.k).max(1);
        self.values.values_mut().chunks_mut(whole)
    }
}
