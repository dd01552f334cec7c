//! The crop of the square.

use fastai_dsl::Crop;
use rand_chacha::ChaCha8Rng;

use crate::random::{chance, uniform, unit};

/// A rectangle of an image, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropWindow {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl CropWindow {
    /// The whole of an image of `size` (height, width).
    pub(super) fn whole((height, width): (usize, usize)) -> Self {
        CropWindow { top: 0, left: 0, height, width }
    }
}

/// A crop with its random values drawn. Positions are relative, so drawing needs no image.
#[derive(Clone, Debug, PartialEq)]
pub enum Cut {
    /// The square in the middle.
    Center,
    /// The square whose first row and column are `floor(u * (side - size))`.
    At {
        /// Vertical position, in `[0, 1)`.
        row: f64,
        /// Horizontal position, in `[0, 1)`.
        column: f64,
    },
    /// The whole image, squashed.
    Squash,
    /// A part with random area and aspect ratio, squashed.
    Area(Box<Area>),
}

impl Cut {
    pub(super) fn draw(crop: Crop, rng: &mut ChaCha8Rng) -> Self {
        match crop {
            Crop::Random => Cut::At { row: unit(rng), column: unit(rng) },
            Crop::Center => Cut::Center,
            Crop::None => Cut::Squash,
            Crop::Googlenet => Cut::Area(Box::new(Area::draw(rng))),
        }
    }

    /// Returns the window to cut from an image of `image` (height, width) for a square of `size`; `None` if the image is to
    /// be scaled to `size` and cropped in the centre instead.
    pub(super) fn window(&self, image: (usize, usize), size: usize) -> Option<CropWindow> {
        let (height, width) = image;
        match self {
            Cut::Center => Some(center(image, size)),
            Cut::At { row, column } => {
                let start = |u: f64, n: usize| (u * n.saturating_sub(size) as f64).floor() as usize;
                Some(CropWindow { top: start(*row, height), left: start(*column, width), height: size, width: size })
            }
            Cut::Squash => Some(CropWindow::whole(image)),
            Cut::Area(area) => area.window(image),
        }
    }
}

/// The central square of `size` in `image` (height, width), which must be at least that large.
pub(super) fn center(image: (usize, usize), size: usize) -> CropWindow {
    let start = |n: usize| n.saturating_sub(size).div_ceil(2);
    CropWindow { top: start(image.0), left: start(image.1), height: size, width: size }
}

/// The googlenet crop: the first of ten tries that fits the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Whether height and width are swapped in every try.
    pub swap: bool,
    /// The tries in order.
    pub tries: [Try; 10],
}

/// One try of the googlenet crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// Share of the image's area, in `[0.08, 1)`.
    pub fraction: f64,
    /// Width by height, in `[0.75, 1.333)`.
    pub aspect: f64,
    /// Vertical position, in `[0, 1)`.
    pub row: f64,
    /// Horizontal position, in `[0, 1)`.
    pub column: f64,
}

impl Area {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let swap = chance(rng, 0.5);
        let tries = std::array::from_fn(|_| Try {
            fraction: uniform(rng, 0.08, 1.0),
            aspect: uniform(rng, 0.75, 1.333),
            row: unit(rng),
            column: unit(rng),
        });
        Area { swap, tries }
    }

    fn window(&self, (height, width): (usize, usize)) -> Option<CropWindow> {
        let area = height as f64 * width as f64;
        self.tries.iter().find_map(|t| {
            // Never 0, which a single pixel would give.
            let side = |squared: f64| ((squared.sqrt() + 0.5) as usize).max(1);
            let (mut w, mut h) = (side(t.fraction * area * t.aspect), side(t.fraction * area / t.aspect));
            if self.swap {
                (w, h) = (h, w);
            }
            let start = |u: f64, room: usize| (u * (room + 1) as f64) as usize;
            (h <= height && w <= width).then(|| CropWindow {
                top: start(t.row, height - h),
                left: start(t.column, width - w),
                height: h,
                width: w,
            })
        })
    }
}
