//! The right operand of a matrix product, packed: panels of two vectors' width, each stored row by row.

use crate::isa::Isa;

/// A matrix `[k, columns]` in panels; the last panel is padded with zeros to one or two whole vectors.
#[derive(Clone, Debug)]
pub struct Panels {
    values: Vec<f32>,
    k: usize,
    columns: usize,
    lanes: usize,
}

impl Panels {
    /// A matrix of zeros for this instruction set.
    pub fn zeros(isa: Isa, k: usize, columns: usize) -> Self {
        let mut panels = Self { values: Vec::new(), k: 0, columns: 0, lanes: isa.lanes() };
        panels.resize(k, columns);
        panels
    }

    /// Another size; the values are zeros or older ones.
    pub(crate) fn resize(&mut self, k: usize, columns: usize) {
        let padded = columns.div_ceil(self.lanes) * self.lanes;
        (self.k, self.columns) = (k, columns);
        self.values.resize(k * padded, 0.0);
    }

    /// Packs what `value(k, column)` gives.
    pub fn pack(isa: Isa, k: usize, columns: usize, mut value: impl FnMut(usize, usize) -> f32) -> Self {
        let mut panels = Self::zeros(isa, k, columns);
        for first in (0..columns).step_by(panels.width()) {
            let (width, end) = (panels.vectors_at(first) * panels.lanes, columns.min(first + panels.width()));
            let panel = &mut panels.values[first * k..][..width * k];
            for (row, to) in panel.chunks_exact_mut(width).enumerate() {
                for (to, column) in to.iter_mut().zip(first..end) {
                    *to = value(row, column);
                }
            }
        }
        panels
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
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `k` of the panel that begins with column `first`, a multiple of the panel's width, and all after it.
    pub(crate) fn row(&self, k: usize, first: usize) -> &[f32] {
        &self.values[first * self.k + k * self.vectors_at(first) * self.lanes..]
    }

    /// The panel that begins with column `first`.
    pub(crate) fn panel_mut(&mut self, first: usize) -> &mut [f32] {
        let len = self.vectors_at(first) * self.lanes * self.k;
        &mut self.values[first * self.k..][..len]
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
