//! Allowed on the step, denied on the recipe.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(unfreeze_before_head)]
    #[deny(long_run)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            #[allow(unfreeze_before_head)]
            unfreeze();
            fit(1e-3, 600);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
