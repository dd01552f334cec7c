//! What the program says of a run whose training failed, and of its models.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr};
use crate::small::small;

/// The small recipe at a rate at which its head diverges, and is still made of numbers.
fn diverging(scratch: &TempDir) -> PathBuf {
    let file = small(scratch);
    let text = fs::read_to_string(&file).unwrap();
    let (sections, _) = text.split_once("    train: {").unwrap();
    let steps = "precompute(on); fit(10, 4); save(\"bad\");";
    fs::write(&file, format!("{sections}    train: {{ {steps} }},\n}}\n")).unwrap();
    file
}

#[test]
fn who_uses_a_model_that_diverged_is_warned_in_one_line() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (diverging(&scratch), scratch.path().join("run"));
    fastai(&scratch).args(["run", "--quiet", "--device", "cpu", "--out"]).arg(&out).arg(&recipe).assert().success();
    let image = Path::new(ROOT).join("examples/data/globe/train-jpg/train_0.jpg");
    let warnings = |arguments: &[&str], model: &Path| -> Vec<String> {
        let mut command = fastai(&scratch);
        command.arg(arguments[0]).arg(model).args(&arguments[1..]);
        if arguments[0] == "predict" {
            command.arg(&image);
        }
        let said = stderr(&mut command, 0);
        said.lines()
            .filter(|line| line.starts_with("warning: ") && line.contains("diverged"))
            .map(str::to_string)
            .collect()
    };
    let onnx = scratch.path().join("model.onnx");
    let submission = scratch.path().join("submission.csv");
    let images = scratch.path().join("chips/train-jpg");
    for arguments in [
        &["predict"][..],
        &["validate"],
        &["export", "--out", onnx.to_str().unwrap()],
        &["submit", "--images", images.to_str().unwrap(), "--out", submission.to_str().unwrap()],
    ] {
        let said = warnings(arguments, &out);
        let begins = format!("warning: {}: step 2 diverged; the run ends with f2 ", out.display());
        assert!(said.len() == 1 && said[0].starts_with(&begins), "{arguments:?}: {said:?}");
        assert!(said[0].ends_with("what the network predicts cannot be trusted"), "{arguments:?}: {said:?}");
    }
    // The model that was saved when the weights had diverged, by its name and by its file.
    let bad = out.join("models/bad.safetensors");
    for said in [warnings(&["predict", "--model", "bad"], &out), warnings(&["predict"], &bad)] {
        assert!(said.len() == 1 && said[0].contains(": step 2 diverged before the model was saved; "), "{said:?}");
    }
    // `--quiet` is for what passes by, as in `fastai run`: a warning stays.
    assert_eq!(warnings(&["predict", "--quiet"], &out).len(), 1);
    assert_eq!(warnings(&["validate", "--quiet"], &out).len(), 1);
    let quiet = ["submit", "-q", "--images", images.to_str().unwrap(), "--out", submission.to_str().unwrap()];
    assert_eq!(warnings(&quiet, &out).len(), 1);
    // A server that finds its port taken ends.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = stderr(fastai(&scratch).args(["serve", "-q", "--listen", &address]).arg(&out), 1);
    assert!(said.contains(&format!("warning: {}: step 2 diverged; ", out.display())), "{said}");
    // Of a file alone its run is not known.
    let alone = scratch.path().join("alone.safetensors");
    fs::copy(&bad, &alone).unwrap();
    assert!(warnings(&["predict"], &alone).is_empty());
}
