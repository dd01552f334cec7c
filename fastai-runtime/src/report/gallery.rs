//! Images worth inspecting, with their predictions.

use std::path::PathBuf;

use fastai_dsl::TaskKind;
use image::codecs::jpeg::JpegEncoder;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::numbers::{grouped, metric};
use crate::data::decode;

/// Longest side of a thumbnail, pixels: twice the displayed size, for high-resolution screens.
const SIDE: u32 = 192;
const QUALITY: u8 = 80;
/// Up to so many images a page has all of them at once; more are drawn when they come into view.
const AT_ONCE: usize = 40;

/// Groups of images worth inspecting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// The predictions that select the images, in words.
    pub made: String,
    /// Incorrectly predicted images, shown or not; of a regression 0.
    pub wrong: u64,
    /// Images examined.
    pub n: u64,
    /// The groups.
    pub groups: Vec<GalleryGroup>,
    /// Of a regression the true and the predicted number of each image, or of as many of them as a plot shows, evenly spaced.
    #[serde(default)]
    pub points: Vec<[f32; 2]>,
}

/// Images of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GalleryGroup {
    /// `cat: most incorrect`.
    pub title: String,
    /// The images.
    pub images: Vec<GalleryImage>,
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GalleryImage {
    /// The image's name in the data set.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// The true class or number; for tags, the correctly predicted ones.
    pub is: String,
    /// The predicted class with its probability, or the predicted number with its error; for tags, the wrongly predicted ones.
    pub said: Vec<(String, f32)>,
    /// Missed tags, with probabilities.
    pub missing: Vec<(String, f32)>,
    /// Probability of the true class, the image's F2, or how far the predicted number lies from the true one.
    pub value: f32,
    /// A small JPEG in base64; created with the report.
    #[serde(skip)]
    pub thumbnail: Option<String>,
}

impl Gallery {
    /// Creates the thumbnails, except of images that can no longer be read.
    pub fn make_thumbnails(&mut self) {
        for image in self.groups.iter_mut().flat_map(|group| &mut group.images) {
            image.thumbnail = thumbnail(&image.path);
        }
    }
}

pub(super) fn thumbnail(path: &std::path::Path) -> Option<String> {
    let full = decode(path).ok()?;
    let longest = full.width().max(full.height());
    let small = if longest > SIDE {
        let side = |x: u32| (u64::from(x) * u64::from(SIDE) / u64::from(longest)).max(1) as u32;
        image::imageops::thumbnail(&full, side(full.width()), side(full.height()))
    } else {
        full
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).ok()?;
    Some(base64(&jpeg))
}

/// Base64 with padding (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

/// How a page with so many images loads each.
pub(super) fn loading(images: usize) -> Option<&'static str> {
    (images > AT_ONCE).then_some("lazy")
}

/// The gallery as a part of the report.
pub fn gallery(gallery: &Gallery, task: TaskKind) -> Markup {
    let (wrong, n) = (grouped(gallery.wrong), grouped(gallery.n));
    let images = gallery.groups.iter().map(|group| group.images.len()).sum();
    html! {
        p.soft {
            @match task {
                TaskKind::SingleLabel => { (wrong) " of " (n) " validation images were taken for another class" }
                TaskKind::MultiLabel => { (wrong) " of " (n) " validation images have a tag missing or too many" }
                TaskKind::Regression => { "Those of " (n) " validation images whose predicted value lies farthest from the true one" }
            }
            " (" (gallery.made) ")."
            @if task == TaskKind::MultiLabel { " Missing tags are struck through, those too many have a plus." }
        }
        @for group in &gallery.groups {
            h3 { (group.title) }
            div.gallery { @for image in &group.images { (picture(image, task, loading(images))) } }
        }
    }
}

fn picture(image: &GalleryImage, task: TaskKind, loading: Option<&str>) -> Markup {
    let tags = task == TaskKind::MultiLabel;
    let shown = |list: &[(String, f32)], class: &str, sign: &str| {
        html! { @for (name, p) in list { span class=(class) title=(format!("{name} {p:.4}")) { (sign) @if sign.is_empty() && class == "missing" { s { (name) } } @else { (name) } " " small { (format!("{p:.2}")) } } " " } }
    };
    html! {
        figure.picture {
            @match &image.thumbnail {
                Some(data) => img src=(format!("data:image/jpeg;base64,{data}")) alt=(image.id) loading=[loading];,
                None => div.gone { "no longer readable" },
            }
            figcaption {
                @if tags {
                    (shown(&image.missing, "missing", ""))
                    (shown(&image.said, "extra", "+"))
                    @if !image.is.is_empty() { span.soft { (image.is) } }
                } @else if task == TaskKind::Regression {
                    strong { (image.is) }
                    @for (number, error) in &image.said {
                        br; "predicted " span.extra { (number) " " small { (format!("{error:+.4}")) } }
                    }
                } @else {
                    strong { (image.is) } " " small { (format!("{:.2}", image.value)) }
                    @if !image.said.is_empty() { br; "said " (shown(&image.said, "extra", "")) }
                }
                div.id title=(image.path.display()) { (image.id) @if tags { " · F2 " (metric(f64::from(image.value))) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }

    #[test]
    fn thumbnails_are_small_and_keep_the_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        image::RgbImage::from_pixel(800, 400, image::Rgb([200, 10, 10])).save(&path).unwrap();
        let image = |path| GalleryImage { path, ..GalleryImage::default() };
        let images = vec![image(path), image(folder.path().join("gone.png"))];
        let group = GalleryGroup { title: String::new(), images };
        let mut gallery = Gallery { groups: vec![group], ..Gallery::default() };
        gallery.make_thumbnails();
        let [made, gone] = gallery.groups[0].images.as_slice() else { panic!() };
        assert!(made.thumbnail.as_ref().unwrap().len() < 4000 && gone.thumbnail.is_none());
        let page = super::gallery(&gallery, TaskKind::SingleLabel).into_string();
        assert!(!page.contains("loading"), "a few images are there at once");
        assert!(page.contains("src=\"data:image/jpeg;base64,/9j/") && page.contains("no longer readable"));
    }
}
