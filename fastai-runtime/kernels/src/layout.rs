//! Between `[batch, channel, height, width]` and maps.

use rayon::prelude::*;

use crate::map::{Map, MapMut, MapShape};

/// Pixels that are turned together.
const PIXELS: usize = 64;
/// Pixels of an image that a thread turns.
const PIXELS_EACH: usize = 64 * PIXELS;
/// Channels of an image that a thread turns back: a few cache lines of each pixel.
const CHANNELS_EACH: usize = 64;

/// Copies planes, `[batch, channel, height, width]`, to a dense map.
///
/// # Panics
/// If there are more or fewer numbers than the map has.
pub fn from_planes(planes: &[f32], shape: MapShape, map: &mut [f32]) {
    let (plane, channels) = (shape.height * shape.width, shape.channels);
    assert_eq!([planes.len(), map.len()], [shape.numbers(); 2]);
    if plane * channels == 0 {
        return;
    }
    map.par_chunks_mut(plane * channels).zip(planes.par_chunks(plane * channels)).for_each(|(map, planes)| {
        map.par_chunks_mut(PIXELS_EACH * channels).enumerate().for_each(|(share, map)| {
            if channels == 3 {
                let [red, green, blue] = [0, 1, 2].map(|channel| &planes[channel * plane + share * PIXELS_EACH..]);
                let values = red.iter().zip(green).zip(blue);
                return map.as_chunks_mut::<3>().0.iter_mut().zip(values).for_each(|(to, ((red, green), blue))| {
                    *to = [*red, *green, *blue];
                });
            }
            for (part, map) in map.chunks_mut(PIXELS * channels).enumerate() {
                for (channel, plane) in planes.chunks_exact(plane).enumerate() {
                    let values = &plane[share * PIXELS_EACH + part * PIXELS..];
                    map.iter_mut().skip(channel).step_by(channels).zip(values).for_each(|(to, from)| *to = *from);
                }
            }
        });
    });
}

/// Copies a map to planes, `[batch, channel, height, width]`.
///
/// # Panics
/// If there are more or fewer numbers than the map has.
pub fn to_planes(map: Map<'_>, planes: &mut [f32]) {
    let shape = map.shape();
    let (plane, channels) = (shape.height * shape.width, shape.channels);
    assert_eq!(planes.len(), shape.numbers());
    if plane * channels == 0 {
        return;
    }
    planes.par_chunks_mut(plane * channels).enumerate().for_each(|(image, planes)| {
        planes.par_chunks_mut(plane * CHANNELS_EACH).enumerate().for_each(|(share, planes)| {
            let channels = share * CHANNELS_EACH..channels.min((share + 1) * CHANNELS_EACH);
            for first in (0..plane).step_by(PIXELS) {
                for pixel in first..plane.min(first + PIXELS) {
                    let values = &map.pixel(image * plane + pixel)[channels.clone()];
                    for (channel, value) in values.iter().enumerate() {
                        planes[channel * plane + pixel] = *value;
                    }
                }
            }
        });
    });
}

/// Copies a map to another of its shape.
///
/// # Panics
/// If the shapes differ.
pub fn copy(from: Map<'_>, to: &mut MapMut<'_>) {
    each_pixel(from, to, |to, from| to.copy_from_slice(from));
}

/// Adds a map to another of its shape.
///
/// # Panics
/// If the shapes differ.
pub fn add(from: Map<'_>, to: &mut MapMut<'_>) {
    each_pixel(from, to, |to, from| to.iter_mut().zip(from).for_each(|(to, from)| *to += from));
}

/// Calls `work` with the channels of each pixel of both maps.
fn each_pixel(from: Map<'_>, to: &mut MapMut<'_>, work: impl Fn(&mut [f32], &[f32]) + Sync) {
    let shape = from.shape();
    assert_eq!(shape, to.shape());
    let (step, channels) = (to.step(), shape.channels);
    if shape.numbers() == 0 {
        return;
    }
    to.values_mut().par_chunks_mut(step).take(shape.pixels()).enumerate().with_min_len(64).for_each(|(pixel, to)| {
        work(&mut to[..channels], from.pixel(pixel));
    });
}
