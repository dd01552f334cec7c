//! Images from Rust have neither a folder nor a split of their own.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: given { root: "data/dogscats", valid: random(0.2), batchs: 32 },
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
