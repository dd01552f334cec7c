//! What a new user begins with, and what other programs read.

use std::fs;

use crate::call::{fastai, stderr, stdout};
use crate::folder::summary;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn a_new_crate_has_a_sound_recipe_and_pictures() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path().join("cats-and-dogs");
    let text = stdout(fastai(&scratch).arg("new").arg(&folder));
    assert!(text.contains("recipe `CatsAndDogs`") && text.contains("120 pictures of two classes"), "{text}");
    let recipe = folder.join("cats-and-dogs.recipe");
    fastai(&scratch).arg("check").arg(&recipe).assert().success();
    fastai(&scratch).args(["fmt", "--check"]).arg(&recipe).assert().success();
    for file in [".gitignore", "README.md", "src/lib.rs", "src/main.rs", "tests/smoke.rs", "data/train/squares/59.png"]
    {
        let bytes = fs::read(folder.join(file)).unwrap();
        for part in ["{name}", "{recipe}", "{library}", "{dependency}"] {
            assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part} is left in {file}");
        }
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("fastai = {{ path = '{}'", env!("CARGO_MANIFEST_DIR"))), "{manifest}");
    assert!(fs::read_to_string(folder.join("src/main.rs")).unwrap().contains("use cats_and_dogs::CatsAndDogs;"));

    // What is to be typed can be: a shell would take the name of the folder apart.
    let only = scratch.path().join("my work/shapes");
    let text = stdout(fastai(&scratch).args(["new", "--recipe-only"]).arg(&only));
    assert!(text.contains(&format!("cd '{}' && fastai run shapes.recipe", only.display())), "{text}");
    assert!(only.join("shapes.recipe").is_file() && !only.join("Cargo.toml").exists());
    // Its pictures train, and none shows nearly the same as another.
    let mut command = fastai(&scratch);
    command
        .current_dir(&only)
        .args(["run", "-q", "--device", "cpu", "--out", "run", "shapes.recipe"])
        .assert()
        .success();
    let summary = summary(&only.join("run"));
    let reached = summary["final"]["metrics"][0]["value"].as_f64().unwrap();
    assert!(reached >= 0.9, "{reached}");
    assert!(!summary["notes"].to_string().contains("nearly the same"), "{}", summary["notes"]);

    assert!(stderr(fastai(&scratch).arg("new").arg(&only), 2).contains("exists"));
    assert!(
        stderr(fastai(&scratch).arg("new").arg(scratch.path().join("2 cats")), 2).contains("fastai new cats-and-dogs")
    );
    let taken = scratch.path().join("result");
    let message = stderr(fastai(&scratch).arg("new").arg(&taken), 2);
    assert!(message.contains(&format!("`fastai new {}-recipe`", taken.display())) && !taken.exists(), "{message}");
    let message = stderr(fastai(&scratch).args(["new", "x", "--fastai"]).arg(scratch.path()), 2);
    assert!(message.contains("the sources of fastai are not there"), "{message}");
}

/// A limit of the size of files is as a full disk.
#[cfg(unix)]
#[test]
fn a_crate_that_cannot_be_written_leaves_its_name_free() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path().join("deep/shapes");
    let mut limited = assert_cmd::Command::new("sh");
    limited.args(["-c", "ulimit -f 0; exec \"$0\" new \"$1\""]).arg(assert_cmd::cargo::cargo_bin("fastai"));
    let message = stderr(limited.arg(&folder), 1);
    assert!(message.contains("cannot write ") && message.contains("shapes"), "{message}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    // What was there before stays.
    fs::create_dir(scratch.path().join("deep")).unwrap();
    stderr(&mut limited, 1);
    assert!(scratch.path().join("deep").is_dir() && !folder.exists());
    fastai(&scratch).arg("new").arg(&folder).assert().success();
}

#[test]
fn findings_are_json_for_other_programs() {
    let scratch = TempDir::new().unwrap();
    let bad = scratch.path().join("bad.recipe");
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.recipe")).unwrap();
    fs::write(&bad, text.replace("top_down", "topdown")).unwrap();
    let mut command = fastai(&scratch);
    command.args(["check", "--json", "examples/quickstart.recipe"]).arg(&bad).arg("no/such.recipe");
    let output = command.assert().code(2).get_output().clone();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = value["files"].as_array().unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&files[0]), "file findings fine more recipe steps summary");
    assert_eq!(keys(&files[1]["findings"][0]), "also code help message note place severity");
    assert_eq!(keys(&files[1]["findings"][0]["place"]), "column end end_column end_line line start");
    assert_eq!(keys(&files[2]), "error file");
    assert_eq!((files.len(), &files[0]["fine"], &files[0]["recipe"]), (3, &true.into(), &"QuickStart".into()));
    assert_eq!((&files[1]["fine"], &files[1]["steps"]), (&false.into(), &Value::Null));
    let finding = &files[1]["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"E0206".into(), &"error".into()));
    assert!(finding["help"].as_str().unwrap().contains("`top_down`"), "{finding}");
    let place = &finding["place"];
    let (start, end) = (place["start"].as_u64().unwrap() as usize, place["end"].as_u64().unwrap() as usize);
    assert_eq!(&fs::read_to_string(&bad).unwrap()[start..end], "topdown");
    assert_eq!((place["line"].as_u64(), place["column"].as_u64()), (Some(15), Some(17)));
    assert!(files[2]["error"].as_str().unwrap().contains("no/such.recipe"), "{value}");
}
