//! `examples/dogs_vs_cats.recipe` as Rust: the recipe is checked while this file compiles.
//!
//! `cargo run --example dogs_vs_cats`, where the recipe's data are; the weights by `fastai weights get efficientnet_lite0`.

use fastai::prelude::*;
use fastai::progress;

recipe! {
    /// Cats or dogs? Kaggle's dogs-vs-cats, in minutes on a laptop without a GPU.
    ///
    /// Folders `train/{cats,dogs}` and `valid/{cats,dogs}`. The body is EfficientNet-lite0 with its ImageNet weights:
    /// `fastai weights get efficientnet_lite0`. The deck's own recipe, on a larger network, is `full/dogs_vs_cats.recipe`.
    pub DogsVsCats {
        task: single_label,
        data: folders { root: "data/dogscats", batch: 32 },
        transforms: side_on { size: 224, max_zoom: 1.1 },
        model: efficientnet_lite0,
        metrics: [accuracy, log_loss],
        train: {
            precompute(on);
            fit(1e-2, 5);                                    // the new head, on cached activations
            precompute(off);
            fit(1e-2, 1, cycle_len = 1);                     // the head on augmented images, body frozen
            save("224_head");
            unfreeze();
            bn_freeze(on);                                   // 38 batches would not make better statistics than ImageNet's
            fit([1e-5, 1e-4, 1e-3], 1, cycle_len = 1);       // everything; the body has its own, small rates
            save("224_all");
            tta();
        },
    }
}

fn main() -> Result<(), RunError> {
    let trained = DogsVsCats::run_with(&RunOptions::default(), progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    Ok(())
}
