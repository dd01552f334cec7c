//! Images and labels that the program itself makes, for a recipe that says `data: given`.
//!
//! `cargo run --example from_rust`, from the repository's root.

use std::error::Error;
use std::path::Path;

use fastai::data::{Dataset, Valid, decode};
use fastai::prelude::*;
use fastai::progress;

recipe! {
    /// Is there ocean on this chip?
    pub Ocean {
        task: single_label,
        data: given { batch: 32 },
        transforms: none { size: 64 },
        model: squeezenet1_1 { weights: "examples/data/squeezenet1_1.safetensors", hidden: [64] },
        metrics: [accuracy],
        train: {
            precompute(on);
            fit(0.05, 2, cycle_len = 1, cycle_mult = 2);
        },
    }
}

/// Every fifth chip as pixels in memory, and whether its tags name the ocean; a fifth of them is held out. The pixels could
/// come from anywhere: they are written below `folder` once, so that however many there are, memory stays bounded.
pub fn chips(folder: &Path) -> Result<Dataset, Box<dyn Error>> {
    let globe = Path::new("examples/data/globe");
    let mut images = Vec::new();
    for row in std::fs::read_to_string(globe.join("train_v2.csv"))?.lines().skip(1).step_by(5) {
        let (id, tags) = row.split_once(',').ok_or("a row has two columns")?;
        let label = if tags.split(' ').any(|tag| tag == "ocean") { "ocean" } else { "land" };
        images.push((decode(&globe.join("train-jpg").join(format!("{id}.jpg")))?, label));
    }
    Ok(Dataset::from_images(folder, images, &Valid::Stratified { share: 0.2, seed: 42, fold: 0 })?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dataset = chips(Path::new(".fastai/from_rust"))?;
    let options = RunOptions { dataset: Some(dataset.clone()), ..RunOptions::default() };
    let trained = Ocean::run_with(&options, progress::auto(false).as_mut())?;
    println!("run folder: {}", trained.outcome.folder.display());
    // A run's folder does not hold the images: who measures its model again gives them again.
    let measured = Trained::<Ocean>::load(&trained.outcome.folder)?.validate_on(&dataset)?;
    println!("{}", measured.plain.evaluation.metrics[0]);
    Ok(())
}
