//! How a run ends before its end, and what is said then: another run than the one asked for, a full disk, data that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::small::{of_classes, small};
#[cfg(unix)]
use crate::started::started_run;

/// A run of a recipe with one class an image, of two batches.
fn run_of_classes(scratch: &TempDir) -> PathBuf {
    copy_chips(&scratch.path().join("classes"), 0..24, |image| format!("train_{image}.jpg"));
    let recipe = scratch.path().join("classes.recipe");
    fs::write(&recipe, of_classes("Classes", &scratch.path().join("classes"))).unwrap();
    let run = scratch.path().join("classified");
    fastai(scratch)
        .args(["run", "-q", "--smoke", "--device", "cpu", "--out"])
        .arg(&run)
        .arg(&recipe)
        .assert()
        .success();
    run
}

/// Copies chips with these numbers into the folders of two classes, under these names.
fn copy_chips(folder: &Path, images: std::ops::Range<usize>, name: impl Fn(usize) -> String) {
    let globe = Path::new(ROOT).join("examples/data/globe/train-jpg");
    for image in images {
        let class = folder.join(["forest", "sea"][image % 2]);
        fs::create_dir_all(&class).unwrap();
        fs::copy(globe.join(format!("train_{image}.jpg")), class.join(name(image))).unwrap();
    }
}

#[test]
fn a_model_without_held_out_images_is_measured_on_another_folder() {
    let scratch = TempDir::new().unwrap();
    run_of_classes(&scratch);
    // As `run_of_classes`, of a folder `train`, and without held-out images.
    let root = scratch.path().join("whole");
    fs::create_dir(&root).unwrap();
    fs::rename(scratch.path().join("classes"), root.join("train")).unwrap();
    let text = of_classes("Whole", &root).replace("train: \".\", valid: stratified(0.3)", "valid: all");
    let (recipe, run) = (scratch.path().join("whole.recipe"), scratch.path().join("run"));
    fs::write(&recipe, text).unwrap();
    fastai(&scratch).args(["run", "-q", "--device", "cpu", "--out"]).arg(&run).arg(&recipe).assert().success();

    let said = stderr(fastai(&scratch).args(["validate", "-q"]).arg(&run), 1);
    let way = "nothing to measure on; `fastai validate RUN --data DIR` measures on all images of another folder";
    assert!(said.contains(way), "{said}");
    let measured = |folder: &Path| {
        let mut command = fastai(&scratch);
        let output = command.args(["validate", "--data"]).arg(folder).arg(&run).assert().success().get_output().clone();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    // Of the same layout, and of one folder a class.
    let trained = "the run trained on these images, so this is no measure of new ones";
    let [whole, said] = measured(&root);
    assert!(whole.contains("24 images of all") && said.contains(trained), "{whole}{said}");
    let classes = root.join("train");
    let [directly, said] = measured(&classes);
    let note = format!("the classes lie directly in {}: all images there are measured", classes.display());
    assert!(said.contains(&note) && said.contains(trained), "{said}");
    assert_eq!(directly, whole);

    // Copies of some, among others, and under other names.
    let mixed = scratch.path().join("mixed");
    copy_chips(&mixed, 12..48, |image| format!("{}.jpg", image + 900));
    let [_, said] = measured(&mixed);
    let some = "the run trained on 12 of these 36 images, by their contents, so this is a poor measure of new ones";
    assert!(said.contains(some), "{said}");
    let quiet = stderr(fastai(&scratch).args(["validate", "-q", "--data"]).arg(&mixed).arg(&run), 0);
    assert!(quiet.contains(some), "what limits the measurement belongs to the result: {quiet}");
    let foreign = scratch.path().join("foreign");
    copy_chips(&foreign, 24..48, |image| format!("{}.jpg", image - 24));
    let [_, said] = measured(&foreign);
    assert!(!said.contains("the run trained on"), "{said}");

    // What is wrong with a folder, and what can be done there.
    let refused = |folder: &Path| stderr(fastai(&scratch).args(["validate", "--data"]).arg(folder).arg(&run), 1);
    let said = refused(&scratch.path().join("none"));
    assert!(said.contains("error: --data ") && said.ends_with("none does not exist\n"), "{said}");
    fs::write(mixed.join("forest/912.jpg"), b"no image").unwrap();
    let said = refused(&mixed);
    let remedy = "1 of 36 images cannot be decoded: replace each of these files, or remove it";
    assert!(said.contains(remedy) && !said.contains("corrupt: skip"), "{said}");
    for class in ["forest", "sea"] {
        fs::rename(foreign.join(class), foreign.join(class.to_uppercase())).unwrap();
    }
    let said = refused(&foreign);
    assert!(said.contains("has no \"train\", in which the run found its classes: name a folder with such"), "{said}");
    assert!(said.contains("such as \"forest\"; \"FOREST\" is there: the names must have the case of"), "{said}");
    assert!(!said.contains("say `"), "{said}");
}

#[test]
fn a_run_of_a_csv_file_is_measured_on_a_folder_a_class() {
    let scratch = TempDir::new().unwrap();
    let path = |name: &str| scratch.path().join(name);
    copy_chips(&path("table/images"), 0..24, |image| format!("train_{image}.jpg"));
    copy_chips(&path("other"), 24..48, |image| format!("{image}.jpg"));
    let row = |image: usize| format!("{0}/train_{image}.jpg,{0}\n", ["forest", "sea"][image % 2]);
    fs::write(path("table/labels.csv"), "image,kind\n".to_string() + &(0..24).map(row).collect::<String>()).unwrap();
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path("imageless")).unwrap();
    fs::copy(path("table/labels.csv"), path("imageless/labels.csv")).unwrap();
    let trained = |recipe: &Path, out: &str| {
        let mut command = fastai(&scratch);
        command.args(["run", "-q", "--smoke", "--device", "cpu"]).arg(recipe).arg("--out").arg(path(out));
        command.assert().success();
    };
    let measured = |run: &str, data: &str| {
        let mut command = fastai(&scratch);
        let output = command.arg("validate").arg(path(run)).arg("--data").arg(path(data)).output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    for (split, run) in [("stratified(0.3)", "one"), ("folds(2)", "folded")] {
        let table = format!("labels: \"labels.csv\", images: \"images\", valid: {split}");
        let text = of_classes("Table", &path("table")).replace("folders {", "csv {");
        let text = text.replace("train: \".\", valid: stratified(0.3)", &table);
        fs::write(path("table.recipe"), text).unwrap();
        trained(&path("table.recipe"), run);
        let [found, said] = measured(run, "other");
        assert!(found.contains("24 images of all") && !said.contains("the run trained on"), "{split}: {found}{said}");
        assert!(said.contains("the classes lie directly in "), "{split}: {said}");
        let [found, said] = measured(run, "table/images");
        assert!(found.contains("24 images of all") && said.contains("the run trained on"), "{split}: {found}{said}");
        let [_, said] = measured(run, "empty");
        let lacks = "has no \"labels.csv\", from which the run read its labels: name a folder with such a file";
        assert!(said.contains(lacks) && said.contains("a class, such as \"forest\""), "{split}: {said}");
        let [_, said] = measured(run, "imageless");
        let fixed = "note: `--data` is read as the recipe of the run says, which is fixed: change the folder\n";
        assert!(said.contains(fixed), "{split}: {said}");
    }
    trained(&small(&scratch), "tags");
    let [_, said] = measured("tags", "other");
    assert!(said.contains("has no \"train_v2.csv\"") && said.contains("a folder a class has no tags"), "{said}");
}

#[test]
fn a_folder_of_one_class_without_test_images_is_measured() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("whole");
    copy_chips(&root.join("train"), 0..24, |image| format!("train_{image}.jpg"));
    copy_chips(&root.join("test"), 24..30, |image| format!("test_{image}.jpg"));
    let text = of_classes("Whole", &root)
        .replace("train: \".\", valid: stratified(0.3)", "valid: stratified(0.3), test: \"test\"")
        .replace("[accuracy]", "[accuracy, auroc]");
    let (recipe, run) = (scratch.path().join("whole.recipe"), scratch.path().join("run"));
    fs::write(&recipe, text).unwrap();
    fastai(&scratch).args(["run", "-q", "--device", "cpu", "--out"]).arg(&run).arg(&recipe).assert().success();

    let measured = |model: &Path, data: &Path| -> Value {
        let mut command = fastai(&scratch);
        command.args(["validate", "-q", "--json", "--data"]).arg(data).arg(model);
        serde_json::from_str(&stdout(&mut command)).unwrap()
    };
    let notes = |measured: &Value| measured["notes"].to_string();
    let one = scratch.path().join("one");
    copy_chips(&one.join("train"), 30..54, |image| format!("new_{image}.jpg"));
    fs::remove_dir_all(one.join("train/sea")).unwrap();
    let found = measured(&run, &one);
    let evaluation = &found["plain"]["evaluation"];
    assert_eq!(evaluation["metrics"].as_array().unwrap().len(), 1, "{evaluation}");
    assert!(evaluation["metrics"][0]["name"] == "accuracy" && evaluation["n"].as_u64() > Some(1), "{evaluation}");
    assert!(notes(&found).contains("`auroc` cannot be measured on the validation images"), "{}", notes(&found));
    assert!(!notes(&found).contains("trained on"), "{}", notes(&found));

    // All images of the run, of which it held some out.
    let found = measured(&run, &root.join("train"));
    assert!(notes(&found).contains(" of these 24 images, by their contents"), "{}", notes(&found));
    let alone = scratch.path().join("alone.safetensors");
    fs::copy(run.join("models/final.safetensors"), &alone).unwrap();
    let found = measured(&alone, &one.join("train"));
    assert!(notes(&found).contains("`auroc` cannot be measured on the measured images"), "{}", notes(&found));
    assert!(notes(&found).contains("whether it was trained on these images is not known"), "{}", notes(&found));
}

#[test]
fn held_out_images_of_a_changed_copy_are_compared_with_those_of_the_run() {
    let scratch = TempDir::new().unwrap();
    let run = run_of_classes(&scratch);
    let held_out = |folder: &Path| stderr(fastai(&scratch).args(["validate", "--data"]).arg(folder).arg(&run), 0);
    let copy = scratch.path().join("copy");
    copy_chips(&copy, 0..24, |image| format!("train_{image}.jpg"));
    let said = held_out(&copy);
    assert!(!said.contains("the run trained on"), "{said}");
    // In the other order, so that the split holds out others.
    let turned = scratch.path().join("turned");
    copy_chips(&turned, 0..24, |image| format!("{}.jpg", 200 - image));
    let said = held_out(&turned);
    assert!(said.contains("the run trained on"), "{said}");

    // A damaged record of the training images is an error, and one that is gone is said to be.
    let record = run.join("trained_images.bin");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[..whole.len() - 8]).unwrap();
    let said = stderr(fastai(&scratch).args(["validate", "--data"]).arg(&turned).arg(&run), 1);
    assert!(said.contains("trained_images.bin: its content does not match its digest; without the file"), "{said}");
    fs::remove_file(&record).unwrap();
    let said = held_out(&turned);
    let unknown = "whether the run trained on these images is not known: its folder has no `trained_images.bin`";
    assert!(said.contains(unknown), "{said}");
}

#[test]
fn a_complete_run_is_not_taken_for_another() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let done = scratch.path().join("done");
    fastai(&scratch)
        .args(["run", "-q", "--smoke", "--device", "cpu", "--out"])
        .arg(&done)
        .arg(&recipe)
        .assert()
        .success();
    let again = |arguments: &[&str]| {
        let mut command = fastai(&scratch);
        command.arg("run").args(arguments).arg("--resume").arg(&done);
        command
    };
    let refused = |arguments: &[&str], why: &str| {
        let said = stderr(&mut again(arguments), 1);
        assert!(said.contains("is complete, and it is not what is asked for:"), "{arguments:?}: {said}");
        assert!(said.contains(why) && said.contains("start a new run"), "{arguments:?}: {said}");
    };
    refused(&["--set", "clip=2.0"], "- clip: 1.0,\n  + clip: 2.0,");
    refused(&["--seed", "3"], "the seed differs: 42 when the run began, 3 now");
    refused(&["examples/quickstart.recipe"], "the recipe differs (- when the run began, + now):");
    // What it began with may be said.
    let same: [&[&str]; 3] = [&[], &["--seed", "42", "--smoke", "--set", "clip=1.0"], &[recipe.to_str().unwrap()]];
    for arguments in same {
        let output = again(arguments).assert().success().get_output().clone();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("is complete: there is nothing left to do"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_threshold_is_refused_where_there_are_no_tags() {
    let scratch = TempDir::new().unwrap();
    let run = run_of_classes(&scratch);
    let why = "a threshold is for tags, and `Classes` says the most probable class: leave it out";
    let chip = "examples/data/globe/train-jpg/train_0.jpg";
    let mut command = fastai(&scratch);
    command.args(["predict", "-q", "--threshold", "0.3"]).arg(&run).arg(chip);
    let said = stderr(&mut command, 2);
    assert!(said.contains(&format!("--threshold: {why}")), "{said}");
    fastai(&scratch).args(["predict", "-q"]).arg(&run).arg(chip).assert().success();
    #[cfg(feature = "serve")]
    {
        let mut command = fastai(&scratch);
        command.args(["serve", "--threshold", "0.3", "--listen", "127.0.0.1:0"]).arg(&run);
        let said = stderr(&mut command, 2);
        assert!(said.contains(&format!("--threshold: {why}")), "{said}");
        let image = fs::read(Path::new(ROOT).join(chip)).unwrap();
        let answer = crate::serve::Server::of(&run, &[]).post("/predict?threshold=0.4", "image/jpeg", &image);
        let said = answer.text();
        assert!(answer.status == 400 && said.contains(&format!("threshold=0.4: {why}")), "{said}");
    }
}

#[test]
fn images_that_predict_and_submit_leave_out_are_named() {
    let scratch = TempDir::new().unwrap();
    let run = run_of_classes(&scratch);
    let folder = scratch.path().join("photos");
    fs::create_dir(&folder).unwrap();
    fs::copy(Path::new(ROOT).join("examples/data/globe/train-jpg/train_0.jpg"), folder.join("a.jpg")).unwrap();
    fs::write(folder.join("b.heic"), b"no matter what").unwrap();
    let mut predict = fastai(&scratch);
    predict.arg("predict").arg(&run).arg(&folder);
    let mut submit = fastai(&scratch);
    submit.arg("submit").arg(&run).arg("--images").arg(&folder);
    for command in [&mut predict, &mut submit] {
        let said = stderr(command, 0);
        assert!(said.contains("note: 1 image of kinds that are not read, left out: "), "{said}");
        assert!(said.contains("b.heic"), "{said}");
    }
}

#[test]
fn a_cache_that_is_no_folder_is_refused_before_anything_is_trained() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("out");
    let run = || {
        let mut command = fastai(&scratch);
        command.args(["run", "-q", "--smoke", "--device", "cpu", "--out"]).arg(&out).arg(&recipe);
        command
    };
    for cache in [recipe.clone(), recipe.join("below")] {
        for command in [run().arg("--cache").arg(&cache), run().env("FASTAI_CACHE", &cache)] {
            let said = stderr(command, 1);
            assert!(said.contains(&format!("cannot cache in {}: it is no folder", cache.display())), "{said}");
            assert!(said.contains("`--cache`, $FASTAI_CACHE or `cache` in fastai.toml"), "{said}");
            assert!(!out.exists(), "nothing half written");
        }
    }
}

/// A link to itself can neither be listed nor written.
#[cfg(unix)]
#[test]
fn a_complete_run_succeeds_whatever_becomes_of_its_cache() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let (out, cache) = (scratch.path().join("out"), scratch.path().join("loop"));
    std::os::unix::fs::symlink("loop", &cache).unwrap();
    let mut command = fastai(&scratch);
    command.args(["run", "-q", "--smoke", "--device", "cpu", "--cache"]).arg(&cache);
    let said = stderr(command.arg("--out").arg(&out).arg(&recipe), 0);
    assert!(said.contains("warning: the cache is not kept to its limit: cannot list "), "{said}");
    assert!(out.join("report.html").is_file());
}

/// `ulimit -f` fails the first write of a model, as a full disk would.
#[cfg(unix)]
#[test]
fn a_run_that_a_full_disk_ends_says_how_it_goes_on() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("out");
    let mut command = assert_cmd::Command::new("sh");
    command.current_dir(ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
    command.args(["-c", "ulimit -f 2048; exec \"$0\" \"$@\""]).arg(assert_cmd::cargo::cargo_bin("fastai"));
    command.args(["run", "-q", "--smoke", "--device", "cpu", "--out"]).arg(&out).arg(&recipe);
    let said = stderr(&mut command, 1);
    let goes_on = format!("; once that is put right, `fastai run --resume {}` goes on\n", out.display());
    assert!(said.contains("error: cannot write ") && said.ends_with(&goes_on), "{said}");
    fastai(&scratch).args(["run", "-q", "--device", "cpu", "--resume"]).arg(&out).assert().success();
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_threads_have_no_room_is_refused_before_it_reads_images() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (small(&scratch), scratch.path().join("out"));
    let limited = || {
        let mut command = assert_cmd::Command::new("sh");
        command.current_dir(ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
        command.args(["-c", "ulimit -v 400000; exec \"$0\" \"$@\""]).arg(assert_cmd::cargo::cargo_bin("fastai"));
        command
    };
    let said = stderr(limited().args(["run", "-q", "--device", "cpu", "--out"]).arg(&out).arg(&recipe), 1);
    assert!(said.contains("there are 409.6 MB: a higher `ulimit -v`, or fewer threads") && !out.exists(), "{said}");
    let doctor = limited().arg("doctor").output().unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("\nmemory: 409.6 MB (ulimit -v)\n"), "{said}");
}

#[cfg(unix)]
#[test]
fn who_asks_a_killed_run_for_its_model_is_told_how_the_run_goes_on() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (small(&scratch), scratch.path().join("run"));
    let (mut child, lines) = started_run(&scratch, &recipe, &out);
    // A run that waits is one in progress all the same.
    let waits = std::process::Command::new("kill").args(["-STOP", &child.id().to_string()]).status().unwrap();
    assert!(waits.success());
    let said = stderr(fastai(&scratch).arg("validate").arg(&out), 1);
    assert!(said.contains("saved no model yet: it is being run by another process"), "{said}");
    let said = stderr(fastai(&scratch).args(["run", "--device", "cpu", "--out"]).arg(&out).arg(&recipe), 1);
    assert!(said.contains("is being run by another process; name another folder"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(lines);
    let goes_on = format!("saved no model yet: `fastai run --resume {}` goes on with it", out.display());
    for command in ["validate", "submit"] {
        let said = stderr(fastai(&scratch).arg(command).arg(&out), 1);
        assert!(said.contains(&goes_on), "{command}: {said}");
    }
}

#[test]
fn a_run_that_would_fail_again_does_not_say_that_it_goes_on() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("out");
    let mut command = fastai(&scratch);
    command.args(["run", "-q", "--device", "cpu", "--memory", "1K", "--out"]).arg(&out).arg(&recipe);
    let said = stderr(&mut command, 1);
    assert!(said.contains("`--memory` allows 1.0 kB: ") && said.contains("; or `--memory "), "{said}");
    assert!(said.contains(" MB, as estimated from the layers") && !said.contains("--resume"), "{said}");
    assert!(!out.exists(), "nothing half written");
}

#[test]
fn each_finding_about_the_data_is_an_error_of_its_own() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let images = scratch.path().join("chips/train-jpg");
    for missing in ["train_3.jpg", "train_5.jpg"] {
        fs::write(images.join(missing), b"no image").unwrap();
    }
    let mut command = fastai(&scratch);
    command.args(["run", "-q", "--device", "cpu", "--out"]).arg(scratch.path().join("out")).arg(&recipe);
    let said = stderr(&mut command, 1);
    for name in ["train_3.jpg", "train_5.jpg"] {
        let named = said.lines().any(|line| line.starts_with("error: ") && line.contains(name));
        assert!(named, "{name}: {said}");
    }
}

#[test]
fn a_number_below_zero_is_told_which_numbers_there_are() {
    let scratch = TempDir::new().unwrap();
    let recipe = "examples/quickstart.recipe";
    for (arguments, range) in [
        (&["run", recipe, "--seed", "-1"][..], "a whole number from 0 to 9007199254740991"),
        (&["run", recipe, "--snapshot-every", "-3"], "-3 is not in 0..=4294967295"),
        (&["run", recipe, "--threads", "-1"], "-1 is not in 1..=1024"),
        (&["run", recipe, "--memory", "-1"], "such as 20G"),
        (&["sweep", recipe, "--seeds", "-2"], "-2 is not in 1..=1000"),
        (&["predict", "run", "x.jpg", "--threshold", "-0.5"], "a number from 0 to 1"),
        (&["predict", "run", "x.jpg", "--top", "-1"], "-1 is not in 1..="),
        (&["cache", "gc", "--keep", "-1"], "such as 20G"),
    ] {
        let said = stderr(fastai(&scratch).args(arguments), 2);
        let [option, value] = arguments[arguments.len() - 2..] else { unreachable!("an option and its value") };
        assert!(said.contains(&format!("invalid value '{value}' for '{option} ")), "{arguments:?}: {said}");
        assert!(said.contains(range) && !said.contains("-- -"), "{arguments:?}: {said}");
    }
    // `-0` after other words is still the switch of `predict`.
    let mut command = fastai(&scratch);
    command.args(["predict", "no/such/run", "-", "-0"]);
    let said = stderr(&mut command, 1);
    assert!(said.contains("no/such/run"), "{said}");
}
