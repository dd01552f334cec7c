//! Rare classes that are made up for twice.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(balanced_twice)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", sampler: balanced },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        class_weights: balanced,
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
