//! Rates from one rate, where there is no one rate or no group that would take them.

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
            precompute(on);
            let lr = lr_find(or = 1e-2);
            fit(lr, 3, layer_decay = 0.5);
            precompute(off);
            unfreeze();
            fit([lr / 9, lr / 3, lr], 3, layer_decay = 0.5);
            fit(lr, 3, layer_decay = 0);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
