//! The program as a user meets it: exit codes, messages, a run from file to folder.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The program, in the repository's root, with caches of its own.
fn fastai(scratch: &TempDir) -> Command {
    let mut command = Command::cargo_bin("fastai").unwrap();
    command.current_dir(ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
    command
}

/// A recipe on the first chips of the quickstart's data.
fn small(scratch: &TempDir) -> PathBuf {
    let data = scratch.path().join("chips");
    let images = data.join("train-jpg");
    fs::create_dir_all(&images).unwrap();
    let csv = fs::read_to_string(Path::new(ROOT).join("examples/data/globe/train_v2.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().take(61).collect();
    for row in &rows[1..] {
        let name = format!("{}.jpg", row.split(',').next().unwrap());
        fs::copy(Path::new(ROOT).join("examples/data/globe/train-jpg").join(&name), images.join(&name)).unwrap();
    }
    fs::write(data.join("train_v2.csv"), rows.join("\n")).unwrap();
    let file = scratch.path().join("small.recipe");
    let text = format!(
        "Small {{\n    task: multi_label,\n    data: csv {{ root: {:?}, labels: \"train_v2.csv\", images: \"train-jpg\", \
         suffix: \".jpg\", batch: 16 }},\n    transforms: top_down {{ size: 32 }},\n    \
         model: squeezenet1_1 {{ weights: \"examples/data/squeezenet1_1.safetensors\", hidden: [32] }},\n    \
         metrics: [f2],\n    clip: 1.0,\n    train: {{\n        precompute(on);\n        let lr = lr_find(or = 0.1, iters = 20);\n        \
         fit(lr, 1);\n        precompute(off);\n        fit(0.05, 1, cycle_len = 1);\n        unfreeze();\n        \
         fit([1e-3, 1e-2, 0.05], 1);\n        save(\"all\");\n        tta(n_aug = 1);\n    }},\n}}\n",
        data.to_str().unwrap()
    );
    fs::write(&file, text).unwrap();
    file
}

fn stderr(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_good_recipe_is_fine_and_a_bad_one_shows_every_mistake() {
    let scratch = TempDir::new().unwrap();
    fastai(&scratch).args(["check", "examples/quickstart.recipe"]).assert().success();

    let bad = scratch.path().join("bad.recipe");
    let text = fs::read_to_string(Path::new(ROOT).join("examples/quickstart.recipe")).unwrap();
    fs::write(&bad, text.replace("top_down", "topdown").replace("squeezenet1_1 {", "squeezenet {")).unwrap();
    let message = stderr(fastai(&scratch).arg("check").arg(&bad), 2);
    for part in
        ["error[E0206]", "did you mean `top_down`?", "error[E0207]", "did you mean `squeezenet1_1`?", "2 errors"]
    {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
    assert!(message.contains(&format!("{}:15:17", bad.display())), "{message}");

    let message = stderr(fastai(&scratch).args(["check", "no/such.recipe"]), 2);
    assert!(message.contains(&format!("{ROOT}/no/such.recipe")), "{message}");
}

#[test]
fn the_plan_counts_without_training() {
    let scratch = TempDir::new().unwrap();
    let output = fastai(&scratch).args(["plan", "examples/quickstart.recipe", "--json"]).assert().success();
    let plan: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(plan["plan"]["facts"]["train"], 828);
    let epochs: u64 = plan["plan"]["stages"].as_array().unwrap().iter().map(|s| s["epochs"].as_u64().unwrap()).sum();
    assert_eq!(epochs, 7);
    let output = fastai(&scratch).args(["plan", "examples/quickstart.recipe"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(text.contains("0.001, 0.01, 0.1") && text.contains("lr1") && text.contains("531,463"), "{text}");
}

#[test]
fn explain_knows_codes_lints_and_words() {
    let scratch = TempDir::new().unwrap();
    let output = fastai(&scratch).args(["explain", "E0404"]).assert().success();
    assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("one a group"));
    let output = fastai(&scratch).args(["explain", "fit"]).assert().success();
    assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("cycle_mult"));
    let output = fastai(&scratch).arg("explain").assert().success();
    let list = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(["E0404", "long_run", "squeezenet1_1", "lr_find"].iter().all(|topic| list.contains(topic)), "{list}");
    assert!(stderr(fastai(&scratch).args(["explain", "long_rum"]), 2).contains("did you mean `long_run`?"));
}

#[test]
fn a_run_leaves_its_folder_and_the_same_weights_on_one_thread_and_on_two() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let mut models = Vec::new();
    for threads in ["1", "2"] {
        let out = scratch.path().join(threads);
        let output = fastai(&scratch)
            .args(["run", "--device", "cpu", "--threads", threads, "--out"])
            .arg(&out)
            .arg(&recipe)
            .assert()
            .success();
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        assert!(text.contains("final: f2") && text.contains("tta: f2") && text.contains("run folder:"), "{text}");
        assert!(text.contains(&format!("report: {}", out.join("report.html").display())), "{text}");
        let log = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        // The first run builds the cache of activations, the second says that it found it.
        assert!(log.contains(if threads == "1" { "made the cache" } else { "found the cache" }), "{log}");
        let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["status"], "complete");
        assert_eq!(summary["counts"]["valid"], 12);
        let files =
            ["recipe.recipe", "history.csv", "report.html", "models/all.safetensors", "models/final.safetensors"];
        assert!(files.iter().all(|f| out.join(f).is_file()), "{out:?}");
        models.push(fs::read(out.join("models/final.safetensors")).unwrap());
        // The canonical text in the folder is a recipe that checks.
        fastai(&scratch).arg("check").arg(out.join("recipe.recipe")).assert().success();
    }
    assert!(models[0] == models[1], "the weights differ");

    let message = stderr(fastai(&scratch).arg("run").arg(&recipe).arg("--out").arg(scratch.path().join("1")), 1);
    assert!(message.contains(&scratch.path().join("1").display().to_string()), "{message}");
}

#[test]
fn a_smoke_run_is_marked_as_such() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("smoke");
    let output =
        fastai(&scratch).args(["run", "--smoke", "--quiet", "--out"]).arg(&out).arg(&recipe).assert().success();
    assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("numbers mean nothing"));
    let summary: Value = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["smoke"], true);
}

#[test]
fn what_is_wrong_is_named_before_anything_is_trained() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("out");
    let run = |set: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["run", "--quiet", "--out"]).arg(&out).arg(&recipe);
        for s in set {
            command.args(["--set", s]);
        }
        command
    };

    let message = stderr(&mut run(&["data.root=no/such/folder"]), 1);
    assert!(message.contains(&format!("{ROOT}/no/such/folder")), "{message}");

    let message = stderr(&mut run(&["model.weights=no/such.safetensors"]), 1);
    assert!(message.contains("no/such.safetensors"), "{message}");

    let foreign = scratch.path().join("foreign.safetensors");
    fs::copy(Path::new(ROOT).join("fastai-runtime/tests/golden/head.safetensors"), &foreign).unwrap();
    let message = stderr(&mut run(&[&format!("model.weights={}", foreign.display())]), 1);
    assert!(message.contains("foreign.safetensors") && message.contains("squeezenet1_1"), "{message}");

    let message = stderr(&mut run(&["data.batch=0"]), 2);
    assert!(message.contains("E0302") && message.contains("`batch` must be"), "{message}");

    let images = scratch.path().join("chips/train-jpg");
    let chip = fs::read(images.join("train_3.jpg")).unwrap();
    fs::write(images.join("train_3.jpg"), &chip[..chip.len() / 2]).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains("train_3.jpg"), "{message}");

    fs::remove_file(images.join("train_5.jpg")).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains("train_v2.csv") && message.contains("train_5.jpg"), "{message}");

    let labels = scratch.path().join("chips/train_v2.csv");
    fs::remove_file(&labels).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains(&labels.display().to_string()), "{message}");

    assert!(!out.exists(), "nothing half written");
}

/// `/dev/full` says "no space left" to every write.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let message = stderr(fastai(&scratch).args(["run", "--quiet", "--out", "/proc/no/run"]).arg(&recipe), 1);
    assert!(message.contains("/proc/no/run"), "{message}");
}
