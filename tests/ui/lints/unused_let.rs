//! Denied on the recipe.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(unused_let)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            let lr = 1e-3;
            fit(1e-2, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
