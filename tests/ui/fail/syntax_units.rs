//! Per cent, pixels and quotes.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: data, valid: random(20%) },
        transforms: side_on { size: 224px },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {}
