//! A lint with a slip of the pen.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    #[allow(long_runn)]
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            #[deny(unused_lett)]
            fit(1e-2, 1);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
