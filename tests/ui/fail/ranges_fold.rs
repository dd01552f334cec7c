//! A fold that does not exist.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", valid: random(0.2, fold = 5) },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {}
