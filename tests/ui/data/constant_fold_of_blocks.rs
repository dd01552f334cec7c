//! A constant fold beside the share that is left out.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const FOLD: u32 = 5;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", valid: blocks(20, fold = FOLD) },
        transforms: side_on { size: 224 },
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
