//! Metrics with arguments, `macro` included, which is a word of Rust too; a loss and an optimizer with a Rust constant; schedules.

use fastai_dsl::{Average, Experiment, LossSpec, Metric, OptimizerSpec};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const EPS: f64 = 1e-5;
const CLIP: f64 = 0.1;

recipe!(Tags {
    task: multi_label,
    data: folders { root: "data/planet" },
    transforms: none { size: 64 },
    model: squeezenet1_1,
    metrics: [f2(0.3), f1(average = macro), precision(micro, threshold = 0.4), hamming, f_beta(2, samples)],
    loss: asymmetric { gamma_neg: 3, clip: CLIP },
    optimizer: adamw { eps: EPS },
    train: {
        let lr = lr_find(or = 1e-2);
        fit_one_cycle(lr, 5, moms = [0.9, 0.8, 0.9]);
        unfreeze();
        fit_one_cycle([lr / 9, lr / 3, lr], 2);
        fit(1e-3, 10, schedule = cosine, warmup = 1.5);
        fit(1e-3, 2, cycle_len = 2, use_clr_beta = [10, 10, 0.95, 0.85]);
    },
});

fn main() {
    let metrics = [
        Metric::F2 { threshold: fastai_dsl::Threshold::Fixed(0.3) },
        Metric::F1 { average: Average::Macro, threshold: 0.5 },
        Metric::Precision { average: Average::Micro, threshold: 0.4 },
        Metric::Hamming { threshold: 0.5 },
        Metric::FBeta { beta: 2.0, average: Average::Samples, threshold: 0.5 },
    ];
    assert_eq!(Tags::recipe().metrics(), metrics);
    assert_eq!(Tags::recipe().loss(), LossSpec::Asymmetric { gamma_neg: 3.0, gamma_pos: 1.0, clip: 0.1 });
    assert_eq!(Tags::recipe().optimizer(), OptimizerSpec::Adamw { betas: [0.9, 0.999], eps: 1e-5 });
}
