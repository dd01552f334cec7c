//! Batches that do not fit into memory as a whole.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{fastai, stderr};
use crate::folder::summary;
use crate::small::small;
use crate::started::started;

/// The notes of the run's summary.
fn notes(run: &Path) -> Vec<String> {
    let summary = summary(run);
    summary["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_string()).collect()
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
    let words = arguments("stopped");
    let words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    let (mut child, lines) = started(&scratch, &[], &words, "[7/9] ");
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    let said = stderr(fastai(&scratch).args(["run", "--device", "cpu", "--resume"]).arg(out("stopped")), 0);
    assert!(said.contains("goes on in step 7"), "{said}");
    let model = |name: &str| fs::read(out(name).join("models/final.safetensors")).unwrap();
    assert!(model("whole") == model("stopped"), "the weights differ");

    let mut little = arguments("little");
    little[4] = (weights / 2).to_string().into();
    let said = stderr(fastai(&scratch).args(little), 1);
    assert!(said.contains("smaller layers in `hidden`"), "{said}");
}
