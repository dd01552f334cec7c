//! The area under the ROC curve is for labels; the task is the second place.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: regression,
        data: csv { root: "data/dogs", labels: "labels.csv", images: "train", suffix: ".jpg", id: "id", label: "age" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [auroc],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
