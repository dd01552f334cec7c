//! Batches that do not fit into memory as a whole.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{fastai, stderr, stdout};
use crate::folder::summary;
use crate::small::small;
use crate::started::started;

/// The notes of the run's summary.
fn notes(run: &Path) -> Vec<String> {
    let summary = summary(run);
    summary["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_string()).collect()
}

/// The files of activations in a cache, by name.
fn activations(cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let paths = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let features = paths.filter(|path| path.extension().is_some_and(|end| end == "features"));
    features.map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn evaluation_with_little_memory_passes_in_parts_to_the_same_bytes() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let text = fs::read_to_string(&recipe).unwrap().replace("size: 32", "size: 64");
    let (before, _) = text.split_once("train: {").unwrap();
    let steps = "precompute(on); fit(0.05, 1); precompute(off); tta(n_aug = 1);";
    fs::write(&recipe, format!("{before}train: {{ {steps} }},\n}}\n")).unwrap();
    let plan = |more: &[&str]| stdout(fastai(&scratch).arg("plan").args(more).arg(&recipe));
    let unlimited: Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let [weights, maps] = ["weights", "activations"].map(|what| unlimited["memory"][0][what].as_u64().unwrap());
    // Three quarters of it have room for a third of the maps.
    let limit = ((weights + maps / 3) * 4 / 3).to_string();
    assert!(weights + maps > limit.parse().unwrap(), "{weights} and {maps}");
    let parts: Value = serde_json::from_str(&plan(&["--json", "--memory", &limit])).unwrap();
    assert_eq!(parts["parts"], serde_json::json!([4, 1, 1, 4]));
    let planned = plan(&["--memory", &limit]);
    assert!(planned.contains("of the activations of 4 images; estimated from the layers"), "{planned}");

    let run = |name: &str, memory: &[&str]| {
        let (out, cache) = (scratch.path().join(name), scratch.path().join(format!("{name}-cache")));
        let mut command = fastai(&scratch);
        command.args(["run", "-q", "--device", "cpu"]).args(memory).arg("--out").arg(&out);
        command.arg("--cache").arg(&cache).arg(&recipe).assert().success();
        let model = fs::read(out.join("models/final.safetensors")).unwrap();
        (notes(&out), activations(&cache), model, summary(&out)["tta"].clone())
    };
    let (whole, split) = (run("whole", &[]), run("split", &["--memory", &limit]));
    for step in ["step 1 `precompute(on)`", "step 4 `tta(n_aug = 1)`"] {
        let said = format!(
            "{step}: a batch of 16 does not fit into memory as a whole and passes the body in 4 parts of at most 4 images; the \
             results are those of whole batches"
        );
        assert!(planned.contains(&said) && split.0.contains(&said), "{planned}{:?}", split.0);
    }
    assert!(!whole.0.iter().any(|note| note.contains(" parts of ")), "{:?}", whole.0);
    assert!(whole.1.len() == 2 && whole.1 == split.1, "the activations differ");
    assert!(whole.2 == split.2, "the weights differ");
    assert_eq!(whole.3, split.3);

    let validate = |memory: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["validate", "--device", "cpu", "--json"]).args(memory).arg(scratch.path().join("whole"));
        let output = command.assert().success().get_output().clone();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (whole, split) = (validate(&[]), validate(&["--memory", &limit]));
    // A batch holds the 12 validation images.
    let parts = "passes the body in 3 parts of at most 4 images; the results are those of whole batches";
    assert!(split.1.contains(parts) && !whole.1.contains(" parts of "), "{}", split.1);
    let results = |stdout: &str| {
        let mut result: Value = serde_json::from_str(stdout).unwrap();
        (result["notes"].take().to_string(), result)
    };
    let (whole, split) = (results(&whole.0), results(&split.0));
    assert!(split.0.contains(parts) && !whole.0.contains(" parts of "), "{}", split.0);
    assert_eq!(whole.1, split.1);
    let mut command = fastai(&scratch);
    command.args(["validate", "-q", "--device", "cpu", "--memory", "1K"]).arg(scratch.path().join("whole"));
    let said = stderr(&mut command, 1);
    let (_, enough) = said.split_once("`--memory` allows 1.0 kB: `--memory ").unwrap_or_else(|| panic!("{said}"));
    validate(&["--memory", enough.split('`').next().unwrap()]);
}

#[test]
fn a_run_with_little_memory_trains_in_parts_and_says_so() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    // Long enough to be stopped.
    let text = fs::read_to_string(&recipe).unwrap().replace("0.05], 1)", "0.05], 8)");
    fs::write(&recipe, text).unwrap();
    let plan = |memory: &[&str]| -> Value {
        let plan = fastai(&scratch).args(["plan", "--json"]).args(memory).arg(&recipe).assert().success();
        serde_json::from_slice(&plan.get_output().stdout).unwrap()
    };
    let unlimited = plan(&[]);
    // The step that trains everything on images, whose maps take the most.
    let step = |k: usize, what: &str| unlimited["memory"][k][what].as_u64().unwrap();
    let [weights, activations] = ["weights", "activations"].map(|what| step(6, what));
    // Three quarters of it have room for a third of the maps.
    let limit = ((weights + activations / 3) * 4 / 3).to_string();
    assert!(weights + activations > limit.parse().unwrap(), "{weights} and {activations}");
    assert_eq!(plan(&["--memory", &limit])["parts"][6], 4);

    let out = |name: &str| scratch.path().join(name);
    let arguments = |name: &str| {
        let start = ["run", "--device", "cpu", "--memory", &limit, "--out"].map(Into::into);
        start.into_iter().chain([out(name).into_os_string(), recipe.clone().into_os_string()]).collect::<Vec<_>>()
    };
    fastai(&scratch).args(arguments("whole")).assert().success();
    let said = notes(&out("whole"));
    let parts = "step 7 `fit([0.001, 0.01, 0.05], 8)`: a batch of 16 does not fit into memory as a whole";
    assert!(said.iter().any(|note| note.contains(parts) && note.contains("4 parts of at most 4 images")), "{said:?}");

    // It goes on in these parts without being told, and ends with the same bytes.
    let stop_in_step_7 = |words: Vec<OsString>| {
        let words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
        let (mut child, lines) = started(&scratch, &[], &words, "[7/9] ");
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    };
    stop_in_step_7(arguments("stopped"));
    let said = stderr(fastai(&scratch).args(["run", "--device", "cpu", "--resume"]).arg(out("stopped")), 0);
    assert!(said.contains("goes on in step 7"), "{said}");
    let model = |name: &str| fs::read(out(name).join("models/final.safetensors")).unwrap();
    assert!(model("whole") == model("stopped"), "the weights differ");

    // One that began with whole batches goes on in parts in the middle of its fit, and its summary says so.
    let mut unlimited = arguments("shrunk");
    unlimited.drain(3..5);
    stop_in_step_7(unlimited);
    fastai(&scratch)
        .args(["run", "--device", "cpu", "--memory", &limit, "--resume"])
        .arg(out("shrunk"))
        .assert()
        .success();
    let said = notes(&out("shrunk"));
    let after_batches = |note: &String| note.contains("goes on in step 7 of 9, after ");
    assert!(said.iter().any(|note| note.contains(parts)) && said.iter().any(after_batches), "{said:?}");

    let mut little = arguments("little");
    little[4] = (weights / 2).to_string().into();
    let said = stderr(fastai(&scratch).args(little), 1);
    assert!(said.contains("smaller layers in `hidden`"), "{said}");
}
