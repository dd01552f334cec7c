//! In the argument of a split, too.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

mod config {
    pub const SHARE: f64 = 20.0;
}

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", valid: random(config::SHARE) },
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
