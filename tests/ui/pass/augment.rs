//! A list of augmentations through macro and builder.

use fastai_dsl::pipeline::Start;
use fastai_dsl::schema::{
    cutout, dihedral, erase, fit, folders, normalize, model, rotate, rotate_zoom, transforms, trivial_augment,
};
use fastai_dsl::{Experiment, words};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const SMOOTHING: f64 = 0.1;
const MEAN: f64 = 0.3;

recipe!(Chips {
    task: single_label,
    data: folders { root: "data/chips" },
    transforms: none {
        size: 64,
        stats: normalize(mean = [MEAN, 0.4, 0.4], std = 0.2),
        augment: [
            rotate(9, p = 0.5),
            dihedral,
            rotate_zoom(9, 0.18, 0.1, ps = [0.1, 0.2, 0.3, 0.4]),
            cutout(2, 16),
            trivial_augment,
            erase(0.3, area = [0.1, 0.2], value = noise),
        ],
    },
    model: squeezenet1_1,
    metrics: [accuracy],
    label_smoothing: SMOOTHING,
    mixup: 0.2,
    cutmix: 1,
    train: {
        fit(1e-2, 1);
    },
});

fn main() {
    let parts = [
        rotate::new().degrees(9).p(0.5).into(),
        dihedral::new().into(),
        rotate_zoom::new().degrees(9).zoom(0.18).stretch(0.1).ps([0.1, 0.2, 0.3, 0.4]).into(),
        cutout::new().holes(2).length(16).into(),
        trivial_augment::new().into(),
        erase::new().p(0.3).area([0.1, 0.2]).value(words::noise).into(),
    ];
    let stats = normalize::new().mean([MEAN, 0.4, 0.4]).std(0.2);
    let by_hand = Start::new("Chips", words::single_label)
        .data(folders::new().root("data/chips"))
        .transforms(words::none, transforms::new().size(64).stats(stats).augment(parts))
        .metric(words::accuracy)
        .label_smoothing(SMOOTHING)
        .mixup(0.2)
        .cutmix(1.0)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 1, fit::new())
        .build()
        .unwrap();
    assert_eq!(Chips::recipe(), by_hand);
}
