//! Mixup and cutmix: mixes the training images of a batch and their labels.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::examples::Inputs;
use crate::random::{beta, chance, permutation, unit};
use crate::transforms::CropWindow;

/// The mixing of training images.
///
/// Each image has a partner in its batch (a random permutation) and its own share, as in fastai. For mixup (Zhang et al.
/// 2018) the share is the larger of lambda and 1 - lambda, so an image always contributes more than its partner; for cutmix
/// (Yun et al. 2019) it is the area outside the partner's rectangle. With both, each batch uses either with equal
/// probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mixing {
    /// Parameter of the Beta distribution of mixup's shares, above 0; `None` for no mixup.
    pub mixup: Option<f64>,
    /// Parameter of the Beta distribution of cutmix's areas, above 0; `None` for no cutmix.
    pub cutmix: Option<f64>,
}

impl Mixing {
    /// Mixes images in place and returns the mix. Features stay unchanged, since each was computed from one image.
    pub fn mix(&self, inputs: &mut Inputs, rng: &mut ChaCha8Rng) -> Option<Mix> {
        let Inputs::Images(images) = inputs else { return None };
        let [count, _, height, width] = images.dims();
        let mix = self.draw(count, (height, width), rng)?;
        *images = mix.of(images.clone(), (height, width));
        Some(mix)
    }

    /// Draws the mix of a batch of `count` images of `size` (height, width); `None` without mixing.
    pub fn draw(&self, count: usize, size: (usize, usize), rng: &mut ChaCha8Rng) -> Option<Mix> {
        let blends = match (self.mixup, self.cutmix) {
            (None, None) => return None,
            (Some(_), Some(_)) => chance(rng, 0.5),
            (mixup, _) => mixup.is_some(),
        };
        let partners = permutation(rng, count);
        if let (Some(alpha), true) = (self.mixup, blends) {
            let share = |_| {
                let lambda = beta(rng, alpha);
                lambda.max(1.0 - lambda) as f32
            };
            return Some(Mix { partners, shares: (0..count).map(share).collect(), windows: None });
        }
        let alpha = self.cutmix?;
        let windows: Vec<CropWindow> = (0..count).map(|_| cut(beta(rng, alpha), size, rng)).collect();
        let area = (size.0 * size.1).max(1) as f64;
        let shares = windows.iter().map(|w| (1.0 - (w.height * w.width) as f64 / area) as f32).collect();
        Some(Mix { partners, shares, windows: Some(windows) })
    }
}

/// Draws a rectangle in an image of `size` that leaves about the share `lambda`. Its sides are the image's times the square
/// root of 1 - lambda, its centre is uniform, and the part beyond the border is cut off.
fn cut(lambda: f64, (height, width): (usize, usize), rng: &mut ChaCha8Rng) -> CropWindow {
    let part = (1.0 - lambda).sqrt();
    let (row, column) = (unit(rng), unit(rng));
    let ends = |middle: f64, side: usize| {
        let (middle, reach) = ((middle * side as f64) as usize, (part * side as f64) as usize / 2);
        (middle.saturating_sub(reach), (middle + reach).min(side))
    };
    let ((top, bottom), (left, right)) = (ends(row, height), ends(column, width));
    CropWindow { top, left, height: bottom - top, width: right - left }
}

/// The mix of one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    partners: Vec<usize>,
    shares: Vec<f32>,
    // The rectangle of each image that shows its partner; `None` for blending.
    windows: Option<Vec<CropWindow>>,
}

impl Mix {
    /// Creates a blend: each image's own share and its partner's position in the batch.
    ///
    /// # Panics
    /// If the numbers of shares and partners differ, or a partner is not in the batch.
    pub fn blend(partners: Vec<usize>, shares: Vec<f32>) -> Self {
        assert_eq!(partners.len(), shares.len(), "a share for each image");
        assert!(partners.iter().all(|p| *p < shares.len()), "partners are of the same batch");
        Mix { partners, shares, windows: None }
    }

    /// Position in the batch of each image's partner.
    pub fn partners(&self) -> &[usize] {
        &self.partners
    }

    /// Each image's own share, in `[0, 1]`.
    pub fn shares(&self) -> &[f32] {
        &self.shares
    }

    /// `images`, `[batch, channel, height, width]`, mixed; `size` is their height and width.
    fn of(&self, images: Tensor<4>, size: (usize, usize)) -> Tensor<4> {
        let device = images.device();
        let places: Vec<i32> = self.partners.iter().map(|p| *p as i32).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [self.partners.len()]), &device);
        let others = images.clone().select(0, places);
        let own = self.own(size, &device);
        images * own.clone() + others * own.neg().add_scalar(1.0)
    }

    /// The share of the image itself in each pixel, `[batch, 1, height, width]`, or `[batch, 1, 1, 1]` if it is constant in
    /// an image.
    fn own(&self, (height, width): (usize, usize), device: &Device) -> Tensor<4> {
        let count = self.shares.len();
        let Some(windows) = &self.windows else {
            return Tensor::from_data(TensorData::new(self.shares.clone(), [count, 1, 1, 1]), device);
        };
        let mut own = vec![1f32; count * height * width];
        for (image, window) in own.chunks_exact_mut((height * width).max(1)).zip(windows) {
            for row in image.chunks_exact_mut(width).skip(window.top).take(window.height) {
                row[window.left..window.left + window.width].fill(0.0);
            }
        }
        Tensor::from_data(TensorData::new(own, [count, 1, height, width]), device)
    }
}

/// The targets of a batch: its images and their mix.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    images: &'a [usize],
    mix: Option<&'a Mix>,
}

impl<'a> Targets<'a> {
    /// Creates targets from the images' rows in the labels and their mix.
    ///
    /// # Panics
    /// If the mix has another number of images.
    pub fn new(images: &'a [usize], mix: Option<&'a Mix>) -> Self {
        assert!(mix.is_none_or(|mix| mix.shares.len() == images.len()), "a mix of these images");
        Targets { images, mix }
    }

    /// The rows of the images, without their partners.
    pub fn images(&self) -> &'a [usize] {
        self.images
    }

    /// Whether images were mixed.
    pub fn mixed(&self) -> bool {
        self.mix.is_some()
    }

    /// Returns the two rows that the image at `place` in the batch combines, with their shares; an image that is not mixed is
    /// its own partner.
    ///
    /// # Panics
    /// If the batch has no such place.
    pub fn shown(&self, place: usize) -> [(usize, f32); 2] {
        match self.mix {
            None => [(self.images[place], 1.0), (self.images[place], 0.0)],
            Some(mix) => {
                let share = mix.shares[place];
                [(self.images[place], share), (self.images[mix.partners[place]], 1.0 - share)]
            }
        }
    }
}

impl<'a> From<&'a [usize]> for Targets<'a> {
    fn from(images: &'a [usize]) -> Self {
        Targets { images, mix: None }
    }
}

impl<'a> From<&'a Vec<usize>> for Targets<'a> {
    fn from(images: &'a Vec<usize>) -> Self {
        images.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const BOTH: Mixing = Mixing { mixup: Some(0.4), cutmix: Some(1.0) };

    fn values(images: &Inputs) -> Vec<f32> {
        let Inputs::Images(images) = images else { unreachable!("images were given") };
        images.clone().into_data().try_into_vec().unwrap()
    }

    /// Four images of 3 x 6 x 5; image i is all i + 1.
    fn batch() -> Inputs {
        let values: Vec<f32> = (0..4 * 90).map(|i| (i / 90 + 1) as f32).collect();
        Inputs::Images(Tensor::from_data(TensorData::new(values, [4, 3, 6, 5]), &Device::flex()))
    }

    #[test]
    fn pixels_are_mixed_as_the_labels_are() {
        let (mut blended, mut cut_out) = (0, 0);
        for i in 0..60 {
            let mut images = batch();
            let mix = BOTH.mix(&mut images, &mut Stream::new(1, "mixing").at(&[0, i])).unwrap();
            for (place, image) in values(&images).chunks_exact(90).enumerate() {
                let [(own, share), (other, rest)] = Targets::new(&[0, 1, 2, 3], Some(&mix)).shown(place);
                assert_eq!((own, share + rest), (place, 1.0));
                let wanted = share * (own + 1) as f32 + rest * (other + 1) as f32;
                let mean = image.iter().sum::<f32>() / 90.0;
                assert!((mean - wanted).abs() < 1e-5, "{mean} {wanted}");
                match mix.windows {
                    None => assert!(share >= 0.5 && image.iter().all(|v| (v - wanted).abs() < 1e-5)),
                    Some(_) => assert!(image.iter().all(|v| [own + 1, other + 1].map(|v| v as f32).contains(v))),
                }
            }
            *if mix.windows.is_some() { &mut cut_out } else { &mut blended } += 1;
        }
        // Five standard deviations of 60 fair draws are 19.
        assert!(blended > 10 && cut_out > 10, "{blended} {cut_out}");
    }

    #[test]
    fn features_and_an_empty_mixing_stay_as_they_are() {
        let mut rng = Stream::new(1, "mixing").at(&[]);
        assert_eq!(Mixing::default().draw(4, (6, 5), &mut rng), None);
        let features = Tensor::<2>::ones([4, 7], &Device::flex());
        assert_eq!(BOTH.mix(&mut Inputs::Features(features), &mut rng), None);
    }

    #[test]
    fn cut_areas_follow_their_distribution() {
        // A side of s = sqrt(1 - lambda) keeps 1 - s / 4 of its length, as the rest falls beyond the border; of a uniform
        // lambda, the mean of (s (1 - s / 4))^2 is 77 / 240.
        let cutmix = Mixing { mixup: None, cutmix: Some(1.0) };
        let mut rng = Stream::new(2, "mixing").at(&[]);
        let mix = cutmix.draw(20_000, (1000, 1000), &mut rng).unwrap();
        let mean = mix.shares.iter().map(|share| f64::from(1.0 - share)).sum::<f64>() / 20_000.0;
        assert!((mean - 77.0 / 240.0).abs() < 0.01, "{mean}");
    }
}
