//! `True`, `False` and `None`.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", test: None },
        transforms: side_on { size: 224 },
        model: squeezenet1_1 { weights: False },
        metrics: [accuracy],
        report: True,
        train: {
            precompute(True);
            fit(1e-2, 1);
            precompute(off);
            fit(1e-2, 1, cycle_len = None);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
