//! Linear layers of an evaluation: the weights are read as they are, once for all rows, in the order in which they lie.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::isa::{Isa, dispatch};
use crate::vector::{Vector, load, store};

/// Inputs of a partial sum. The partition does not depend on threads or rows.
const PART: usize = 256;
/// Rows that are computed together, which bounds the memory of the partial sums.
const ROWS: usize = 64;

/// Partial sums of some rows.
struct Sums<'a> {
    /// Inputs of the first row, and numbers from one row to the next.
    x: &'a [f32],
    step: usize,
    rows: usize,
    /// Weights of these inputs, `[input, columns]`.
    weights: &'a [f32],
    columns: usize,
    /// `[row, columns]`.
    to: &'a mut [f32],
}

dispatch! {
    unsafe fn add_products(isa, sums: &mut Sums<'_>) = add_products_body;
}

#[inline(always)]
unsafe fn add_products_body<V: Vector>(sums: &mut Sums<'_>) {
    let (columns, inputs) = (sums.columns, sums.weights.len() / sums.columns);
    let mut input = 0;
    while input < inputs {
        let four = input + 4 <= inputs;
        for row in 0..sums.rows {
            for column in (0..columns).step_by(V::LANES) {
                let lanes = V::LANES.min(columns - column);
                // SAFETY: `lanes` columns of the weights of one or four inputs, of which each row has a number, and of a row
                // of the sums.
                unsafe {
                    let x = sums.x.as_ptr().add(row * sums.step + input);
                    let w = sums.weights.as_ptr().add(input * columns + column);
                    let to = sums.to.as_mut_ptr().add(row * columns + column);
                    let mut sum = load::<V>(true, to, lanes);
                    sum = V::splat(*x).fma(load::<V>(true, w, lanes), sum);
                    if four {
                        sum = V::splat(*x.add(1)).fma(load::<V>(true, w.add(columns), lanes), sum);
                        sum = V::splat(*x.add(2)).fma(load::<V>(true, w.add(2 * columns), lanes), sum);
                        sum = V::splat(*x.add(3)).fma(load::<V>(true, w.add(3 * columns), lanes), sum);
                    }
                    store(true, sum, to, lanes);
                }
            }
        }
        input += if four { 4 } else { 1 };
    }
}

/// Sets `output`, `[row, columns]`, to the product of `x`, `[row, inputs]`, and `weights`, `[inputs, columns]`, plus the bias.
/// A row's result does not depend on the other rows.
///
/// # Panics
/// If the shapes do not belong together.
pub fn linear(isa: Isa, x: &[f32], inputs: usize, weights: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
    assert!(inputs > 0 && weights.len().is_multiple_of(inputs) && x.len().is_multiple_of(inputs));
    let (columns, rows) = (weights.len() / inputs, x.len() / inputs);
    assert_eq!(output.len(), rows * columns);
    assert!(bias.is_none_or(|bias| bias.len() == columns), "a bias of every column");
    if output.is_empty() {
        return;
    }
    let parts = inputs.div_ceil(PART);
    for (x, output) in x.chunks(ROWS * inputs).zip(output.chunks_mut(ROWS * columns)) {
        let mut partial = Buffer::new(parts * output.len());
        partial.values_mut().par_chunks_mut(output.len()).zip(weights.par_chunks(PART * columns)).enumerate().for_each(
            |(part, (to, weights))| {
                to.fill(0.0);
                let (x, rows) = (&x[part * PART..], x.len() / inputs);
                let mut sums = Sums { x, step: inputs, rows, weights, columns, to };
                // SAFETY: the weights are those of the part's inputs, which every row of `x` has, and the sums have as many
                // rows; all of them are as long as they say.
                unsafe { add_products(isa, &mut sums) };
            },
        );
        for row in output.chunks_exact_mut(columns) {
            match bias {
                Some(bias) => row.copy_from_slice(bias),
                None => row.fill(0.0),
            }
        }
        for partial in partial.values().chunks_exact(output.len()) {
            output.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
        }
    }
}
