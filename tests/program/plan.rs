//! `fastai plan` as a user meets it: what it counts, measures and draws.

use std::fs;
use std::path::{Path, PathBuf};

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::small::small;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn the_plan_counts_without_training() {
    let scratch = TempDir::new().unwrap();
    let output = fastai(&scratch).args(["plan", "examples/quickstart.recipe", "--json"]).assert().success();
    let plan: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(plan["plan"]["facts"]["train"], 828);
    let epochs: u64 = plan["plan"]["stages"].as_array().unwrap().iter().map(|s| s["epochs"].as_u64().unwrap()).sum();
    assert_eq!(epochs, 7);
    let text = stdout(fastai(&scratch).args(["plan", "examples/quickstart.recipe"]));
    assert!(text.contains("0.001, 0.01, 0.1") && text.contains("531,463"), "{text}");
    // The rate that is yet to be found has the recipe's own name.
    assert!(
        text.contains("fit(lr, 1, cycle_len = 1)") && text.contains("  lr to 0") && !text.contains("lr1"),
        "{text}"
    );
    let more = ["mixup=0.2", "cutmix=1", "transforms.augment=[erase]"].iter().flat_map(|set| ["--set", set]);
    let text = stdout(fastai(&scratch).args(["plan", "examples/quickstart.recipe"]).args(more));
    assert!(text.contains("batches  mixup(0.2) or cutmix(1) in 2 of 3 fits"), "{text}");
    assert!(text.contains("images   top_down and erase(0.5, area = [0.02, 0.33], value = mean)"), "{text}");
}

#[test]
fn the_plan_counts_what_a_look_at_the_images_left() {
    let scratch = TempDir::new().unwrap();
    let chips = Path::new(ROOT).join("examples/data/globe/train-jpg");
    let mut files: Vec<PathBuf> = fs::read_dir(chips).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let placed = ["train/x/0", "train/x/1", "train/y/2", "train/y/3", "valid/x/4", "valid/y/5"];
    // The last is a copy of the first.
    for (name, file) in placed.iter().zip(files[..5].iter().chain(&files[..1])) {
        let path = scratch.path().join("data").join(name).with_extension("jpg");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(file, path).unwrap();
    }
    let recipe = scratch.path().join("twins.recipe");
    let text = format!(
        "Twins {{ task: single_label, data: folders {{ root: {:?} }}, transforms: none {{ size: 32 }}, \
         model: squeezenet1_1, metrics: [accuracy], train: {{ fit(0.01, 1); }}, }}",
        scratch.path().join("data")
    );
    fs::write(&recipe, text).unwrap();
    let plan = || stdout(fastai(&scratch).arg("plan").arg(&recipe));
    let before = plan();
    assert!(before.contains("on 4 training, 2 validation") && !before.contains("not counted"), "{before}");
    fastai(&scratch)
        .args(["show", "-q", "--out"])
        .arg(scratch.path().join("page.html"))
        .arg(&recipe)
        .assert()
        .success();
    let after = plan();
    assert!(after.contains("on 3 training, 2 validation"), "{after}");
    assert!(after.contains("not counted: 1 training image with the very bytes of a validation image"), "{after}");
    // An image that nobody looked at yet: only the list is known again.
    fs::copy(&files[6], scratch.path().join("data/train/y/6.jpg")).unwrap();
    assert!(plan().contains("on 5 training, 2 validation"));
}

#[test]
fn the_plan_counts_the_memory_of_training() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let memory = |set: &[&str]| -> Vec<Option<[u64; 2]>> {
        let mut command = fastai(&scratch);
        command.args(["plan", "--json"]).arg(&recipe);
        for set in set {
            command.args(["--set", set]);
        }
        let output = command.assert().success();
        let plan: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let of = |m: &Value| m.as_object().map(|m| ["weights", "activations"].map(|key| m[key].as_u64().unwrap()));
        plan["memory"].as_array().unwrap().iter().map(of).collect()
    };
    let plain = memory(&[]);
    // precompute, lr_find, fit on features, precompute(off), fit of the head on images, unfreeze, fit of all, save, tta
    let known: Vec<bool> = plain.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, true, true, false, true, false, true, false, true]);
    let [features, head, all] = [2, 4, 6].map(|step| plain[step].unwrap());
    assert_eq!(features[1], 0);
    assert!(all[1] > 2 * head[1] && all[0] > head[0], "{plain:?}");
    let doubled = memory(&["data.batch=32"]);
    assert_eq!(doubled[6].unwrap()[1], 2 * all[1]);
    let larger = memory(&["transforms.size=64"]);
    assert!(larger[6].unwrap()[1] > 3 * all[1]);
    let text = stdout(fastai(&scratch).arg("plan").arg(&recipe));
    assert!(text.contains("memory of the network: at most") && text.contains("in step 7 `fit([0.001"), "{text}");
}

#[test]
fn a_probe_measures_every_step_and_leaves_nothing() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let before: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let mut command = fastai(&scratch);
    command.args(["plan", "--json", "--probe", "--device", "cpu"]).arg(&recipe).env("TMPDIR", scratch.path());
    let output = command.assert().success();
    let plan: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let probe = &plan["probe"];
    let stages = probe["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 9);
    for (step, stage) in stages.iter().enumerate() {
        let trains = ["lr_find(", "fit("].iter().any(|word| stage["text"].as_str().unwrap().contains(word));
        assert_eq!(stage["step"], step);
        assert_eq!(stage["images_per_s"].as_f64().is_some_and(|rate| rate > 0.0), trains, "{stage}");
        assert!(!trains || stage["seconds"].as_f64().unwrap() > 0.0, "{stage}");
    }
    let sum: f64 = stages.iter().map(|stage| stage["seconds"].as_f64().unwrap()).sum();
    let (ending, whole) = (probe["ending"].as_f64().unwrap(), probe["seconds"].as_f64().unwrap());
    assert!((sum + ending - whole).abs() < 1e-6 && ending > 0.0, "{probe}");
    if cfg!(target_os = "linux") {
        // The weights alone are 3 MB.
        assert!(probe["peak_bytes"].as_u64().unwrap() > 10_000_000, "{probe}");
    }
    let after: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(before, after, "nothing is left");

    // What was predicted, and what the run takes: within a factor, as other programs share this machine.
    let begun = std::time::Instant::now();
    let out = scratch.path().join("run");
    fastai(&scratch).args(["run", "-q", "--device", "cpu", "--out"]).arg(&out).arg(&recipe).assert().success();
    let took = begun.elapsed().as_secs_f64();
    assert!((took / 20.0..took * 20.0).contains(&whole), "predicted {whole}, took {took}");

    let mut command = fastai(&scratch);
    let text = stdout(command.args(["plan", "--probe", "--device", "cpu", "--threads", "1"]).arg(&recipe));
    assert!(text.contains("the whole") && text.contains("peak memory") && text.contains("CPU"), "{text}");
    for option in [["--device", "cpu"], ["--threads", "1"]] {
        let message = stderr(fastai(&scratch).arg("plan").args(option).arg(&recipe), 2);
        assert!(message.contains("--probe"), "{message}");
    }
}

#[test]
fn the_plan_draws_the_learning_rate() {
    let scratch = TempDir::new().unwrap();
    let svg = scratch.path().join("rate.svg");
    let text = stdout(fastai(&scratch).args(["plan", "examples/quickstart.recipe", "--svg"]).arg(&svg));
    assert!(
        text.contains("0.001, 0.01, 0.1 to 0") && text.contains("of weights, gradients and the optimizer"),
        "{text}"
    );
    assert!(text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{text}");
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
}
