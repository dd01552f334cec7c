//! Converts planes to pixels: the triangle filter upsamples chroma, and YCbCr becomes RGB, both as in libjpeg.

use fastai_kernels::wide::Wide;

/// Samples of one component.
pub(super) struct Plane {
    /// Rows of `stride` samples.
    pub(super) samples: Vec<u8>,
    /// Distance from one row to the next, samples.
    pub(super) stride: usize,
    /// Samples of a row that belong to the image.
    pub(super) width: usize,
    /// Rows that belong to the image.
    pub(super) height: usize,
}

impl Plane {
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.width]
    }
}

/// The conversion of grey, or of YCbCr with full or halved chroma: red, green and blue of every pixel, rows from the top.
/// Subsampled chroma is interpolated if `smooth`, otherwise each sample is repeated.
pub(super) struct ToRgb<'a> {
    pub(super) planes: &'a [Plane],
    /// Pixels a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    pub(super) smooth: bool,
}

impl Wide for ToRgb<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn run(self) -> Vec<u8> {
        let ToRgb { planes, width, height, smooth } = self;
        let mut rgb = vec![0u8; 3 * width * height];
        let rows = rgb.chunks_exact_mut(3 * width).enumerate();
        match planes {
            [luma, blue, red] => {
                let (halved_x, halved_y) = (blue.width < luma.width, blue.height < luma.height);
                // One more pixel if chroma is subsampled and the width is odd.
                let mut chroma = [vec![0u8; 2 * blue.width + 1], vec![0u8; 2 * blue.width + 1]];
                let mut sums = vec![0u16; blue.width];
                let mut line = [vec![0u8; width], vec![0u8; width], vec![0u8; width]];
                for (y, out) in rows {
                    for (plane, full) in [blue, red].into_iter().zip(&mut chroma) {
                        match (halved_x, halved_y) {
                            (false, false) => full[..plane.width].copy_from_slice(plane.row(y)),
                            _ if !smooth => repeat(plane.row(if halved_y { y / 2 } else { y }), halved_x, full),
                            (true, true) => both(plane, y, &mut sums, full),
                            (true, false) => across(plane.row(y), full),
                            (false, true) => down(plane, y, full),
                        }
                    }
                    convert(luma.row(y), &chroma[0][..width], &chroma[1][..width], &mut line);
                    let [r, g, b] = &line;
                    for (((pixel, r), g), b) in out.as_chunks_mut::<3>().0.iter_mut().zip(r).zip(g).zip(b) {
                        *pixel = [*r, *g, *b];
                    }
                }
            }
            [luma, ..] => {
                for (y, out) in rows {
                    for (pixel, v) in out.as_chunks_mut::<3>().0.iter_mut().zip(luma.row(y)) {
                        *pixel = [*v; 3];
                    }
                }
            }
            [] => {}
        }
        rgb
    }
}

/// A row of YCbCr as a row of each colour.
#[inline(always)]
pub(super) fn convert(luma: &[u8], blue: &[u8], red: &[u8], [r, g, b]: &mut [Vec<u8>; 3]) {
    let clamped = |v: i16| v.clamp(0, 255) as u8;
    let samples = luma.iter().zip(blue).zip(red);
    for (((y, cb), cr), ((r, g), b)) in samples.zip(r.iter_mut().zip(g).zip(b)) {
        let y = i16::from(*y);
        let (cb, cr) = (i16::from(*cb).wrapping_sub(128), i16::from(*cr).wrapping_sub(128));
        // 16-bit fractions of 1.402, .34414, .71414 and 1.772, their whole parts apart, so that everything fits into 16 bits:
        // twice as many at a time.
        let red = y.wrapping_add(cr).wrapping_add(rounded(cr, 26345));
        let blue = y.wrapping_add(cb).wrapping_add(cb).wrapping_add(rounded(cb, -14942));
        let green = y.wrapping_sub(cr).wrapping_add(rounded_sum([cb, cr], [-22554, 18734]));
        (*r, *g, *b) = (clamped(red), clamped(green), clamped(blue));
    }
}

/// `a * f / 65536`, rounded; `a` is a sample less 128.
#[inline(always)]
fn rounded(a: i16, f: i16) -> i16 {
    upper(a.wrapping_add(a), f).wrapping_add(1) >> 1
}

/// `(a * f + b * g) / 65536`, rounded.
#[inline(always)]
fn rounded_sum([a, b]: [i16; 2], [f, g]: [i16; 2]) -> i16 {
    // The lower halves carry zero, one or two; a quarter of their sum shows which.
    let (p, q) = (a.wrapping_mul(f) as u16, b.wrapping_mul(g) as u16);
    let mean = (p & q).wrapping_add((p ^ q) >> 1);
    let carry = (mean >> 1).wrapping_add(1 << 13) >> 14;
    upper(a, f).wrapping_add(upper(b, g)).wrapping_add(carry as i16)
}

/// The upper half of a product.
#[inline(always)]
fn upper(a: i16, f: i16) -> i16 {
    (i32::from(a).wrapping_mul(i32::from(f)) >> 16) as i16
}

/// Returns the row of `plane` adjacent to the one that contains row `y` of the image, on the nearer side.
#[inline(always)]
fn neighbour(plane: &Plane, y: usize) -> usize {
    let row = y / 2;
    if y.is_multiple_of(2) { row.saturating_sub(1) } else { (row + 1).min(plane.height - 1) }
}

/// Row `y` of chroma that is subsampled in both directions.
#[inline(always)]
pub(super) fn both(plane: &Plane, y: usize, sums: &mut [u16], out: &mut [u8]) {
    let (near, far) = (plane.row(y / 2), plane.row(neighbour(plane, y)));
    for ((sum, near), far) in sums.iter_mut().zip(near).zip(far) {
        *sum = u16::from(*near).wrapping_mul(3).wrapping_add(u16::from(*far));
    }
    let triangle =
        |near: u16, far: u16, round: u16| (near.wrapping_mul(3).wrapping_add(far).wrapping_add(round) >> 4) as u8;
    let (first, last) = (sums[0], sums[sums.len() - 1]);
    let width = 2 * sums.len();
    let pairs = out[1..width - 1].as_chunks_mut::<2>().0.iter_mut();
    for ((pair, a), b) in pairs.zip(&*sums).zip(&sums[1..]) {
        *pair = [triangle(*a, *b, 7), triangle(*b, *a, 8)];
    }
    out[0] = triangle(first, first, 8);
    out[width - 1] = triangle(last, last, 7);
}

/// A row of chroma that is subsampled horizontally only.
#[inline(always)]
pub(super) fn across(row: &[u8], out: &mut [u8]) {
    let triangle = |near: u8, far: u8, round: u16| {
        (u16::from(near).wrapping_mul(3).wrapping_add(u16::from(far)).wrapping_add(round) >> 2) as u8
    };
    let width = 2 * row.len();
    let pairs = out[1..width - 1].as_chunks_mut::<2>().0.iter_mut();
    for ((pair, a), b) in pairs.zip(row).zip(&row[1..]) {
        *pair = [triangle(*a, *b, 2), triangle(*b, *a, 1)];
    }
    out[0] = row[0];
    out[width - 1] = row[row.len() - 1];
}

/// A row of chroma; each sample is repeated if chroma is subsampled horizontally.
#[inline(always)]
fn repeat(row: &[u8], halved: bool, out: &mut [u8]) {
    if halved {
        out.as_chunks_mut::<2>().0.iter_mut().zip(row).for_each(|(pair, sample)| *pair = [*sample; 2]);
    } else {
        out[..row.len()].copy_from_slice(row);
    }
}

/// Row `y` of chroma that is subsampled vertically only.
#[inline(always)]
pub(super) fn down(plane: &Plane, y: usize, out: &mut [u8]) {
    let (near, far) = (plane.row(y / 2), plane.row(neighbour(plane, y)));
    let round = if y.is_multiple_of(2) { 1 } else { 2 };
    for ((sample, near), far) in out.iter_mut().zip(near).zip(far) {
        *sample = (u16::from(*near).wrapping_mul(3).wrapping_add(u16::from(*far)).wrapping_add(round) >> 2) as u8;
    }
}
