//! Where the program writes what it is asked for.

use std::fs;

use tempfile::TempDir;

use crate::call::{fastai, stderr};

const RECIPE: &str = "examples/quickstart.recipe";
const CHIP: &str = "examples/data/globe/train-jpg/train_0.jpg";

#[test]
fn only_a_file_of_the_same_kind_is_replaced() {
    let scratch = TempDir::new().unwrap();
    let mine = scratch.path().join("mine.recipe");
    fs::write(&mine, "mine").unwrap();
    // Refused before anything else is looked at.
    for (args, ending) in [
        (&["plan", RECIPE, "--svg"][..], "`.svg`: give `--svg` another file"),
        (&["show", RECIPE, "--out"], "`.html` or `.htm`: give `--out` another file"),
        (&["export", "no/run", "--out"], "`.onnx`: give `--out` another file"),
        (&["submit", "no/run", "--out"], "`.csv` or `.gz`: give `--out` another file"),
        (&["classify", CHIP, "--arch", "squeezenet1_1", "--logits"], "`.npy`: give `--logits` another file"),
    ] {
        let message = stderr(fastai(&scratch).args(args).arg(&mine), 2);
        assert!(message.contains("mine.recipe exists and does not end with ") && message.contains(ending), "{message}");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine", "{args:?}");
    }
    // What the command wrote before, and what is empty.
    let (curve, made) = (scratch.path().join("curve.svg"), scratch.path().join("made"));
    fs::write(&made, "").unwrap();
    for file in [&curve, &curve, &made] {
        fastai(&scratch).args(["plan", RECIPE, "--svg"]).arg(file).assert().success();
        assert!(fs::read_to_string(file).unwrap().starts_with("<svg"));
    }
}

#[test]
fn a_missing_folder_is_named_and_no_temporary_file() {
    let scratch = TempDir::new().unwrap();
    let nope = scratch.path().join("nope");
    let file = nope.join("x.svg");
    let message = stderr(fastai(&scratch).args(["plan", RECIPE, "--svg"]).arg(&file), 1);
    let said = format!("cannot write {}: there is no folder {}\n", file.display(), nope.display());
    assert!(message.ends_with(&said), "{message}");
}

/// A limit of the size of files is as a full disk: the recipe is sound, so it is the command that failed.
#[cfg(unix)]
#[test]
fn a_formatted_file_that_cannot_be_written_is_a_failure_and_stays() {
    let scratch = TempDir::new().unwrap();
    let file = scratch.path().join("a.recipe");
    fs::write(&file, "A{task:x}").unwrap();
    let mut limited = assert_cmd::Command::new("sh");
    limited.args(["-c", "ulimit -f 0; exec \"$0\" fmt \"$1\""]).arg(assert_cmd::cargo::cargo_bin("fastai")).arg(&file);
    let message = stderr(&mut limited, 1);
    assert!(message.contains("cannot write ") && message.contains("a.recipe"), "{message}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "A{task:x}");
}
