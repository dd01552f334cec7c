//! Ten mistakes in all sections: ten errors.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_lable,
        data: folders { rot: "data/dogscats", batch: 1, root: "d" },
        transforms: side_on { size: "224", max_zoom: 0.9 },
        model: squeezenet_1_1,
        metrics: [acuracy],
        train: {
            fitt(1e-2, 1);
            fit(1e-2, 1, cycle_len = 0);
            save("a/b");
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
