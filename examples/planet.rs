//! `examples/planet.recipe` as Rust: the recipe is checked while this file compiles.
//!
//! `cargo run --example planet`, where the recipe's data are; the weights by `fastai weights get efficientnet_lite0`.

use fastai::prelude::*;
use fastai::progress;

recipe! {
    /// Tags of pictures from above, in the layout of Kaggle's planet: `train_v2.csv` (`image_name,tags`) and `train-jpg/`.
    ///
    /// Small images first, then larger ones (progressive resizing). The body is EfficientNet-lite0 with its ImageNet weights:
    /// `fastai weights get efficientnet_lite0`. The deck's own recipe is `full/planet.recipe`.
    pub Planet {
        task: multi_label,
        data: csv {
            root: "data/planet",
            labels: "train_v2.csv",
            images: "train-jpg",
            suffix: ".jpg",
            valid: random(0.2, seed = 42),
            batch: 64,
        },
        transforms: top_down { size: 64, max_zoom: 1.05 },
        model: efficientnet_lite0,
        metrics: [f2],
        train: {
            let lr = 0.2;
            precompute(on);
            fit(lr, 3, cycle_len = 1, cycle_mult = 2);       // 1 + 2 + 4 epochs of the head, 64 pixels
            resize(128);
            fit(lr, 3, cycle_len = 1, cycle_mult = 2);       // the same head, 128 pixels
            save("128_head");
            precompute(off);
            unfreeze();
            bn_freeze(on);
            fit([1e-4, 1e-3, 1e-2], 2, cycle_len = 1, cycle_mult = 2);    // 1 + 2 epochs; the body at its own rates
            save("128_all");
            tta();
        },
    }
}

fn main() -> Result<(), RunError> {
    let trained = Planet::run_with(&RunOptions::default(), progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    Ok(())
}
