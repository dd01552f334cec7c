//! More modules than can be left out.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const CUT: u32 = 60;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1 { cut: CUT },
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
