//! Ratios are one for each layer group, end with that of the head, and need a body that trains.

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
            let _ = lr_find(or = 1e-2, ratio = [0.01, 0.1, 1]);
            unfreeze();
            let a = lr_find(or = 1e-2, ratio = [0.1, 1]);
            let b = lr_find(or = 1e-2, ratio = [0.01, 0.1, 0.5]);
            let c = lr_find(or = 1e-2, ratio = [0, 0.1, 1]);
            fit([a / 100, b / 10, c], 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
