//! Habits from the notebook.

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
            learn.fit(1e-2, 1);
            precompute=False;
            precompute(True);
            fit(1e-2, cycles: 1);
        },
    }
}

fn main() {}
