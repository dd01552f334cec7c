//! Arguments of metrics: a missing one, a word, a range, a wrong name, a metric of other labels.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [f_beta, kappa(weights = cubic), top_k(0), ece(bin = 4), hamming(0.4)],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
