//! `examples/dogbreed.recipe` as Rust: the recipe is checked while this file compiles.
//!
//! `cargo run --example dogbreed`, where the recipe's data are; the weights by `fastai weights get efficientnet_lite0`.

use fastai::prelude::*;
use fastai::progress;

recipe! {
    /// Which of 120 breeds is this dog? Kaggle's dog-breed-identification, in minutes on a laptop without a GPU.
    ///
    /// One folder of images, the breeds in `labels.csv` (`id,breed`). The body is EfficientNet-lite0 with its ImageNet weights:
    /// `fastai weights get efficientnet_lite0`. It stays frozen, as in the deck: the images are close to ImageNet's. The rate of
    /// 5e-2 and 15 epochs suit some 800 training images; the deck's 1e-2 and 5 epochs are for ten times as many
    /// (`full/dogbreed.recipe`).
    pub DogBreed {
        task: single_label,
        data: csv {
            root: "data/dogbreed",
            labels: "labels.csv",
            images: "train",
            suffix: ".jpg",
            valid: random(0.2, seed = 42),
            batch: 58,
        },
        transforms: side_on { size: 224, max_zoom: 1.1 },
        model: efficientnet_lite0 { dropout: 0.5 },
        metrics: [accuracy, log_loss],
        train: {
            precompute(on);
            fit(5e-2, 1, cycle_len = 15);                    // the new head, on cached activations
            precompute(off);
            fit(1e-2, 1, cycle_len = 1);                     // the head on augmented images
            save("224_head");
            tta();
        },
    }
}

fn main() -> Result<(), RunError> {
    let trained = DogBreed::run_with(&RunOptions::default(), progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    Ok(())
}
