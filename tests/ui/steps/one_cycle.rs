//! Arguments of one cycle.

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
            fit_one_cycle([1e-3, 1e-2], 3);
            fit_one_cycle(1e-2, 3, moms = [0.95, 0.85]);
            fit_one_cycle(1e-2);
            fit_one_cycle(1e-2, 3, pct_start = 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
