//! Nine augmented versions of one image, three rows of three.

use fastai_dsl::{BodyState, Facts, Plan, Recipe, Sampler, Transforms};
use image::{Rgb, RgbImage};
use maud::{Markup, html};

use super::numbers::grouped;
use super::page::marked;
use crate::RunError;
use crate::data::{Dataset, Reading};
use crate::data::{ImageExamples, ImageSet, Preparation, Traversal};
use crate::transforms::Transform;

/// Versions per side of the sheet.
const SIDE: u32 = 3;
/// Gap between versions, pixels.
const GAP: u32 = 4;
/// Smallest displayed side of a version, pixels.
const LEAST: u32 = 128;

/// Nine augmented versions of one training image.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The versions in rows, separated by white lines of 4 pixels; small ones are enlarged by an integer factor to at least
    /// 128 pixels.
    pub image: RgbImage,
    /// [`id`](crate::data::Item::id) of the image.
    pub id: String,
    /// Side of a version at the network's input size, pixels.
    pub size: u32,
    /// The step whose epochs 0 to 8 the versions show; `None` if no step trains on images.
    pub step: Option<usize>,
    /// Further remarks, one sentence each.
    notes: Vec<String>,
}

/// The origin of the versions.
struct Shown {
    /// The step with its text and number of epochs.
    step: Option<(usize, String, u64)>,
    size: u32,
}

impl Shown {
    /// Finds the first `fit` on images. A finder trains too, but restores the weights.
    fn of(recipe: &Recipe) -> Self {
        let stages = Plan::new(recipe, &Facts::default()).stages.into_iter().enumerate();
        let mut fits = stages.filter(|(_, stage)| stage.step.is_fit());
        match fits.find(|(_, stage)| stage.state.body != BodyState::Precomputed) {
            Some((index, stage)) => Shown { step: Some((index, stage.text, stage.epochs)), size: stage.state.size },
            None => Shown { step: None, size: recipe.transforms().size },
        }
    }
}

impl Sheet {
    /// Renders the middle training image as epochs 0 to 8 of the first `fit` on images see it; `None` without training
    /// images.
    ///
    /// With `resize_to`, the pixels are those of the image's copy, which need not exist.
    ///
    /// # Errors
    /// If the file can no longer be read.
    pub fn of(recipe: &Recipe, dataset: &Dataset) -> Result<Option<Sheet>, RunError> {
        // The first image of a list is often unusual; the middle one also belongs to another class than the first
        // folder's.
        let index = dataset.train.len() / 2;
        let Some(item) = dataset.train.get(index) else { return Ok(None) };
        let id = item.id.clone();
        let mut notes = Vec::new();
        let reading = Reading::of(recipe.data().resize_to);
        if let Some(side) = recipe.data().resize_to {
            notes.push(format!("Scaled to {side} pixels first, as its copy is (`resize_to`)."));
        }
        let Shown { step, size } = Shown::of(recipe);
        if step.is_some() && recipe.data().sampler == Sampler::Balanced {
            notes.push("The balanced sampler may leave it out of an epoch or show it more than once.".to_string());
        }
        let mixing = [("`mixup`", recipe.mixup()), ("`cutmix`", recipe.cutmix())];
        let mixing: Vec<&str> = mixing.iter().filter(|(_, alpha)| alpha.is_some()).map(|(word, _)| *word).collect();
        if step.is_some() && !mixing.is_empty() {
            notes.push(format!("Before {} mixes it with another image.", mixing.join(" or ")));
        }
        let preparation = Preparation {
            transforms: recipe.transforms().clone(),
            stats: recipe.model().facts().stats,
            batch: 1,
            workers: 1,
            seed: recipe.seed(),
        };
        let preparation = preparation.at_size(size);
        let transform = Transform::new(&preparation.transforms, preparation.stats);
        let examples = ImageExamples::new(ImageSet::new(&dataset.train).reading(reading), preparation);
        let stage = step.as_ref().map_or(0, |(index, ..)| *index as u64);
        let version = |epoch: u32| -> Result<Vec<f32>, RunError> {
            let pass = Traversal::Shuffled { stage, epoch: u64::from(epoch) };
            Ok(transform.denorm(&examples.pixels(&pass, index)?))
        };
        let versions = (0..SIDE * SIDE).map(version).collect::<Result<Vec<_>, _>>()?;
        if let Some((_, _, epochs)) = step.as_ref().filter(|(_, _, epochs)| *epochs < u64::from(SIDE * SIDE)) {
            let epochs = if *epochs == 1 { "1 epoch".to_string() } else { format!("{} epochs", grouped(*epochs)) };
            notes.push(format!("The step has {epochs}; the other versions are what more would show."));
        }
        let head = match &step {
            Some((index, text, _)) => format!("what step {}, `{text}`, trains on in its epochs 0 to 8.", index + 1),
            None => "no step trains on augmented images; this is what nine epochs would show.".to_string(),
        };
        notes.insert(0, head);
        Ok(Some(Sheet { image: draw(&versions, size), id, size, step: step.map(|(index, ..)| index), notes }))
    }

    /// Renders the sheet with its caption; `source` is the picture as a `data:` URL.
    pub(super) fn figure(&self, transforms: &Transforms, source: &str) -> Markup {
        let augment: Vec<String> = transforms.augment.iter().map(|a| format!(", `{a}`")).collect();
        html! {
            figure {
                figcaption {
                    "Nine versions of " code { (self.id) } " (" code { (transforms.set.word()) } (marked(&augment.concat())) ", "
                    (self.size) " pixels): " (marked(&self.notes.join(" ")))
                }
                img.sheet width=(self.image.width()) height=(self.image.height()) src=(source)
                    alt="nine augmented versions of one image";
            }
        }
    }
}

/// Images of `[size, size, 3]` values, 0 to 1, side by side.
fn draw(versions: &[Vec<f32>], size: u32) -> RgbImage {
    let factor = LEAST.div_ceil(size);
    let cell = size * factor;
    let side = SIDE * (cell + GAP) - GAP;
    let mut sheet = RgbImage::from_pixel(side, side, Rgb([255; 3]));
    for (number, pixels) in (0..).zip(versions) {
        let (left, top) = (number % SIDE * (cell + GAP), number / SIDE * (cell + GAP));
        for (x, y) in (0..cell).flat_map(|y| (0..cell).map(move |x| (x, y))) {
            let at = 3 * (y / factor * size + x / factor) as usize;
            let channel = |c: usize| (pixels[at + c].clamp(0.0, 1.0) * 255.0).round() as u8;
            sheet.put_pixel(left + x, top + y, Rgb([channel(0), channel(1), channel(2)]));
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use fastai_dsl::Stats;

    use super::super::show::tests::{odd_or_even, pictures, recipe};
    use super::*;
    use crate::data::{Copies, Preflight};
    use crate::progress::{Silent, StopSignal};

    const STEPS: &str = "metrics: [accuracy], train: { precompute(on); lr_find(or = 0.1, iters = 20); fit(0.01, 1);
        precompute(off); resize(48); fit(0.01, 1, cycle_len = 2); unfreeze(); fit(0.01, 1); }";

    fn sheet(recipe: &Recipe) -> (Sheet, Dataset) {
        let stop = StopSignal::default();
        let (dataset, _) = Preflight::of(recipe, &stop).open(recipe.data(), recipe.task(), &mut Silent).unwrap();
        (Sheet::of(recipe, &dataset).unwrap().unwrap(), dataset)
    }

    /// What the batches of a fit in step 6 have for image `index` in epochs 0 to 8, as the sheet would show it.
    fn trained(set: ImageSet, recipe: &Recipe, index: usize) -> RgbImage {
        let mut transforms = recipe.transforms().clone();
        transforms.size = 48;
        let preparation = Preparation { transforms, stats: Stats::IMAGENET, batch: 3, workers: 2, seed: recipe.seed() };
        let transform = Transform::new(&preparation.transforms, preparation.stats);
        let examples = ImageExamples::new(set, preparation);
        let epoch = |epoch: u64| {
            let batches = examples.load(&Traversal::Shuffled { stage: 5, epoch }, 0).unwrap();
            let shown = batches.map(Result::unwrap).find_map(|batch| {
                let place = batch.indices.iter().position(|image| *image == index)?;
                Some(transform.denorm(&batch.pixels)[place * 3 * 48 * 48..][..3 * 48 * 48].to_vec())
            });
            shown.expect("every epoch shows every image")
        };
        draw(&(0..9).map(epoch).collect::<Vec<_>>(), 48)
    }

    #[test]
    fn the_versions_are_what_the_first_fit_on_images_trains_on() {
        let folder = pictures(odd_or_even);
        let recipe = recipe(&folder, "single_label", "valid: random(0.2, seed = 1)", STEPS);
        let (sheet, dataset) = sheet(&recipe);
        assert_eq!((sheet.step, sheet.size, dataset.train.len()), (Some(5), 48, 16));
        assert_eq!(sheet.id, dataset.train[8].id);
        // 48 pixels are shown three times as large.
        assert_eq!(sheet.image.dimensions(), (3 * 144 + 8, 3 * 144 + 8));
        assert!(sheet.image == trained(ImageSet::new(&dataset.train), &recipe, 8));
        assert!(sheet.image != trained(ImageSet::new(&dataset.train), &recipe, 7));
        let part = |i: u32| image::imageops::crop_imm(&sheet.image, i % 3 * 148, i / 3 * 148, 144, 144).to_image();
        assert!((1..9).all(|i| part(i) != part(0)), "all versions look alike");
        assert!(sheet.notes[0].starts_with("what step 6, `fit(0.01, 1, cycle_len = 2"));
        assert!(sheet.notes[1].contains("The step has 2 epochs"), "{:?}", sheet.notes);
    }

    #[test]
    fn copies_are_shown_where_a_run_reads_them() {
        let folder = pictures(odd_or_even);
        let cache = tempfile::tempdir().unwrap();
        let recipe = recipe(&folder, "single_label", "resize_to: 48", STEPS);
        let (copied, dataset) = sheet(&recipe);
        assert!(copied.notes[1].contains("Scaled to 48 pixels first"), "{:?}", copied.notes);
        let index = dataset.train.len() / 2;
        let stop = StopSignal::default();
        let (all, health) = Preflight::of(&recipe, &stop).open(recipe.data(), recipe.task(), &mut Silent).unwrap();
        let copies = Copies { side: 48, bits: 16, folder: cache.path().to_path_buf() };
        let (reading, counts) = copies.make(&all, &health, &stop, &mut Silent).unwrap();
        assert!(counts.made > 0, "a run makes copies");
        assert!(copied.image == trained(ImageSet::new(&dataset.train).reading(reading), &recipe, index));
        assert!(copied.image != trained(ImageSet::new(&dataset.train), &recipe, index));
    }

    #[test]
    fn a_recipe_without_augmented_images_says_so() {
        let folder = pictures(odd_or_even);
        let steps = "metrics: [accuracy], train: { precompute(on); fit(0.01, 1); }";
        let (sheet, _) = sheet(&recipe(&folder, "single_label", "", steps));
        assert_eq!((sheet.step, sheet.size), (None, 32));
        assert!(sheet.notes[0].starts_with("no step trains on augmented images"), "{:?}", sheet.notes);
    }

    #[test]
    fn the_caption_says_what_else_happens_to_the_image() {
        let folder = pictures(odd_or_even);
        let steps = "metrics: [accuracy], mixup: 0.2, train: { fit(0.01, 9); }";
        let (sheet, _) = sheet(&recipe(&folder, "single_label", "sampler: balanced", steps));
        let page = sheet.figure(recipe(&folder, "single_label", "", steps).transforms(), "").into_string();
        assert!(page.contains("The balanced sampler may leave it out") && page.contains("Before <code>mixup</code>"));
        assert!(!page.contains("The step has"), "nine epochs need no word: {page}");
    }
}
