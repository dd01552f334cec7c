//! `examples/quickstart.recipe` as Rust: the recipe is checked while this file compiles.
//!
//! `cargo run --example quickstart`, from the repository's root.

use fastai::prelude::*;
use fastai::progress;

recipe! {
    /// Tags of satellite chips cut from a map of the whole earth.
    ///
    /// About 10 km a pixel; the tags were made by rules from other layers (water mask, elevation, night lights), which the
    /// network does not see. Everything it needs is in this repository: run it from the repository's root.
    pub QuickStart {
        task: multi_label,
        data: csv {
            root: "examples/data/globe",
            labels: "train_v2.csv",
            images: "train-jpg",
            suffix: ".jpg",
            valid: indices("valid.txt"),
            batch: 64,
        },
        transforms: top_down { size: 64, max_zoom: 1.05 },
        model: squeezenet1_1 { weights: "examples/data/squeezenet1_1.safetensors" },
        metrics: [f2],
        clip: 1.0,
        train: {
            precompute(on);
            let lr = lr_find(or = 0.2);
            fit(0.2, 2, cycle_len = 1, cycle_mult = 2);
            precompute(off);
            resize(128);
            freeze();
            fit(lr, 1, cycle_len = 1);
            unfreeze();
            fit([1e-3, 1e-2, 0.1], 2, cycle_len = 1, cycle_mult = 2);
            save("128_all");
            tta();
        },
    }
}

fn main() -> Result<(), RunError> {
    let trained = QuickStart::run_with(&RunOptions::default(), progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    Ok(())
}
