//! Converts planes of any sampling and colour space to pixels, as libjpeg-turbo upsamples and Pillow converts.

use super::color::{Plane, across, both, convert, down};
use super::header::{Colors, Header};

/// Returns red, green and blue of every pixel, rows from the top; every plane's sampling divides the largest one.
pub(super) fn to_rgb(header: &Header<'_>, planes: &[Plane]) -> Vec<u8> {
    let (width, height) = (header.width, header.height);
    let (most_h, most_v) = header.most();
    let colors = header.colors();
    let mut rgb = vec![0u8; 3 * width * height];
    let mut full: Vec<FullRow> = (planes.iter().zip(&header.components))
        .map(|(plane, component)| FullRow::new(plane, most_h / component.h, most_v / component.v))
        .collect();
    let mut line = [vec![0u8; width], vec![0u8; width], vec![0u8; width]];
    for (y, out) in rgb.chunks_exact_mut(3 * width).enumerate() {
        let rows: Vec<&[u8]> = full.iter_mut().map(|row| &row.at(y)[..width]).collect();
        let pixels = out.as_chunks_mut::<3>().0.iter_mut();
        match (colors, &rows[..]) {
            (Colors::YCbCr | Colors::Ycck, [luma, blue, red, ..]) => convert(luma, blue, red, &mut line),
            (_, [red, green, blue, ..]) => {
                line.iter_mut().zip([red, green, blue]).for_each(|(line, row)| line.copy_from_slice(row));
            }
            (_, [grey, ..]) => line.iter_mut().for_each(|line| line.copy_from_slice(grey)),
            _ => {}
        }
        let [a, b, c] = &line;
        for (x, pixel) in pixels.enumerate() {
            let color = [a[x], b[x], c[x]];
            *pixel = match colors {
                Colors::Grey | Colors::YCbCr | Colors::Rgb => color,
                // Adobe's files, which are nearly all, hold inverted ink: 255 is none. YCbCr of ink comes out inverted again.
                Colors::Cmyk => color.map(|ink| less_black(255 - ink, rows[3][x])),
                Colors::Ycck => color.map(|ink| less_black(ink, rows[3][x])),
            };
        }
    }
    rgb
}

/// Pillow's conversion of an ink to a colour; `black` is 255 where there is none.
fn less_black(ink: u8, black: u8) -> u8 {
    let product = u32::from(ink) * u32::from(black) + 128;
    black.saturating_sub((((product >> 8) + product) >> 8) as u8)
}

/// A plane whose rows are brought to the image's width.
struct FullRow<'a> {
    plane: &'a Plane,
    /// Pixels per sample, each way.
    by: (usize, usize),
    sums: Vec<u16>,
    out: Vec<u8>,
}

impl<'a> FullRow<'a> {
    fn new(plane: &'a Plane, across: usize, down: usize) -> Self {
        let out = vec![0; plane.width * across.max(1) + across];
        FullRow { plane, by: (across, down), sums: vec![0; plane.width], out }
    }

    /// Row `y` of the image: interpolated if the plane is halved and more than two samples wide, otherwise each sample is
    /// repeated.
    fn at(&mut self, y: usize) -> &[u8] {
        let plane = self.plane;
        match self.by {
            (1, 1) => return plane.row(y),
            (1, 2) => down(plane, y, &mut self.out),
            (2, 1) if plane.width > 2 => across(plane.row(y), &mut self.out),
            (2, 2) if plane.width > 2 => both(plane, y, &mut self.sums, &mut self.out),
            (across, down) => {
                for (pixels, sample) in self.out.chunks_mut(across).zip(plane.row(y / down)) {
                    pixels.fill(*sample);
                }
            }
        }
        &self.out
    }
}
