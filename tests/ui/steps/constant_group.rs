//! A constant group that the network does not have.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const GROUP: i32 = 3;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1);
            freeze_to(GROUP);
            fit(1e-3, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
