//! Denied on the recipe.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(finder_without_or)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
            unfreeze();
            let lr = lr_find();
            fit([lr / 100, lr / 10, lr], 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
