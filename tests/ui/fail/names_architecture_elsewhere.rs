//! An architecture that other libraries have.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: nasnet { dropout: 0.5 },
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {}
