//! Copies that the zoom enlarges again.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(enlarged_copies)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", resize_to: 224 },
        transforms: side_on { size: 224, max_zoom: 1.1 },
        model: resnet34,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
