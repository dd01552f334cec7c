//! A run with `valid: folds(3)` as a user meets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::folder::summary;
use crate::small::{of_classes, small};
use crate::started::ended_within;

/// A head and a short look at images, with three folds.
fn folded(scratch: &TempDir) -> PathBuf {
    let file = small(scratch);
    let text = fs::read_to_string(&file).unwrap();
    let (sections, _) = text.split_once("    train: {").unwrap();
    let sections = sections.replace("batch: 16", "batch: 16, valid: folds(3), test: \"train-jpg\"");
    let train = "    train: {\n        precompute(on);\n        fit(0.1, 2);\n        precompute(off);\n        fit(0.05, 1);\n    },\n}\n";
    fs::write(&file, format!("{sections}{train}")).unwrap();
    file
}

/// Everything that a run of folds is about, by name.
fn content(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec!["out_of_fold.csv".to_string(), "recipe.recipe".to_string()];
    names.extend((1..=3).map(|fold| format!("folds/{fold}/models/final.safetensors")));
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read(run.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"))))
        .collect()
}

#[test]
fn labelled_images_in_no_part_are_told_of_once_a_command() {
    let scratch = TempDir::new().unwrap();
    let [data, recipe, out, sweep] = ["data", "a.recipe", "run", "sweep"].map(|name| scratch.path().join(name));
    let images = fs::read_dir(Path::new(ROOT).join("examples/data/globe/train-jpg")).unwrap();
    let mut images: Vec<PathBuf> = images.map(|image| image.unwrap().path()).collect();
    images.sort();
    for (number, image) in images.iter().take(32).enumerate() {
        let part = if number < 24 { "train" } else { "valid" };
        let folder = data.join(part).join(["a", "b"][number % 2]);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(image, folder.join(format!("{number}.jpg"))).unwrap();
    }
    let text = of_classes("Left", &data).replace("train: \".\", ", "").replace("stratified(0.3)", "folds(2)");
    fs::write(&recipe, text).unwrap();
    let told = |command: &mut assert_cmd::Command| stderr(command, 0).matches("8 labelled images in ").count();
    let program = |args: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(args);
        command
    };
    assert_eq!(told(program(&["plan"]).arg(&recipe)), 1);
    assert_eq!(told(program(&["run", "--device", "cpu"]).arg(&recipe).arg("--out").arg(&out)), 1);
    assert_eq!(told(program(&["validate"]).arg(&out)), 1);
    let found = json(program(&["validate", "--json"]).arg(&out));
    assert_eq!(found["notes"].to_string().matches("labelled images in").count(), 1, "{found}");
    assert_eq!(told(program(&["diff"]).arg(&out).arg(&out)), 0, "each run has told of it");
    assert_eq!(told(program(&["sweep", "--over", "data.batch=8,12", "--out"]).arg(&sweep).arg(&recipe)), 1);
}

fn json(command: &mut assert_cmd::Command) -> Value {
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

#[test]
fn the_ensemble_of_a_run_predicts_submits_and_validates() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (folded(&scratch), scratch.path().join("run"));
    let plan = stdout(fastai(&scratch).arg("plan").arg(&recipe));
    assert!(plan.contains("folds    3, each held out in turn") && plan.contains("9 epochs"), "{plan}");
    assert!(plan.contains("40 training, 20 validation"), "{plan}");

    let run = fastai(&scratch).args(["run", "--quiet", "--out"]).arg(&out).arg(&recipe).assert().success();
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    for part in ["all folds: f2 0.", "on 60 images of valid", "mean of 3 folds: f2 0.", "(deviation 0.", "run folder: "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for part in
        ["Out of fold", "./folds/1/report.html", "./folds/3/report.html", "<td>deviation</td>", "out_of_fold.csv"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(out.join("folds/2/report.html").is_file());

    // What it says of an image is the mean of what the folds' models say.
    let image = fs::read_dir(scratch.path().join("chips/train-jpg")).unwrap().next().unwrap().unwrap().path();
    let said = |run: &Path| -> Vec<f64> {
        let found = json(fastai(&scratch).args(["predict", "--quiet", "--json"]).arg(run).arg(&image));
        let all = found["images"][0]["probabilities"].as_object().unwrap();
        all.values().map(|p| p.as_f64().unwrap()).collect()
    };
    let whole = said(&out);
    let each: Vec<Vec<f64>> = (1..=3).map(|fold| said(&out.join(format!("folds/{fold}")))).collect();
    for (tag, p) in whole.iter().enumerate() {
        let mean = each.iter().map(|fold| fold[tag]).sum::<f64>() / 3.0;
        assert!((p - mean).abs() < 1e-6, "{p} {mean}");
    }
    let submitted = stdout(fastai(&scratch).args(["submit", "--quiet"]).arg(&out));
    assert!(submitted.contains("60 rows"), "{submitted}");

    // On the run's data, out of fold; on others, the ensemble.
    let summary = summary(&out);
    let again = json(fastai(&scratch).args(["validate", "--quiet", "--json"]).arg(&out));
    assert_eq!(again["plain"]["evaluation"]["metrics"][0]["value"], summary["final"]["metrics"][0]["value"]);
    let elsewhere = scratch.path().join("chips");
    let others = json(fastai(&scratch).args(["validate", "--quiet", "--json", "--data"]).arg(&elsewhere).arg(&out));
    assert_eq!(
        (&others["plain"]["evaluation"]["n"], &others["plain"]["evaluation"]["set"]),
        (&60.into(), &"all".into())
    );

    // Its networks have seen them, in whatever folder they lie; out of fold none has, and nothing has changed.
    let copy = scratch.path().join("copy");
    fs::create_dir_all(copy.join("train-jpg")).unwrap();
    for file in fs::read_dir(elsewhere.join("train-jpg")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join("train-jpg").join(file.file_name())).unwrap();
    }
    fs::copy(elsewhere.join("train_v2.csv"), copy.join("train_v2.csv")).unwrap();
    let trained = "the run trained on these images, so this is no measure of new ones; without `--data`";
    for folder in [&elsewhere, &copy] {
        let said = stderr(fastai(&scratch).args(["validate", "--data"]).arg(folder).arg(&out), 0);
        assert!(said.contains(trained), "{said}");
    }
    let changed = "the data are not those that the run began with: fold ";
    let said = stderr(fastai(&scratch).arg("validate").arg(&out), 0);
    assert!(!said.contains(trained) && !said.contains(changed), "{said}");
    let other = fs::read_dir(copy.join("train-jpg"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| fs::read(path).unwrap() != fs::read(&image).unwrap());
    let before = fs::read(&image).unwrap();
    fs::copy(other.unwrap(), &image).unwrap();
    let said = stderr(fastai(&scratch).arg("validate").arg(&out), 0);
    assert_eq!(said.matches(changed).count(), 1, "an image is held out by one fold: {said}");
    fs::write(&image, before).unwrap();

    // In its own folder, those that were added since are not among those that its networks have seen.
    let globe = Path::new(ROOT).join("examples/data/globe");
    let (table, images) = (elsewhere.join("train_v2.csv"), elsewhere.join("train-jpg"));
    let rows = fs::read_to_string(&table).unwrap();
    let (_, tags) = rows.lines().nth(1).unwrap().split_once(',').unwrap();
    let all = fs::read_to_string(globe.join("train_v2.csv")).unwrap();
    let added: Vec<&str> = all.lines().skip(61).take(5).map(|row| row.split_once(',').unwrap().0).collect();
    let mut more = rows.clone();
    for name in &added {
        fs::copy(globe.join(format!("train-jpg/{name}.jpg")), images.join(format!("{name}.jpg"))).unwrap();
        more += &format!("\n{name},{tags}");
    }
    fs::write(&table, more).unwrap();
    let said = stderr(fastai(&scratch).args(["validate", "--data"]).arg(&elsewhere).arg(&out), 0);
    assert!(said.contains("the run trained on 60 of these 65 images, by their contents, so this is a poor"), "{said}");
    fs::write(&table, rows).unwrap();
    added.iter().for_each(|name| fs::remove_file(images.join(format!("{name}.jpg"))).unwrap());

    let message = stderr(fastai(&scratch).arg("export").arg(&out), 1);
    assert!(message.contains("ensemble of 3 networks") && message.contains("RUN/folds/1"), "{message}");
    fastai(&scratch).arg("export").arg(out.join("folds/1")).assert().success();

    // A model that was removed is named, by who needs it and by who looks whether the run is whole.
    let (model, aside) = (out.join("folds/2/models/final.safetensors"), scratch.path().join("aside"));
    fs::rename(&model, &aside).unwrap();
    let message = stderr(fastai(&scratch).args(["predict", "-q"]).arg(&out).arg(&image), 1);
    let gone = format!("{} is not there: the run is complete and saved it, so it was removed since", model.display());
    assert!(message.contains(&gone), "{message}");
    let message = stderr(fastai(&scratch).args(["run", "--resume"]).arg(&out), 0);
    assert!(message.contains(&format!("warning: {} is not there: ", model.display())), "{message}");
    fs::rename(&aside, &model).unwrap();

    // A sweep of such a recipe has its folds.
    let sweep = scratch.path().join("sweep");
    let args = ["sweep", "--quiet", "--over", "clip=0.5,1.0", "--halving", "off", "--out"];
    fastai(&scratch).args(args).arg(&sweep).arg(&recipe).assert().success();
    let found: Value = serde_json::from_slice(&fs::read(sweep.join("sweep.json")).unwrap()).unwrap();
    assert_eq!((&found["folds"], &found["complete"]), (&3.into(), &6.into()));
    let own = found["standings"].as_array().unwrap().iter().find(|s| s["settings"][0][1] == "1.0").unwrap();
    let (swept, ran) =
        (own["out_of_fold"].as_f64().unwrap(), summary["final"]["metrics"][0]["value"].as_f64().unwrap());
    assert!((swept - ran).abs() < 1e-12, "{swept} {ran}");
}

#[test]
fn what_all_folds_begin_with_is_told_once() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (folded(&scratch), scratch.path().join("run"));
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("batch: 16", "batch: 16, corrupt: skip")).unwrap();
    let chips = scratch.path().join("chips");
    let table = fs::read_to_string(chips.join("train_v2.csv")).unwrap();
    let first = table.lines().nth(1).unwrap().split(',').next().unwrap();
    fs::write(chips.join(format!("train-jpg/{first}.jpg")), "no image").unwrap();

    let said = stderr(fastai(&scratch).args(["run", "--smoke", "--device", "cpu", "--out"]).arg(&out).arg(&recipe), 0);
    let of_image = format!("1 image cannot be decoded and is left out: train-jpg/{first}.jpg");
    assert!(said.contains("fold 3 of 3"), "{said}");
    assert_eq!(said.matches(&of_image).count(), 1, "{said}");
    for fold in ["1", "3"] {
        let notes = summary(&out.join("folds").join(fold))["notes"].to_string();
        assert!(notes.contains(&of_image), "fold {fold}: {notes}");
    }
}

/// Ends the program itself, sooner and later, until the run is through.
#[test]
fn a_run_of_folds_that_is_killed_again_and_again_ends_with_the_same_bytes() {
    let scratch = TempDir::new().unwrap();
    let recipe = folded(&scratch);
    let path = |name: &str| scratch.path().join(name);
    let run = ["run", "--quiet", "--seed", "7", "--out"];
    fastai(&scratch).args(run).arg(path("whole")).arg(&recipe).assert().success();
    let (mut kills, mut longest) = (0, Duration::from_millis(40));
    loop {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_fastai"));
        program.current_dir(ROOT).env("FASTAI_CACHE", path("cache")).args(["run", "--quiet", "--snapshot-every", "0"]);
        // A run that was killed before it had written anything begins anew; one that was killed at its very end is complete.
        if path("killed/resume/folds.state").is_file() || path("killed/summary.json").is_file() {
            program.arg("--resume").arg(path("killed"));
        } else {
            program.args(["--seed", "7", "--out"]).arg(path("killed")).arg(&recipe);
        }
        let mut child = program.stdout(std::process::Stdio::null()).spawn().unwrap();
        if let Some(status) = ended_within(&mut child, longest) {
            assert!(status.success(), "after {kills} kills");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        longest = longest.mul_f64(1.3);
    }
    assert!(kills >= 3, "{kills}");
    assert!(!path("killed/resume").exists());
    let (whole, killed) = (content(&path("whole")), content(&path("killed")));
    assert!(String::from_utf8_lossy(&whole["recipe.recipe"]).contains("\n    seed: 7,\n"));
    for (name, bytes) in &whole {
        assert!(*bytes == killed[name], "{name} differs after {kills} kills");
    }
    let message = fastai(&scratch).args(["run", "--resume"]).arg(path("killed")).assert().success();
    assert!(String::from_utf8_lossy(&message.get_output().stdout).contains("there is nothing left to do"));
}
