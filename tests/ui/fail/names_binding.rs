//! A name that nothing binds.

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
            let lr = 1e-2;
            fit([rl / 9, lr / 3, lr], 1);
        },
    }
}

fn main() {}
