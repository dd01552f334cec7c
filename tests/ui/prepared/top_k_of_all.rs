//! A metric that says nothing.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[deny(top_k_of_all)]
    pub Dogs {
        task: single_label,
        data: csv {
            root: "data/dogs", labels: "labels.csv", images: "train", suffix: ".jpg", id: "id", label: "breed", valid: random(0.2),
        },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [top_k],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Dogs as fastai_dsl::Experiment>::NAME;
}
