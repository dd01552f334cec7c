//! A sweep down to a constant.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const END: f64 = 1e-6;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            let lr = lr_find(end = END);
            fit(lr, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
