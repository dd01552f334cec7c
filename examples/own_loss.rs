//! A loss and a metric of the program's own, for a recipe that says `loss: given`.
//!
//! `cargo run --example own_loss`, from the repository's root.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use fastai::prelude::*;
use fastai::progress;
use fastai::train::tensor::activation::log_sigmoid;
use fastai::train::tensor::{Tensor, TensorData};
use fastai::train::{Criterion, Direction, Measure, Probabilities, Targets, Truth, bootstrap};

recipe! {
    /// What is on the chip? A tag that is missed costs more than one too many.
    pub Chips {
        task: multi_label,
        data: csv {
            root: "examples/data/globe", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg",
            valid: indices("valid.txt"), batch: 32,
        },
        transforms: none { size: 32 },
        model: squeezenet1_1 { weights: "examples/data/squeezenet1_1.safetensors", hidden: [64] },
        metrics: [f2],
        loss: given,
        train: {
            precompute(on);
            fit(0.05, 2);
        },
    }
}

/// Binary cross-entropy in which a tag that an image has counts so many times.
#[derive(Debug)]
pub struct Missed {
    /// The weight of tags that an image has.
    pub times: f64,
}

impl Criterion for Missed {
    /// Runs on the device, where its gradient is taken; `logits` are `[batch, tag]`.
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let Truth::Tags { cells, tags } = truth else { panic!("labels that are no tags") };
        let mut has = Vec::new();
        for place in 0..targets.images().len() {
            // An image that mixup or cutmix combines has two rows of labels, with their shares.
            let [(own, share), (other, rest)] = targets.shown(place);
            for tag in 0..*tags {
                let of = |image: usize| if cells[image * tags + tag] { 1.0 } else { 0.0 };
                has.push(share * of(own) + rest * of(other));
            }
        }
        let has = Tensor::<2>::from_data(TensorData::new(has, logits.dims()), &logits.device());
        let present = log_sigmoid(logits.clone()) * has.clone() * self.times;
        let absent = log_sigmoid(logits.neg()) * has.neg().add_scalar(1.0);
        (present + absent).mean().neg()
    }

    /// The same of each image on the host, in double precision: their mean is `val_loss`.
    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let Truth::Tags { cells, tags } = truth else { panic!("labels that are no tags") };
        let cost = |(&x, &has): (&f32, &bool)| {
            let x = f64::from(if has { x } else { -x });
            let loss = (-x).max(0.0) + (-x.abs()).exp().ln_1p();
            if has { self.times * loss } else { loss }
        };
        let images = logits.chunks(*tags).zip(cells.chunks(*tags));
        images.map(|(logits, cells)| logits.iter().zip(cells).map(cost).sum::<f64>() / *tags as f64).collect()
    }
}

/// The mean cost of an image's mistakes: 5 for each tag that is missed, 1 for each one too many.
#[derive(Debug)]
pub struct Cost;

impl Cost {
    fn of_images(predicted: &Probabilities, truth: &Truth) -> Vec<f64> {
        let Truth::Tags { cells, tags } = truth else { return vec![f64::NAN; truth.len()] };
        let of_image = |(row, labels): (&[f32], &[bool])| {
            let of_tag = |(&p, &has): (&f32, &bool)| match (p > 0.2, has) {
                (false, true) => 5.0,
                (true, false) => 1.0,
                _ => 0.0,
            };
            row.iter().zip(labels).map(of_tag).sum()
        };
        predicted.rows().zip(cells.chunks_exact(*tags)).map(of_image).collect()
    }
}

impl Measure for Cost {
    fn column(&self) -> String {
        "cost".to_string()
    }

    fn direction(&self) -> Direction {
        Direction::Lower
    }

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        Cost::of_images(predicted, truth).iter().sum::<f64>() / truth.len().max(1) as f64
    }

    /// The interval of a mean over images, by resampling them.
    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        bootstrap(&Cost::of_images(predicted, truth), draw)
    }
}

/// The options of a run of this recipe; to resume it takes the same ones.
pub fn options(out: Option<PathBuf>) -> RunOptions {
    RunOptions {
        loss: Some(Arc::new(Missed { times: 3.0 })),
        metrics: vec![Arc::new(Cost)],
        out,
        ..RunOptions::default()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(None);
    let trained = Chips::run_with(&options, progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    // A folder holds no Rust code: who measures its model again gives loss and metrics again.
    let loaded = Trained::<Chips>::load(&trained.outcome.folder)?.measuring_with(&options);
    let evaluation = loaded.validate()?.plain.evaluation;
    println!("loss {:.4}, {}", evaluation.val_loss, evaluation.metrics[1]);
    Ok(())
}
