//! A list of augmentations through macro and builder.

use fastai_dsl::pipeline::Start;
use fastai_dsl::schema::{cutout, dihedral, fit, folders, model, rotate, rotate_zoom, transforms};
use fastai_dsl::{Experiment, words};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe!(Chips {
    task: single_label,
    data: folders { root: "data/chips" },
    transforms: none {
        size: 64,
        augment: [rotate(9, p = 0.5), dihedral, rotate_zoom(9, 0.18, 0.1, ps = [0.1, 0.2, 0.3, 0.4]), cutout(2, 16)],
    },
    model: squeezenet1_1,
    metrics: [accuracy],
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
    ];
    let by_hand = Start::new("Chips", words::single_label)
        .data(folders::new().root("data/chips"))
        .transforms(words::none, transforms::new().size(64).augment(parts))
        .metric(words::accuracy)
        .model(words::squeezenet1_1, model::new())
        .fit(1e-2, 1, fit::new())
        .build()
        .unwrap();
    assert_eq!(Chips::recipe(), by_hand);
}
