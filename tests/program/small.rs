//! Runs of seconds.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::call::ROOT;

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

/// A recipe on images in `folder`, in a folder per class.
pub fn of_classes(name: &str, folder: &Path) -> String {
    format!(
        "{name} {{ task: single_label, data: folders {{ root: {:?}, train: \".\", valid: stratified(0.3), batch: 8 }}, \
         transforms: side_on {{ size: 32 }}, model: squeezenet1_1 {{ weights: \"examples/data/squeezenet1_1.safetensors\" }}, \
         metrics: [accuracy], train: {{ fit(0.005, 1); }} }}",
        folder.to_str().unwrap()
    )
}
