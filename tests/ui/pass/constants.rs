//! Constants that fit each other, though no other value that stands in for them would.

use fastai_dsl::{Augmentation, Experiment, Source, Step, Valid};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const PART: f64 = 0.25;
const MAX: f64 = 0.5;
const MIN: f32 = 0.125;
const SHARE: f64 = 0.25;
const FOLD: u8 = 3;
const BLOCK: u32 = 4;
const SIDE: u32 = 64;
const START: f64 = 1e-3;
const GROUP: i32 = -2;
const FIRST: f64 = 1e-5;
const ZOOM: f64 = 1.0;
const AREA: f64 = 0.1;

recipe!(Cats {
    task: single_label,
    data: folders { root: "data/dogscats", valid: random(SHARE, fold = 3), resize_to: 80 },
    transforms: side_on {
        size: SIDE,
        max_zoom: 1.1,
        augment: [rotate_zoom(9, 0.18, 0.1, ps = [PART, PART, PART, PART]), zoom(MAX, min = 0.2), zoom(0.2, min = MIN), erase(area = AREA)],
    },
    model: squeezenet1_1,
    metrics: [accuracy],
    optimizer: sgd { momentum: PART, nesterov: on },
    train: {
        let lr = lr_find(start = START, end = 1e-2);
        fit(lr, 1);
        freeze_to(GROUP);
        fit([FIRST, 1e-4, 1e-3], 1);
        lr_find(or = 1e-3, ratio = [0.01, PART, ZOOM]);
        fit(1e-3, 3, schedule = cosine, warmup = PART);
        fit(1e-3, 1, cycle_len = 1, use_clr_beta = [10, 10, MAX, PART]);
    },
});

recipe!(Blocks {
    task: single_label,
    data: folders { root: "data/dogscats", valid: blocks(BLOCK, share = SHARE, fold = FOLD), resize_to: SIDE },
    transforms: none { size: SIDE, crop: googlenet, max_zoom: ZOOM },
    model: squeezenet1_1,
    metrics: [accuracy],
    train: {
        fit(1e-2, 1);
    },
});

recipe!(FromRust {
    task: single_label,
    data: given,
    transforms: none { size: 64 },
    model: squeezenet1_1,
    metrics: [accuracy],
    keep_best: accuracy,
    train: {
        fit(1e-2, 1);
    },
});

recipe!(FromRustSmall {
    task: regression,
    data: given { batch: 16, corrupt: skip, sampler: shuffle },
    transforms: none { size: 64 },
    model: squeezenet1_1,
    metrics: [mae],
    train: {
        fit(1e-2, 1);
    },
});

fn main() {
    let cats = Cats::recipe();
    assert_eq!(cats.data().valid, Valid::Random { share: 0.25, seed: 42, fold: 3 });
    assert_eq!(
        cats.transforms().augment[..3],
        [
            Augmentation::RotateZoom { degrees: 9.0, zoom: 0.18, stretch: 0.1, ps: [0.25; 4] },
            Augmentation::Zoom { max: 0.5, min: 0.2 },
            Augmentation::Zoom { max: 0.2, min: 0.125 },
        ]
    );
    assert_eq!(cats.steps()[2], Step::FreezeTo { group: -2 });
    assert_eq!(Blocks::recipe().data().valid, Valid::Blocks { size: 4, share: 0.25, seed: 42, fold: 3 });
    assert_eq!(FromRust::recipe().data().source, Source::Given);
    assert_eq!(FromRustSmall::recipe().data().batch, 16);

    use fastai_dsl::pipeline::Start;
    use fastai_dsl::schema::{fit, given, model, transforms};
    use fastai_dsl::words;
    let by_hand = Start::new("FromRust", words::single_label)
        .data(given::new())
        .transforms(words::none, transforms::new().size(64))
        .metric(words::accuracy)
        .keep_best(words::accuracy)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 1, fit::new());
    assert_eq!(by_hand.build().unwrap(), FromRust::recipe());
}
