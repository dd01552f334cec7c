//! A constant momentum of 1 in `use_clr`.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const MOMENTUM: f64 = 1.0;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1, cycle_len = 1, use_clr = [32, 8, MOMENTUM, 0.85]);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
