//! Borders by reflection that repeats the edge: `2 1 0 | 0 1 2` (OpenCV's `BORDER_REFLECT`).

use fastai_dsl::PadMode;

use super::image::{FloatImage, Pixels};
use fastai_kernels::bilinear::reflect;

/// Adds a border of `pad` pixels on each side of `image`, reflected or black.
pub(super) fn pad(image: &FloatImage, pad: usize, mode: PadMode) -> FloatImage {
    let (height, width) = image.size();
    let mut padded = FloatImage::black(height + 2 * pad, width + 2 * pad);
    if mode == PadMode::Constant {
        let rows = padded.pixels_mut().chunks_exact_mut(width + 2 * pad).skip(pad);
        for (line, row) in rows.zip(image.pixels().chunks_exact(width)) {
            line[pad..pad + width].copy_from_slice(row);
        }
        return padded;
    }
    let columns: Vec<usize> = (0..width + 2 * pad).map(|x| reflect(x as i64 - pad as i64, width)).collect();
    for (y, line) in padded.pixels_mut().chunks_exact_mut(columns.len()).enumerate() {
        let row = &image.pixels()[reflect(y as i64 - pad as i64, height) * width..][..width];
        for (pixel, &x) in line.iter_mut().zip(&columns) {
            *pixel = row[x];
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_border_wider_than_the_image() {
        let image = FloatImage::from_rgb(1, 2, &[0.1, 0.1, 0.1, 0.2, 0.2, 0.2]).unwrap();
        let padded = pad(&image, 3, PadMode::Reflect);
        assert_eq!(padded.size(), (7, 8));
        let first: Vec<f32> = padded.pixels()[..8].iter().map(|p| p[0]).collect();
        assert_eq!(first, [0.2, 0.2, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1]);
        let black = pad(&image, 3, PadMode::Constant);
        let middle: Vec<f32> = black.pixels()[3 * 8..4 * 8].iter().map(|p| p[0]).collect();
        assert_eq!(middle, [0.0, 0.0, 0.0, 0.1, 0.2, 0.0, 0.0, 0.0]);
        assert!(black.pixels()[..3 * 8].iter().all(|p| *p == [0.0; 4]));
    }
}
