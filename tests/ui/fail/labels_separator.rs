//! A separator without tags.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: csv { root: "d", labels: "l.csv", images: "train", separator: ";" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
        },
    }
}

fn main() {}
