//! Lints that a recipe makes errors.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(unfreeze_before_head, rates_not_increasing)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            unfreeze();
            fit([1e-2, 1e-3, 1e-4], 3);
        },
    }
}

fn main() {}
