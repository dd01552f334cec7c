//! Constant probabilities that do not sum to 1.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const PART: f64 = 0.3;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224, augment: [rotate_zoom(9, 0.18, 0.1, ps = [PART, PART, PART, PART])] },
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
