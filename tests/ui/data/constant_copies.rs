//! Constant copies that are smaller than the image.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const SIDE: u32 = 128;
const LAST: u32 = 160;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", resize_to: SIDE },
        transforms: side_on { size: 96 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
            resize(LAST);
            fit(1e-3, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
