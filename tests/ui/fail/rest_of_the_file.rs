//! An error leaves the type, so that nothing else in the file breaks.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: resnet43,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {
    let recipe = <Cats as fastai_dsl::Experiment>::recipe();
    let _: &str = recipe.name();
}
