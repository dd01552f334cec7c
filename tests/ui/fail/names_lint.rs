//! A lint that does not exist.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[allow(unfreeze_before_haed)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {}
