//! What the program says of a regression, whose answer is a number.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::call::{ROOT, fastai, stdout};

#[test]
fn a_number_is_said_as_a_number() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, images) = (scratch.path().join("run"), scratch.path().join("images"));
    fs::create_dir(&images).unwrap();
    let mut rows = "name,red\n".to_string();
    for i in 0..24 {
        let chip = Path::new(ROOT).join(format!("examples/data/globe/train-jpg/train_{i}.jpg"));
        fs::copy(chip, images.join(format!("{i}.jpg"))).unwrap();
        rows += &format!("{i},{}.5\n", i % 5);
    }
    fs::write(scratch.path().join("labels.csv"), rows).unwrap();
    let recipe = scratch.path().join("a.recipe");
    let text = format!(
        "Reg {{ task: regression, data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"images\", suffix: \".jpg\", \
         batch: 8 }}, transforms: none {{ size: 32 }}, \
         model: squeezenet1_1 {{ weights: \"examples/data/squeezenet1_1.safetensors\", hidden: [8] }}, metrics: [mae], \
         train: {{ fit(0.005, 1); }} }}",
        scratch.path()
    );
    fs::write(&recipe, text).unwrap();
    stdout(fastai(&scratch).args(["run", "-q", "--device", "cpu", "--out"]).arg(&run).arg(&recipe));

    let image = images.join("3.jpg");
    let said = |how: &[&str]| stdout(fastai(&scratch).args(["predict", "-q"]).args(how).arg(&run).arg(&image));
    let value: Value = serde_json::from_str(&said(&["--jsonl"])).unwrap();
    let number = value["value"].as_f64().unwrap();
    let file = image.to_str().unwrap();
    assert_eq!(said(&[]), format!("# Reg, a number for each image: red\n{file}\t{number:.4}\n"));
    assert_eq!(value, json!({ "file": file, "value": number }));
    let whole: Value = serde_json::from_str(&said(&["--json"])).unwrap();
    assert_eq!(whole["images"], json!([value]));
    let csv = said(&["--csv"]);
    let (header, row) = csv.split_once('\n').unwrap();
    let (name, cell) = row.trim_end().rsplit_once(',').unwrap();
    assert_eq!((header, name), ("file,red", file));
    assert!((cell.parse::<f64>().unwrap() - number).abs() < 1e-6, "{csv}");

    let submitted = stdout(fastai(&scratch).args(["submit", "-q"]).arg(&run).arg("--images").arg(&images));
    assert!(submitted.ends_with("24 rows, plain predictions; red: the predicted red\n"), "{submitted}");
    let rows = fs::read_to_string(run.join("submission.csv")).unwrap();
    let row = rows.lines().find_map(|row| row.strip_prefix("3,")).unwrap();
    assert!(rows.starts_with("id,red\n") && (row.parse::<f64>().unwrap() - number).abs() < 1e-4, "{rows}");
}
