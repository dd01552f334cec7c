//! A constant warm-up as long as the fit.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const WARMUP: f64 = 3.0;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3, schedule = cosine, warmup = WARMUP);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
