//! A column that does not say what is held out.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Dogs {
        task: single_label,
        data: csv {
            root: "data/dogs", labels: "labels.csv", images: "train", suffix: ".jpg", id: "id", label: "breed", valid: column("weight"),
        },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Dogs as fastai_dsl::Experiment>::NAME;
}
