//! The average over a square.

use super::image::{FloatImage, Pixels};

/// Replaces each pixel by the average of the `side` x `side` pixels around it, `side` odd. The border is mirrored without
/// repeating the edge, `2 1 | 0 1 2` (OpenCV's `blur`).
pub fn blur(image: &FloatImage, side: usize) -> FloatImage {
    let (height, width) = image.size();
    let reach = side / 2;
    let share = 1.0 / side as f32;
    let average = |sources: &[usize], at: &dyn Fn(usize) -> [f32; 4]| {
        let mut sum = [0f32; 4];
        for source in sources {
            sum.iter_mut().zip(at(*source)).for_each(|(sum, v)| *sum += v);
        }
        sum.map(|v| v * share)
    };
    let around = |n: usize| -> Vec<Vec<usize>> {
        (0..n).map(|i| (0..2 * reach + 1).map(|k| mirror(i as i64 + k as i64 - reach as i64, n)).collect()).collect()
    };
    let (rows, columns) = (around(height), around(width));
    let mut across = FloatImage::black(height, width);
    for y in 0..height {
        for (x, column) in columns.iter().enumerate() {
            across.pixels_mut()[y * width + x] = average(column, &|c| image.pixels()[y * width + c]);
        }
    }
    let mut blurred = FloatImage::black(height, width);
    for (y, row) in rows.iter().enumerate() {
        for x in 0..width {
            blurred.pixels_mut()[y * width + x] = average(row, &|r| across.pixels()[r * width + x]);
        }
    }
    blurred
}

/// Maps any `index` to a pixel of an axis of `n` pixels by mirroring.
fn mirror(index: i64, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n as i64 - 1);
    let i = index.rem_euclid(period);
    (if i < n as i64 { i } else { period - i }) as usize
}
