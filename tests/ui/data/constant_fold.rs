//! A fold that does not exist for a constant share.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const SHARE: f64 = 0.5;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", valid: random(SHARE, fold = 3) },
        transforms: side_on { size: 224 },
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
