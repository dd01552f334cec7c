//! A user's own names do not collide with the macro's.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

#[allow(non_upper_case_globals, dead_code)]
const p: u8 = 1;
#[allow(dead_code)]
struct SingleLabel;
const BATCH: usize = 16;
mod config {
    pub const SIZE: u32 = 96;
    pub const RATE: f64 = 1e-2;
    pub const SHARE: f64 = 0.25;
    pub const ROOT: &str = "data/dogscats";
    pub const DROPOUT: f64 = 0.5;
    pub const RARE: f64 = 2.5;
    pub const CYCLES: u8 = 3;
}

recipe! {
    /// Cats or dogs?
    pub Cats {
        task: single_label,
        data: folders { root: config::ROOT, batch: BATCH, valid: random(config::SHARE) },
        transforms: side_on { size: config::SIZE },
        model: squeezenet1_1 { dropout: [0.25, config::DROPOUT] },
        metrics: [accuracy],
        class_weights: [1.0, config::RARE],
        train: {
            let f2 = config::RATE;
            fit(f2, 1);
            #[allow(unfreeze_before_head)]
            unfreeze();
            fit([1e-4, config::RATE, config::RATE], config::CYCLES);
        },
    }
}

fn main() {
    let recipe = <Cats as fastai_dsl::Experiment>::recipe();
    assert_eq!((recipe.data().batch, recipe.transforms().size), (16, 96));
    assert_eq!(recipe.doc(), Some("Cats or dogs?"));
    assert_eq!(recipe.data().root.as_deref(), Some("data/dogscats"));
    assert_eq!(recipe.data().valid, fastai_dsl::Valid::Random { share: 0.25, seed: 42, fold: 0 });
    assert_eq!(recipe.model().head.dropout, [0.25, 0.5]);
    assert_eq!(recipe.class_weights(), Some(&fastai_dsl::ClassWeights::Given(vec![1.0, 2.5])));
    assert!(matches!(recipe.steps().last(), Some(fastai_dsl::Step::Fit(fit)) if fit.cycles == 3));
}
