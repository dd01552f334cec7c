//! Whole runs that need more of the data than a plain csv file: numbers as labels, data sets from Rust, policies.

use std::path::{Path, PathBuf};

use fastai_dsl::source::Source;
use fastai_dsl::{Recipe, Valid};
use fastai_runtime::data::{Dataset, Label, decode};
use fastai_runtime::engine::{Outcome, RunOptions, run};
use fastai_runtime::progress::Silent;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Every 15th chip of the globe.
fn chips() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(examples().join("data/globe/train-jpg"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .collect();
    files.sort();
    files.into_iter().step_by(15).collect()
}

fn recipe(text: &str) -> Recipe {
    let source = Source::new("data.recipe", text, &[]);
    match &source.result {
        Ok(checked) => checked.recipe.clone(),
        Err(_) => panic!("{}", source.render(false)),
    }
}

fn options(folder: &Path, name: &str) -> RunOptions {
    RunOptions {
        out: Some(folder.join(name)),
        cache: Some(folder.join("cache")),
        device: Some(fastai_dsl::DeviceWish::Cpu),
        ..RunOptions::default()
    }
}

fn weights() -> PathBuf {
    examples().join("data/squeezenet1_1.safetensors")
}

/// The share of blue in an image.
fn blue(path: &Path) -> f32 {
    let image = decode(path).unwrap();
    let sums = image.pixels().fold([0f64; 3], |sums, p| [0, 1, 2].map(|c| sums[c] + f64::from(p.0[c])));
    (sums[2] / (sums[0] + sums[1] + sums[2])) as f32
}

#[test]
fn a_number_is_learned_from_files_and_labels_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<(PathBuf, Label)> =
        chips().into_iter().map(|path| (path.clone(), Label::Value(blue(&path)))).collect();
    let dataset = Dataset::from_files(files, &Valid::Random { share: 0.25, seed: 42, fold: 0 }).unwrap();
    let held_out: Vec<(PathBuf, f32)> =
        dataset.valid.iter().map(|item| (item.path.clone(), blue(&item.path))).collect();
    let text = format!(
        "Blue {{ task: regression,
            data: csv {{ root: \"elsewhere\", labels: \"none.csv\", images: \"none\", batch: 8 }},
            transforms: none {{ size: 64 }},
            model: squeezenet1_1 {{ weights: {:?}, hidden: [32], dropout: 0.0 }},
            metrics: [mae, rmse],
            train: {{ precompute(on); fit(3e-2, 6, cycle_len = 1); tta(); }}, }}",
        weights()
    );
    let recipe = recipe(&text);
    let made = run(&recipe, &RunOptions { dataset: Some(dataset), ..options(folder.path(), "blue") }, &mut Silent);
    let outcome: Outcome = made.unwrap();
    let baseline = outcome.summary.baseline.clone().unwrap();
    assert_eq!(baseline.metric, "mae");
    let reached = &outcome.summary.r#final.as_ref().unwrap().metrics;
    let (mae, rmse) = (reached[0].value, reached[1].value);
    assert_eq!((reached[0].name.as_str(), reached[1].name.as_str()), ("mae", "rmse"));
    assert!(mae <= rmse && reached.iter().all(|m| m.interval.is_some_and(|[a, b]| a <= m.value && m.value <= b)));
    assert!(mae < 0.6 * baseline.value, "mae {mae}, always saying {} reaches {}", baseline.says, baseline.value);
    // What it predicts is what was measured.
    let paths: Vec<PathBuf> = held_out.iter().map(|(path, _)| path.clone()).collect();
    let predicted = outcome.predict(&paths).unwrap();
    let errors = predicted.probabilities.values().iter().zip(&held_out).map(|(p, (_, v))| f64::from((p - v).abs()));
    assert!((errors.sum::<f64>() / held_out.len() as f64 - mae).abs() < 1e-4);
    assert_eq!(outcome.classes, ["value"]);
    assert!(folder.path().join("blue/report.html").is_file());
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
    for (i, path) in chips().into_iter().take(36).enumerate() {
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
    for expected in ["1 of 36 rows have no image", "img/7.jpg: not an image", "34 made, 0 found", "48 pixels"] {
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    let notes = two.summary.notes.join("\n");
    assert!(notes.contains("0 made, 34 found"), "{notes}");
    let loss = |outcome: &Outcome| outcome.summary.r#final.as_ref().unwrap().val_loss;
    assert_eq!(loss(&one).to_bits(), loss(&two).to_bits());
    assert_eq!((one.summary.counts.train, one.summary.counts.valid), (25, 9));
}
