//! Averages of models that cannot be averaged.

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
            fit(1e-2, 2, cycle_len = 1, cycle_save_name = "c");
            average(["c_cyc_0", "c_cyc_2"]);
            average(["c_cyc_0", "c_cyc_0"]);
            average("c_cyc_0");
            average([]);
            average(["nothing", "c_cyc_1"]);
            head(hidden = [64]);
            fit(1e-2, 2);
            save("other");
            average(["c_cyc_0", "other"]);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
