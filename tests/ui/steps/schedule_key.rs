//! Keys of schedules that are not there.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 30, schedule = cosine, by = 0.1);
            fit(1e-2, 3, use_clr = [20, 8]);
            fit(1e-2, 3, cycle_len = 1, use_clr_beta = 10);
            fit(1e-2, 3, warmup = 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
