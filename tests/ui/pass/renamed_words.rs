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
}

recipe! {
    /// Cats or dogs?
    pub Cats {
        task: single_label,
        data: folders { root: "d", batch: BATCH },
        transforms: side_on { size: config::SIZE },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            let f2 = config::RATE;
            fit(f2, 1);
            #[allow(unfreeze_before_head)]
            unfreeze();
            fit([1e-4, config::RATE, config::RATE], 1);
        },
    }
}

fn main() {
    let recipe = <Cats as fastai_dsl::Experiment>::recipe();
    assert_eq!((recipe.data().batch, recipe.transforms().size), (16, 96));
    assert_eq!(recipe.doc(), Some("Cats or dogs?"));
}
