//! Denied on the recipe.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(resize_without_freeze)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
            unfreeze();
            fit(1e-3, 1);
            resize(299);
            fit(1e-3, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
