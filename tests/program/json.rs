//! Every field of the program's JSON is in JSON.md, and every field of JSON.md occurs.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::call::{ROOT, fastai, stdout};
use crate::folder::summary;
use crate::json_page::JsonPage;
use crate::small::small;

/// The recipe of [`small`] in another file, with other steps and without a limit of the gradients.
fn with_steps(scratch: &TempDir, name: &str, steps: &str) -> PathBuf {
    let text = fs::read_to_string(scratch.path().join("small.recipe")).unwrap().replace("clip: 1.0,", "");
    let (sections, _) = text.split_once("    train: {").unwrap();
    let file = scratch.path().join(name).with_extension("recipe");
    fs::write(&file, format!("/// Chips.\n{sections}    train: {{ {steps} }},\n}}\n")).unwrap();
    file
}

fn chip(image: usize) -> PathBuf {
    Path::new(ROOT).join(format!("examples/data/globe/train-jpg/train_{image}.jpg"))
}

/// A recipe on images of two classes, with a labelled test set.
fn of_classes(scratch: &TempDir) -> PathBuf {
    let root = scratch.path().join("classes");
    for image in 0..36 {
        let folder = root.join(if image < 24 { "train" } else { "test" }).join(["forest", "sea"][image % 2]);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(chip(image), folder.join(format!("{image}.jpg"))).unwrap();
    }
    let text = format!(
        "Classes {{ task: single_label, data: folders {{ root: {root:?}, valid: stratified(0.3), test: \"test\", batch: 8, \
         resize_to: 48 }}, transforms: side_on {{ size: 32 }}, \
         model: squeezenet1_1 {{ weights: \"examples/data/squeezenet1_1.safetensors\" }}, metrics: [accuracy, log_loss], \
         train: {{ fit(0.005, 1); tta(n_aug = 1); }} }}"
    );
    let file = scratch.path().join("classes.recipe");
    fs::write(&file, text).unwrap();
    file
}

/// A recipe on images with a number each, and a network of random weights.
fn of_numbers(scratch: &TempDir) -> PathBuf {
    let rows: String = (0..24).map(|image| format!("train_{image},{}.5\n", image % 5)).collect();
    fs::write(scratch.path().join("numbers.csv"), format!("name,red\n{rows}")).unwrap();
    let text = format!(
        "Numbers {{ task: regression, data: csv {{ root: {:?}, labels: \"numbers.csv\", images: \"chips/train-jpg\", \
         suffix: \".jpg\", batch: 8 }}, transforms: none {{ size: 32 }}, model: squeezenet1_1 {{ weights: none, hidden: [8] }}, \
         metrics: [mae], train: {{ fit(0.005, 1); }} }}",
        scratch.path()
    );
    let file = scratch.path().join("numbers.recipe");
    fs::write(&file, text).unwrap();
    file
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// The documents of a recipe whose run ends, and its folder.
fn run(scratch: &TempDir, page: &mut JsonPage, recipe: &Path, more: &[&str], code: i32) -> PathBuf {
    let out = recipe.with_extension("run");
    let mut command = fastai(scratch);
    // Numbers of 16 bits, for recipes that ask for them.
    command.args(["run", "-q", "--device", "cpu", "--out"]).arg(&out).arg(recipe).env("FASTAI_SOFTWARE_HALF", "bf16");
    command.args(more).assert().code(code);
    page.compare("Summary", &summary(&out));
    out
}

/// The metadata of an ONNX file, where each name and its value are strings of a Protobuf message.
fn metadata(file: &Path) -> Value {
    let bytes = fs::read(file).unwrap();
    let names = ["recipe", "text", "architecture", "task", "classes", "threshold", "preprocessing"];
    let fields = names.map(|name| {
        let key = format!("fastai.{name}\u{12}");
        let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len();
        let digits = bytes[at..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let length = bytes[at..at + digits].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        (name.to_string(), serde_json::from_slice(&bytes[at + digits..][..length]).unwrap())
    });
    assert_eq!(bytes.windows(7).filter(|window| window == b"fastai.").count(), names.len(), "all metadata");
    Value::Object(Map::from_iter(fields))
}

fn export(scratch: &TempDir, page: &mut JsonPage, run: &Path) {
    let file = scratch.path().join("model.onnx");
    fastai(scratch).args(["export", "--out"]).arg(&file).arg(run).assert().success();
    page.compare("Export", &metadata(&file));
}

/// `predict` in both forms.
fn predict(scratch: &TempDir, page: &mut JsonPage, run: &Path, more: &[&str]) {
    let broken = scratch.path().join("broken.jpg");
    fs::write(&broken, b"no image").unwrap();
    let said = |form: &str| {
        let mut command = fastai(scratch);
        command.args(["predict", "-q", form]).args(more).arg(run).args([&chip(0), &broken, &chip(1)]);
        String::from_utf8(command.assert().code(1).get_output().stdout.clone()).unwrap()
    };
    let whole = json(&said("--json"));
    page.compare("Predict", &whole);
    let lines: Vec<Value> = said("--jsonl").lines().map(json).collect();
    lines.iter().for_each(|line| page.compare("Answer", line));
    // One form for all.
    assert_eq!((&lines[0], &lines[1]), (&whole["images"][0], &whole["unreadable"][0]));
}

fn validate(scratch: &TempDir, page: &mut JsonPage, run: &Path, more: &[&str]) {
    let text = stdout(fastai(scratch).args(["validate", "-q", "--json"]).args(more).arg(run));
    page.compare("Validate", &json(&text));
}

fn check_and_plan(scratch: &TempDir, page: &mut JsonPage, tags: &Path) {
    let bad = scratch.path().join("bad.recipe");
    fs::write(&bad, "Bad { task: single_label, task: multi_label, data: folders { root: \"x\", batch: 1 } }").unwrap();
    let known = scratch.path().join("small.recipe");
    fastai(scratch).arg("prepare").arg(&known).assert().success();
    let check = |arguments: &[&str], file: &Path, code: i32| {
        let mut command = fastai(scratch);
        let output = command.args(["check", "--json", "no/such.recipe"]).args(arguments).arg(file).assert().code(code);
        json(&String::from_utf8(output.get_output().stdout.clone()).unwrap())
    };
    page.compare("Check", &check(&[], &bad, 2));
    page.compare("Check", &check(&["--set", "data.batch=32"], &known, 2));

    let plan = |arguments: &[&str], file: &Path| {
        json(&stdout(fastai(scratch).args(["plan", "--json"]).args(arguments).arg(file)))
    };
    page.compare("Plan", &plan(&["--memory", "4G", "--probe", "--device", "cpu"], tags));
    page.compare("Plan", &plan(&["--set", "data.root=no/such/folder"], tags));
}

fn bench(page: &mut JsonPage) {
    for more in [&["--layers"][..], &["--mode", "train", "--precision", "mixed"]] {
        let mut command = Command::cargo_bin("fastai").unwrap();
        command.args(["bench", "--arch", "squeezenet1_1", "--size", "32", "--batch", "2", "--runs", "2", "--json"]);
        page.compare("Bench", &json(&stdout(command.args(more).env("FASTAI_SOFTWARE_HALF", "bf16"))));
    }
}

fn sweeps(scratch: &TempDir, page: &mut JsonPage) {
    let head = with_steps(scratch, "head", "precompute(on); let lr = 0.1; fit(lr, 8);");
    let whole = with_steps(scratch, "whole", "unfreeze(); let lr = 0.1; fit(lr, 4);");
    let sweeps: [(&Path, &[&str]); 3] = [
        // Rates that fall behind, one of them diverged; one that fails in every fold; scores that cannot be compared, one ruined.
        (&head, &["--over", "lr=0.05,0.1,9,10", "--halving", "on", "--set", "metrics=[log_loss]"]),
        (&whole, &["--over", "lr=1e-3,10", "--folds", "2"]),
        (&head, &["--over", "lr=0.1,10", "--over", "data.valid=random(0.2),random(0.4)"]),
    ];
    for (number, (recipe, more)) in sweeps.into_iter().enumerate() {
        let out = scratch.path().join(format!("sweep-{number}"));
        let mut command = fastai(scratch);
        command.args(["sweep", "-q", "--device", "cpu", "--out"]).arg(&out).args(more).arg(recipe).assert().success();
        page.compare("Sweep", &json(&fs::read_to_string(out.join("sweep.json")).unwrap()));
    }
}

#[cfg(feature = "serve")]
fn serve(page: &mut JsonPage, run: &Path) {
    use crate::serve::{FORM, Server, form};
    for more in [&[][..], &["--threshold", "0.3"]] {
        let server = Server::of(run, more);
        let mut compare = |title: &str, text: String| page.compare(title, &json(&text));
        compare("Model", server.get("/model").text());
        compare("Health", server.get("/health").text());
        compare("Refusal", server.get("/nothing").text());
        let chip = fs::read(chip(0)).unwrap();
        compare("Answer", server.post("/predict", "image/jpeg", &chip).text());
        compare("Refusal", server.post("/predict", "image/jpeg", b"no image").text());
        let files = form(&[("a.jpg", &chip), ("b.jpg", b"no image")]);
        compare("Form", server.post("/predict?top=2", FORM, &files).text());
    }
}

/// Fields that no command here can be made to have, with the feature or on the system.
fn does_not_occur(title: &str, field: &str) -> bool {
    let is_of_server = ["Form", "Model", "Health", "Refusal"].contains(&title) && cfg!(not(feature = "serve"));
    let is_peak = field.contains("peak_") && cfg!(not(target_os = "linux"));
    // The tests have too few images of which some vary where the training images do not.
    let is_of_norms = field == "stages[].judgement.bounded";
    is_of_server || is_peak || is_of_norms || (title, field) == ("Health", "error")
}

#[test]
fn the_page_of_json_says_what_the_program_says() {
    let scratch = TempDir::new().unwrap();
    let mut page = JsonPage::read();
    page.compare_examples();
    small(&scratch);

    let tags = with_steps(
        &scratch,
        "tags",
        "precompute(on); let lr = lr_find(or = 0.1, iters = 20); fit(lr, 1); precompute(off); unfreeze(); \
         fit([1e-3, 1e-2, 0.05], 1); save(\"all\"); load(\"all\"); tta(n_aug = 1);",
    );
    check_and_plan(&scratch, &mut page, &tags);
    let searched = ["--set", "metrics=[f2(threshold = search_each), f2(threshold = search)]"];
    let mixed = [&searched[..], &["--set", "precision=mixed"]].concat();
    let tags = run(&scratch, &mut page, &tags, &mixed, 0);
    predict(&scratch, &mut page, &tags, &[]);
    predict(&scratch, &mut page, &tags, &["--threshold", "0.3", "--top", "2"]);
    let other = scratch.path().join("chips");
    validate(&scratch, &mut page, &tags, &["--data", other.to_str().unwrap()]);
    export(&scratch, &mut page, &tags);
    #[cfg(feature = "serve")]
    serve(&mut page, &tags);

    for recipe in [of_classes(&scratch), of_numbers(&scratch)] {
        let out = run(&scratch, &mut page, &recipe, &[], 0);
        predict(&scratch, &mut page, &out, &[]);
        validate(&scratch, &mut page, &out, &[]);
        export(&scratch, &mut page, &out);
    }

    // Runs that go wrong: that learn by heart, that fail after a step that diverged, and whose folds diverge.
    let learned = with_steps(&scratch, "learned", "precompute(on); fit(0.1, 40);");
    run(&scratch, &mut page, &learned, &[], 0);
    let steps = "precompute(on); fit(10, 4); precompute(off); unfreeze(); fit(10, 3); fit(10, 3);";
    run(&scratch, &mut page, &with_steps(&scratch, "failed", steps), &[], 1);
    let folds = ["--set", "data.valid=folds(2)"];
    let lost = with_steps(
        &scratch,
        "lost",
        "precompute(on); let lr = lr_find(or = 0.1, iters = 20); fit(10, 4); precompute(off); tta(n_aug = 1);",
    );
    let lost = run(&scratch, &mut page, &lost, &folds, 0);
    export(&scratch, &mut page, &lost.join("folds/1"));
    let ensemble = with_steps(&scratch, "ensemble", "precompute(on); fit(0.1, 1);");
    run(&scratch, &mut page, &ensemble, &[&folds[..], &searched].concat(), 0);

    bench(&mut page);
    sweeps(&scratch, &mut page);
    let differences = page.differences(does_not_occur);
    assert!(differences.is_empty(), "JSON.md and the program differ:\n{}", differences.join("\n"));
}
