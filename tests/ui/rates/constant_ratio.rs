//! A constant ratio of the head.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const HEAD: f64 = 0.5;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
            unfreeze();
            let lr = lr_find(or = 1e-3, ratio = [0.01, 0.1, HEAD]);
            fit(lr, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
