//! Arithmetic works on each item of a list, not on the list.

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
            let lrs = [1e-4, 1e-3, 1e-2];
            fit(1e-2, 1);
            unfreeze();
            fit(lrs / 2, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
