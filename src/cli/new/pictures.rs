//! The pictures of a new recipe, which train until the user has others: circles and squares.

use fastai_runtime::data::RgbImage;

/// Pictures per class: enough for a fifth of them to tell a trained network from chance.
const COUNT: u32 = 60;
/// Side of a picture, pixels.
const SIDE: u32 = 64;

/// Paths below `data` and pictures, the same every time.
pub fn all() -> impl Iterator<Item = (String, RgbImage)> {
    // No number is drawn twice: a circle and a square in the same colours at the same place would be near-duplicates.
    let class = |name: &'static str, first: u32, inside: fn(f32, f32, f32) -> bool| {
        (0..COUNT).map(move |number| (format!("train/{name}/{number:02}.png"), picture(first + number, inside)))
    };
    class("circles", 1, |x, y, r| x * x + y * y < r * r)
        .chain(class("squares", 1 + COUNT, |x, y, r| x.abs().max(y.abs()) < 0.85 * r))
}

/// A shape at a place, of a size and in colours that follow from its number.
fn picture(number: u32, inside: fn(f32, f32, f32) -> bool) -> RgbImage {
    // Multiples of irrational numbers are spread evenly.
    let drawn = |factor: f32| (number as f32 * factor).fract();
    let radius = 8.0 + 18.0 * drawn(0.618_034);
    let place = |factor: f32| radius + (SIDE as f32 - 2.0 * radius) * drawn(factor);
    let (across, down) = (place(0.754_878), place(0.569_84));
    let colour = |shift: f32| [0.0, 0.33, 0.66].map(|hue| ((drawn(0.819_173) + hue + shift).fract() * 255.0) as u8);
    let (shape, ground) = (colour(0.0), colour(0.5));
    let points = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x as f32, y as f32)));
    let bytes = points.flat_map(|(x, y)| if inside(x - across, y - down, radius) { shape } else { ground }).collect();
    RgbImage::from_raw(SIDE, SIDE, bytes).unwrap_or_default()
}
