//! One schedule a fit.

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
            fit(1e-2, 3, cycle_len = 1, schedule = cosine);
            fit(1e-2, 3, cycle_len = 1, use_clr = [20, 8], use_clr_beta = [10, 10]);
            fit(1e-2, 3, cycle_len = 1, cycle_mult = 2, use_clr = [20, 8]);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
