//! A constant below another number, and one above.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const MAX: f64 = 0.1;
const MIN: f64 = 0.5;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224, augment: [zoom(MAX, min = 0.2), zoom(0.2, min = MIN), zoom(MAX, min = MIN)] },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
