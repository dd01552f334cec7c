//! Pixels are divided by the deviation.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224, stats: normalize(mean = [0.3, 0.4, 0.5], std = [0.2, 0.0, 0.2]) },
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
