//! Transforms against OpenCV, torchvision and their definitions.

mod augment;
mod bytes;
mod golden;
mod golden_file;
mod operations;
mod sequence;
mod threads;

use std::path::Path;

use fastai_data::{Item, Target};
use image::{Rgb, RgbImage};

/// So many images, each of another width, as files in `folder`.
fn items(folder: &Path, count: u32) -> Vec<Item> {
    let item = |i: u32| {
        let path = folder.join(format!("{i}.png"));
        RgbImage::from_fn(30 + i, 40, |x, y| Rgb([(x * 7 + i) as u8, (y * 5) as u8, (x * y + i * 9) as u8]))
            .save(&path)
            .unwrap();
        Item { id: i.to_string(), path, target: Target::Unlabelled }
    };
    (0..count).map(item).collect()
}
