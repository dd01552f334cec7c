//! A constant padding that the crop ignores.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const PAD: u32 = 4;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224, crop: googlenet, pad: PAD },
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
