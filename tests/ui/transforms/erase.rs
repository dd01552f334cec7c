//! Mistakes in the newer augmentations.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on {
            size: 224,
            augment: [erase(area = [0.4, 0.2]), erase(value = black), rand_augment(m = 31), TrivialAugmentWide],
        },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
