//! Inputs of bytes: what a device normalises is what is normalised here, and close to the input of floats.

use fastai_data::{ImageExamples, ImageSet, Preparation, Traversal};
use fastai_dsl::{Augmentation, Erased, PixelFormat, Stats, TransformSet, Transforms};

use crate::items;

const SIDE: usize = 24;
const STATS: Stats = Stats::IMAGENET;

fn examples(folder: &std::path::Path, augment: Vec<Augmentation>, pixels: PixelFormat) -> ImageExamples {
    let set = Transforms::new(TransformSet::TopDown, SIDE as u32);
    let transforms = Transforms { max_zoom: [1.0, 1.3], augment, pixels, ..set };
    let preparation = Preparation { transforms, stats: STATS, batch: 4, workers: 2, seed: 42 };
    ImageExamples::new(ImageSet::new(&items(folder, 9)), preparation)
}

/// All numbers of a pass.
fn floats(examples: &ImageExamples, pass: &Traversal) -> Vec<f32> {
    examples.load(pass, 0).unwrap().flat_map(|batch| batch.unwrap().pixels).collect()
}

/// The channel of each number of `[image, 3, side, side]`.
fn channel(at: usize) -> usize {
    at / (SIDE * SIDE) % 3
}

#[test]
fn bytes_normalised_elsewhere_are_the_input_normalised_here() {
    let folder = tempfile::tempdir().unwrap();
    let augment = vec![
        Augmentation::Blur { strength: 2, p: 0.5 },
        Augmentation::TrivialAugment,
        Augmentation::Erase { p: 0.7, area: [0.05, 0.3], value: Erased::Noise },
    ];
    let [floats_of, bytes_of] =
        [PixelFormat::Floats, PixelFormat::Bytes].map(|pixels| examples(folder.path(), augment.clone(), pixels));
    for pass in [Traversal::Plain, Traversal::Shuffled { stage: 1, epoch: 2 }, Traversal::Views { first: 1, views: 2 }]
    {
        let here = floats(&bytes_of, &pass);
        let [bytes, same] = [&bytes_of, &floats_of].map(|examples| -> Vec<u8> {
            examples.load_bytes(&pass, 0).unwrap().flat_map(|batch| batch.unwrap().pixels).collect()
        });
        assert_eq!(here.len(), bytes.len());
        assert!(bytes == same, "{pass:?}: bytes are rounded the same, whatever the recipe's input is");
        for (at, (here, byte)) in here.iter().zip(bytes).enumerate() {
            let (mean, std) = (STATS.mean[channel(at)], STATS.std[channel(at)]);
            let there = (f32::from(byte) / 255.0 - mean) / std;
            assert!((here - there).abs() < 2e-6, "{pass:?}, {at}: {here} here, {there} there");
        }
    }
}

#[test]
fn bytes_are_the_floats_within_half_a_level() {
    let folder = tempfile::tempdir().unwrap();
    let erase = |value| vec![Augmentation::Erase { p: 1.0, area: [0.2, 0.3], value }];
    let pass = Traversal::Shuffled { stage: 0, epoch: 3 };
    let of = |augment, pixels| floats(&examples(folder.path(), augment, pixels), &pass);
    for augment in [vec![], erase(Erased::Mean), erase(Erased::Noise)] {
        let exact = of(augment.clone(), PixelFormat::Floats);
        let rounded = of(augment, PixelFormat::Bytes);
        let mut differing = 0;
        for (at, (exact, rounded)) in exact.iter().zip(&rounded).enumerate() {
            let (mean, std) = (STATS.mean[channel(at)], STATS.std[channel(at)]);
            // Noise may lie outside of what a byte can hold.
            let held = exact.clamp(-mean / std, (1.0 - mean) / std);
            assert!((held - rounded).abs() <= 0.5 / 255.0 / std + 2e-6, "{at}: {exact}, {rounded}");
            differing += usize::from((exact - rounded).abs() > 1e-4);
        }
        assert!(differing > exact.len() / 2, "only {differing} of {} were rounded", exact.len());
    }
}
