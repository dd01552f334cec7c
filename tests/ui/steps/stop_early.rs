//! Fits that cannot end early.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 4, stop_early = 3);
            fit(1e-2, 2, stop_early = 1);
            fit(1e-2, 3, cycle_len = 2, stop_early = 2);
            fit(1e-2, 5, stop_early = 0);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
