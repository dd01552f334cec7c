//! A misspelt step and the notebook's `set_data`.

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
            fitt(1e-2, 1);
            set_data(299);
        },
    }
}

fn main() {}
