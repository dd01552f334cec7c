//! The pixels of an epoch are a function of seed, stage, epoch and image: neither the number of threads nor what was run
//! before plays a part.

use fastai_data::{ImageExamples, ImageSet, Item, Preparation, Traversal};
use fastai_dsl::{Augmentation, Erased, Stats, TransformSet, Transforms};

use crate::items;

fn examples(items: &[Item], workers: usize, seed: u64) -> ImageExamples {
    let augment = vec![
        Augmentation::Stretch { max: 0.2 },
        Augmentation::Blur { strength: 2, p: 0.5 },
        Augmentation::Cutout { holes: 1, length: 8, p: 0.5 },
        Augmentation::TrivialAugment,
        Augmentation::RandAugment { n: 2, m: 9 },
        Augmentation::Erase { p: 0.7, area: [0.05, 0.3], value: Erased::Noise },
    ];
    let transforms = Transforms { max_zoom: [1.0, 1.3], augment, ..Transforms::new(TransformSet::TopDown, 24) };
    let preparation = Preparation { transforms, stats: Stats::IMAGENET, batch: 4, workers, seed };
    ImageExamples::new(ImageSet::new(items), preparation)
}

/// Which images, in which order, and all their numbers.
fn epoch(examples: &ImageExamples, pass: &Traversal) -> (Vec<usize>, Vec<f32>) {
    let (mut order, mut pixels) = (Vec::new(), Vec::new());
    for batch in examples.load(pass, 0).unwrap() {
        let batch = batch.unwrap();
        order.extend(batch.indices);
        pixels.extend(batch.pixels);
    }
    (order, pixels)
}

#[test]
fn an_epoch_has_the_same_pixels_on_any_number_of_threads_and_after_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let items = items(folder.path(), 23);
    let wanted =
        [0, 1, 2].map(|number| epoch(&examples(&items, 1, 42), &Traversal::Shuffled { stage: 3, epoch: number }));
    assert_ne!(wanted[0], wanted[1]);
    for workers in [2, 16] {
        let again = examples(&items, workers, 42);
        // Backwards, as no run does: the third epoch alone is what a run that is taken up again begins with.
        for number in [2, 1, 0] {
            let pass = Traversal::Shuffled { stage: 3, epoch: number as u64 };
            assert!(epoch(&again, &pass) == wanted[number], "epoch {number} on {workers} threads");
        }
    }
    let tta = Traversal::Views { first: 1, views: 3 };
    let together = epoch(&examples(&items, 1, 42), &tta);
    assert!(together == epoch(&examples(&items, 16, 42), &tta));
    // Views are the same alone.
    let input = together.1.len() / items.len() / 3;
    for view in [0, 2] {
        let alone = epoch(&examples(&items, 2, 42), &Traversal::Views { first: 1 + view, views: 1 }).1;
        let among = together.1.chunks_exact(input).skip(view as usize).step_by(3).flatten().copied();
        assert!(among.eq(alone), "view {view}");
    }
}

#[test]
fn seed_stage_and_epoch_all_count() {
    let folder = tempfile::tempdir().unwrap();
    let items = items(folder.path(), 23);
    let at = |seed, stage, number| epoch(&examples(&items, 2, seed), &Traversal::Shuffled { stage, epoch: number }).1;
    let base = at(42, 0, 0);
    assert!(at(43, 0, 0) != base && at(42, 1, 0) != base && at(42, 0, 1) != base);
    assert!(at(42, 0, 0) == base);
}
