//! Statistics that the weights were not trained with.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(stats_of_other_weights)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 299, stats: imagenet },
        model: inception_v4,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
