//! Whole runs that need more of the data than a plain csv file: numbers as labels, data sets from Rust, policies.

use std::path::PathBuf;

use crate::chips::{self, Chips, examples, options, recipe, weights};
use fastai_dsl::Valid;
use fastai_runtime::data::{Dataset, Label, decode};
use fastai_runtime::engine::{Outcome, RunOptions, resume, run};
use fastai_runtime::progress::{Progress, Silent};
use fastai_runtime::random::{Stream, unit};
use image::{Rgb, RgbImage};

/// Every `step`-th chip of the globe.
fn every(step: usize) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(examples().join("globe/train-jpg"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .collect();
    files.sort();
    files.into_iter().step_by(step).collect()
}

/// The share of blue in an image.
fn blue(image: &RgbImage) -> f32 {
    let sums = image.pixels().fold([0f64; 3], |sums, p| [0, 1, 2].map(|c| sums[c] + f64::from(p.0[c])));
    (sums[2] / (sums[0] + sums[1] + sums[2])) as f32
}

#[test]
fn a_number_is_learned_from_images_and_labels_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    // Spots of any colour, more or less blue: every channel of the body sees something in every image.
    let image = |i: u64| {
        let mut rng = Stream::new(i, "spots").at(&[]);
        let tint = unit(&mut rng);
        let spots: Vec<f64> = (0..16 * 16 * 3).map(|_| 255.0 * unit(&mut rng)).collect();
        let pixel = |x: u32, y: u32| {
            let spot = 3 * (16 * (y / 4) + x / 4) as usize;
            Rgb([spots[spot] as u8, spots[spot + 1] as u8, (spots[spot + 2] * tint) as u8])
        };
        RgbImage::from_fn(64, 64, pixel)
    };
    // Measured on copies of every other training image: it is the way from numbers to numbers that is looked at, and a
    // channel that no training image excites would upset BatchNorm, as it does with so few images.
    let made = |step: usize| (0..160).step_by(step).map(image).map(|image| (image.clone(), Label::Value(blue(&image))));
    let dataset = Dataset::from_image_parts(folder.path().join("images"), made(1), made(2)).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len()), (160, 80));
    let held_out: Vec<(PathBuf, f32)> =
        dataset.valid.iter().map(|item| (item.path.clone(), blue(&decode(&item.path).unwrap()))).collect();
    let text = format!(
        "Blue {{ task: regression,
            data: given {{ batch: 32, duplicates: keep }},
            transforms: none {{ size: 64 }},
            model: squeezenet1_1 {{ weights: {:?}, hidden: [32], dropout: 0.0 }},
            metrics: [mae, rmse],
            train: {{ precompute(on); fit(3e-2, 4, cycle_len = 1, cycle_mult = 2); precompute(off); tta(); }}, }}",
        weights()
    );
    let recipe = recipe(&text);
    let run_made = run(&recipe, &RunOptions { dataset: Some(dataset), ..options(folder.path(), "blue") }, &mut Silent);
    let outcome: Outcome = run_made.unwrap();
    let baseline = outcome.summary.baseline.clone().unwrap();
    assert_eq!(baseline.metric.word(), "mae");
    let reached = &outcome.summary.r#final.as_ref().unwrap().metrics;
    let (mae, rmse) = (reached[0].value, reached[1].value);
    assert_eq!((reached[0].name.as_str(), reached[1].name.as_str()), ("mae", "rmse"));
    assert!(mae <= rmse && reached.iter().all(|m| m.interval.is_some_and(|[a, b]| a <= m.value && m.value <= b)));
    assert_eq!((baseline.reached, baseline.unbeaten()), (Some(mae), None));
    assert!(mae < 0.6 * baseline.value, "mae {mae}, always saying {} reaches {}", baseline.says, baseline.value);
    // What it predicts is what was measured.
    let paths: Vec<PathBuf> = held_out.iter().map(|(path, _)| path.clone()).collect();
    let predicted = outcome.predict(&paths).unwrap();
    let errors = predicted.probabilities.values().iter().zip(&held_out).map(|(p, (_, v))| f64::from((p - v).abs()));
    assert!((errors.sum::<f64>() / held_out.len() as f64 - mae).abs() < 1e-4);
    assert_eq!(outcome.classes, ["value"]);
    let page = std::fs::read_to_string(folder.path().join("blue/report.html")).unwrap();
    assert!(page.contains("<h2>Predicted and true values</h2>") && page.contains("<h3>Largest errors</h3>"), "{page}");
    assert_eq!(page.matches("<br>predicted ").count(), 30);
    let other = Dataset::from_files(paths.iter().map(|p| (p, ["a", "b"][p.as_os_str().len() % 2])), &Valid::None);
    if let Ok(other) = other {
        let error = run(&recipe, &RunOptions { dataset: Some(other), ..options(folder.path(), "x") }, &mut Silent);
        assert!(error.unwrap_err().to_string().contains("single_label"));
    }
}

#[test]
fn policies_sampler_and_copies_work_together_in_a_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("img")).unwrap();
    let mut table = "name,what\n".to_string();
    for (i, path) in every(15).into_iter().take(36).enumerate() {
        std::fs::copy(&path, folder.path().join(format!("img/{i}.jpg"))).unwrap();
        table += &format!("{i},{}\n", if i % 6 == 1 { "rare" } else { "usual" });
    }
    std::fs::write(folder.path().join("img/7.jpg"), "spoilt").unwrap();
    std::fs::remove_file(folder.path().join("img/20.jpg")).unwrap();
    std::fs::write(folder.path().join("labels.csv"), table).unwrap();
    let text = format!(
        "Mixed {{ task: single_label,
            data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"img\", suffix: \".jpg\",
                valid: stratified(0.25), batch: 8, corrupt: skip, sampler: balanced, resize_to: 48 }},
            transforms: side_on {{ size: 40 }},
            model: squeezenet1_1 {{ weights: {:?}, hidden: [8] }},
            metrics: [accuracy],
            train: {{ fit(1e-2, 1); }}, }}",
        folder.path(),
        weights()
    );
    let recipe = recipe(&text);
    let go = |name: &str, threads: usize| {
        let options = RunOptions { threads: Some(threads), ..options(folder.path(), name) };
        run(&recipe, &options, &mut Silent).unwrap()
    };
    let (one, two) = (go("one", 1), go("two", 2));
    let notes = one.summary.notes.join("\n");
    for expected in ["1 of 36 rows has no image", "img/7.jpg: not an image", "34 made, 0 found", "48 pixels"] {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    let notes = two.summary.notes.join("\n");
    assert!(notes.contains("0 made, 34 found"), "{notes}");
    let loss = |outcome: &Outcome| outcome.summary.r#final.as_ref().unwrap().val_loss;
    assert_eq!(loss(&one).to_bits(), loss(&two).to_bits());
    assert_eq!((one.summary.counts.train, one.summary.counts.valid), (25, 9));
    // The sampler decides what a run trains on. (What it shows is counted beside it, in the engine.)
    let shuffled = chips::recipe(&text.replace("sampler: balanced", "sampler: shuffle"));
    let options = RunOptions { threads: Some(2), ..options(folder.path(), "shuffled") };
    let shuffled = run(&shuffled, &options, &mut Silent).unwrap();
    assert_ne!(loss(&shuffled).to_bits(), loss(&two).to_bits());
}

/// Writes these bytes into a file as soon as the first bar is done, that of the check of the images.
struct Replacing(PathBuf, Vec<u8>);

impl Progress for Replacing {
    fn finish(&mut self) {
        std::fs::write(&self.0, &self.1).unwrap();
    }
}

#[test]
fn a_run_ends_at_an_image_that_was_replaced_and_goes_on_when_it_is_put_back() {
    let chips = Chips::new(40);
    let mut images: Vec<PathBuf> =
        std::fs::read_dir(chips.path().join("images")).unwrap().map(|entry| entry.unwrap().path()).collect();
    images.sort();
    let [was, other] = [0, 1].map(|i| std::fs::read(&images[i]).unwrap());
    for (name, steps) in [("features", "precompute(on); fit(1e-3, 1);"), ("pixels", "fit(1e-3, 1);")] {
        let (recipe, options) = (chips.classes(steps, "", ""), chips.options(name));
        // Each run checks all images and computes all features.
        let options = RunOptions { cache: Some(chips.path().join(format!("cache of {name}"))), ..options };
        let error = run(&recipe, &options, &mut Replacing(images[0].clone(), other.clone())).unwrap_err().to_string();
        let named = format!("{}: has changed since the images were checked", images[0].display());
        assert!(error.contains(&named) && error.contains("put them back and go on with `--resume`"), "{error}");
        std::fs::write(&images[0], &was).unwrap();
        resume(&recipe, &chips.path().join(name), &options, &mut Silent).unwrap();
    }
}
