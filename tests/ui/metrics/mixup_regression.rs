//! What is mixed are labels.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: regression,
        data: csv { root: "data/faces", labels: "ages.csv", images: "faces", valid: random(0.2) },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [mae],
        mixup: 0.2,
        cutmix: 1,
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
