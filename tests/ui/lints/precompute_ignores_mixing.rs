//! Denied on the section.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: none { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        #[deny(precompute_ignores_mixing)]
        cutmix: 1.0,
        train: {
            precompute(on);
            fit(1e-2, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
