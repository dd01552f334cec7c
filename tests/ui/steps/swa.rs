//! A mean of more epochs than there are, and beside other ends of a fit.

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
        ema: 0.99,
        train: {
            fit(1e-2, 3, swa = 4);
            fit(1e-2, 1, cycle_len = 5, swa = 2);
            fit(1e-2, 9, swa = 3, stop_early = 2);
            fit(1e-2, 9, swa = 1);
            fit(1e-2, 9, swa_start = 5);
            fit_one_cycle(1e-2, 9, swa = 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
