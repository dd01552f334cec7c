//! The program for tests, in the repository's root and on small data.
#![allow(dead_code)] // each test file calls a part of it

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// The repository's root.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The program, in the repository's root, with caches of its own.
pub fn fastai(scratch: &TempDir) -> Command {
    let mut command = Command::cargo_bin("fastai").unwrap();
    command.current_dir(ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
    command
}

/// A recipe on the first chips of the quickstart's data.
pub fn small(scratch: &TempDir) -> PathBuf {
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

/// What it says on its error output, if it ends with `code`.
pub fn stderr(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}
