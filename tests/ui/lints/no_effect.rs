//! Denied on the recipe: each step that changes nothing.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(no_effect)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            precompute(off);
            bn_freeze(on);
            fit(1e-2, 1);
            unfreeze();
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
