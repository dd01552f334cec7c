//! Models of cycles: without cycles, under a name that is taken, and one that no cycle writes.

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
            fit(1e-2, 3, cycle_save_name = "a");
            fit(1e-2, 3, cycle_len = 1, cycle_save_name = "b");
            save("b_cyc_2");
            load("b_cyc_3");
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
