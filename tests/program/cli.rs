//! The program as a user meets it: exit codes, messages, a run from file to folder.

use std::fs;
use std::path::Path;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::folder::summary;
use crate::small::small;
#[cfg(unix)]
use crate::started::{ignores_hup, started, started_run};
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn a_good_recipe_is_fine_and_a_bad_one_shows_every_mistake() {
    let scratch = TempDir::new().unwrap();
    fastai(&scratch).args(["check", "examples/quickstart.recipe"]).assert().success();

    let bad = scratch.path().join("bad.recipe");
    let text = fs::read_to_string(Path::new(ROOT).join("examples/quickstart.recipe")).unwrap();
    fs::write(&bad, text.replace("top_down", "topdown").replace("squeezenet1_1 {", "squeezenet {")).unwrap();
    let message = stderr(fastai(&scratch).arg("check").arg(&bad), 2);
    for part in
        ["error[E0206]", "did you mean `top_down`?", "error[E0207]", "did you mean `squeezenet1_1`?", "2 errors"]
    {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
    assert!(message.contains(&format!("{}:15:17", bad.display())), "{message}");

    let message = stderr(fastai(&scratch).args(["check", "no/such.recipe"]), 2);
    assert!(message.contains(&format!("{ROOT}/no/such.recipe")), "{message}");
}

#[test]
fn import_turns_a_notebook_into_a_recipe_that_checks() {
    let scratch = TempDir::new().unwrap();
    let notebook = scratch.path().join("lesson1-tiny.ipynb");
    let cells = r##"{"cells": [
        {"cell_type": "markdown", "source": ["# Dogs"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from fastai.conv_learner import *"]},
        {"cell_type": "code", "source": "tfms = tfms_from_model(resnet34, 224, aug_tfms=transforms_side_on, max_zoom=1.1)"},
        {"cell_type": "code", "source": "data = ImageClassifierData.from_paths('data/dogscats/', tfms=tfms)"},
        {"cell_type": "code", "source": "learn = ConvLearner.pretrained(resnet34, data)\nlearn.fit(1e-2, 3, cycle_len=1)"},
        {"cell_type": "code", "source": "learn.sched.plot_lr()"}], "nbformat": 4}"##;
    fs::write(&notebook, cells).unwrap();
    let out = scratch.path().join("tiny.recipe");
    let said = stderr(fastai(&scratch).arg("import").arg(&notebook).arg("--out").arg(&out), 0);
    assert!(said.contains("4 statements translated, 1 kept as comments, 2 imports"), "{said}");
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("Lesson1Tiny {") && text.contains("fit(1e-2, 3, cycle_len = 1);"), "{text}");
    fastai(&scratch).arg("check").arg(&out).assert().success();
    assert!(stderr(fastai(&scratch).arg("import").arg(&notebook).arg("--out").arg(&out), 2).contains("exists"));
    let script = scratch.path().join("other.py");
    fs::write(&script, "print(1)").unwrap();
    assert!(stderr(fastai(&scratch).arg("import").arg(&script), 2).contains("no call of fastai 0.7"));
    fs::write(&notebook, "{").unwrap();
    assert!(stderr(fastai(&scratch).arg("import").arg(&notebook), 2).contains("is not a notebook"));
}

#[test]
fn explain_knows_codes_lints_and_words() {
    let scratch = TempDir::new().unwrap();
    assert!(stdout(fastai(&scratch).args(["explain", "E0404"])).contains("one per layer group"));
    assert!(stdout(fastai(&scratch).args(["explain", "fit"])).contains("cycle_mult"));
    let list = stdout(fastai(&scratch).arg("explain"));
    assert!(["E0404", "long_run", "squeezenet1_1", "lr_find"].iter().all(|topic| list.contains(topic)), "{list}");
    assert!(stderr(fastai(&scratch).args(["explain", "long_rum"]), 2).contains("did you mean `long_run`?"));
    // Commands, of which one is a word of recipes, too.
    assert!(list.contains("\n\ncommands\n  new  ") && list.contains("\n  validate  "), "{list}");
    let run = stdout(fastai(&scratch).args(["explain", "run"]));
    assert_eq!(run, "`fastai run`: Run a recipe. More: `fastai run --help`\n");
    let weights = stdout(fastai(&scratch).args(["explain", "weights"]));
    assert!(weights.contains("in model {") && weights.contains("\n\n`fastai weights`: "), "{weights}");
}

#[test]
fn a_run_leaves_its_folder_and_the_same_weights_on_one_thread_and_on_two() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let mut models = Vec::new();
    for threads in ["1", "2"] {
        let out = scratch.path().join(threads);
        let output = fastai(&scratch)
            .args(["run", "--device", "cpu", "--threads", threads, "--out"])
            .arg(&out)
            .arg(&recipe)
            .assert()
            .success();
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        assert!(text.contains("final: f2") && text.contains("tta: f2") && text.contains("run folder:"), "{text}");
        assert!(text.contains(&format!("report: {}", out.join("report.html").display())), "{text}");
        let log = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        // The first run builds the cache of activations, the second says that it found it.
        assert!(log.contains(if threads == "1" { "made the cache" } else { "found the cache" }), "{log}");
        let summary = summary(&out);
        assert_eq!(summary["status"], "complete");
        assert_eq!(summary["counts"]["valid"], 12);
        let files =
            ["recipe.recipe", "history.csv", "report.html", "models/all.safetensors", "models/final.safetensors"];
        assert!(files.iter().all(|f| out.join(f).is_file()), "{out:?}");
        let report = fs::read_to_string(out.join("report.html")).unwrap();
        let width = "Width of training images, pixels</h3><table class=\"bars\"><tbody><tr><td class=\"n\">64</td><td class=\"n\">48<";
        assert!(report.contains(width), "48 chips of 64 pixels");
        models.push(fs::read(out.join("models/final.safetensors")).unwrap());
        // The canonical text in the folder is a recipe that checks.
        fastai(&scratch).arg("check").arg(out.join("recipe.recipe")).assert().success();
    }
    assert!(models[0] == models[1], "the weights differ");

    let message = stderr(fastai(&scratch).arg("run").arg(&recipe).arg("--out").arg(scratch.path().join("1")), 1);
    assert!(message.contains(&scratch.path().join("1").display().to_string()), "{message}");
}

/// Kills the program itself, at several moments, and goes on each time.
#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_weights() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let whole = scratch.path().join("whole");
    fastai(&scratch).args(["run", "--quiet", "--device", "cpu", "--out"]).arg(&whole).arg(&recipe).assert().success();

    let killed = scratch.path().join("killed");
    // What the program says just before it dies: within the sweep, a fit on features and on images, while saving, near the end.
    let moments = ["lr_find(", "fit(lr,", "precompute(off)", "fit(0.05", "fit([", "save(", "tta("];
    for (n, moment) in moments.iter().enumerate() {
        let mut args: Vec<&std::ffi::OsStr> = ["run", "--device", "cpu"].map(AsRef::as_ref).to_vec();
        match n {
            0 => args.extend(["--out".as_ref(), killed.as_os_str(), recipe.as_os_str()]),
            _ => args.extend(["--resume".as_ref(), killed.as_os_str()]),
        }
        let (mut child, _lines) = started(&scratch, &[], &args, moment);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(status.code().is_none(), "{moment}: {status}");
    }
    let kept = fs::read_to_string(killed.join("recipe.recipe")).unwrap();
    assert!(kept.contains("let lr = lr_find(") && kept.contains("fit(lr, 1);"), "{kept}");
    // Whoever resumes may say which recipe it should be, and is told where that is another.
    let output = fastai(&scratch).arg("run").arg(&recipe).args(["--set", "clip=2.0", "--resume"]).arg(&killed).assert();
    let message = String::from_utf8(output.code(1).get_output().stderr.clone()).unwrap();
    assert!(message.contains("- clip: 1.0,\n  + clip: 2.0,"), "{message}");

    let output = fastai(&scratch).args(["run", "--device", "cpu", "--resume"]).arg(&killed).assert().success();
    let log = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(log.contains("goes on after step") || log.contains("goes on in step"), "{log}");
    let model = |run: &Path| fs::read(run.join("models/final.safetensors")).unwrap();
    assert!(model(&whole) == model(&killed), "the weights differ");
    let history = |run: &Path| -> Vec<String> {
        let text = fs::read_to_string(run.join("history.csv")).unwrap();
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
    };
    assert_eq!(history(&whole), history(&killed));
    let files = |run: &Path| {
        let mut names: Vec<_> = fs::read_dir(run).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(&whole), files(&killed), "nothing is left over");

    let text = stdout(fastai(&scratch).args(["run", "--resume"]).arg(&killed));
    assert!(text.contains("is complete") && text.contains("final: f2"), "{text}");
    let message = stderr(fastai(&scratch).args(["run", "--resume", "no/such/run"]), 2);
    assert!(message.contains(&format!("{ROOT}/no/such/run")), "{message}");
}

/// What Ctrl-C, a batch system whose time is over, and a connection that is lost send, and two signals at once, as `timeout` may.
#[cfg(unix)]
#[test]
fn a_run_that_a_signal_ends_stops_tidily_and_goes_on_to_the_same_weights() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    // Long enough to be stopped.
    let text = fs::read_to_string(&recipe).unwrap().replace("0.05], 1)", "0.05], 8)");
    fs::write(&recipe, text).unwrap();
    let model = |run: &Path| fs::read(run.join("models/final.safetensors")).unwrap();
    let whole = scratch.path().join("whole");
    fastai(&scratch).args(["run", "--quiet", "--device", "cpu", "--out"]).arg(&whole).arg(&recipe).assert().success();
    // Under `nohup`, the program goes on.
    let signals = ["INT", "TERM", "HUP", "INT_TERM"].into_iter().filter(|signal| *signal != "HUP" || !ignores_hup());
    for signal in signals {
        let out = scratch.path().join(signal);
        let (mut child, lines) = started_run(&scratch, &recipe, &out);
        for sent in signal.split('_') {
            std::process::Command::new("kill").args([format!("-{sent}"), child.id().to_string()]).status().unwrap();
        }
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "SIG{signal}: {said:?}");
        // After a lost connection there may be nobody to tell.
        let tells = said.iter().any(|line| line.contains("stopping after this batch"));
        assert_eq!(tells, signal != "HUP", "SIG{signal}: {said:?}");
        let goes_on = format!("; `fastai run --resume {}` goes on", out.display());
        let ends = |line: &String| line.contains("interrupted.safetensors") && line.ends_with(&goes_on);
        assert!(said.iter().any(ends), "SIG{signal}: {said:?}");
        assert_eq!(summary(&out)["status"], "stopped");
        let output = fastai(&scratch).args(["run", "--device", "cpu", "--resume"]).arg(&out).assert().success();
        let log = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(log.contains("goes on after step") || log.contains("goes on in step"), "SIG{signal}: {log}");
        assert!(!out.join("models/interrupted.safetensors").exists());
        assert!(model(&whole) == model(&out), "SIG{signal}: the weights differ");
        let report = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(report.contains("models/final.safetensors") && !report.contains("interrupted.safetensors"));
    }
}

#[test]
fn a_finished_run_predicts_submits_and_is_measured() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let run = scratch.path().join("run");
    let images = scratch.path().join("chips/train-jpg");
    let output = |command: &mut Command, code: i32| {
        let output = command.assert().code(code).get_output().clone();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (reached, _) =
        output(fastai(&scratch).args(["run", "-q", "--device", "cpu", "--out"]).arg(&run).arg(&recipe), 0);

    // The same figures as the run's, to the last digit that is shown.
    let (text, _) = output(fastai(&scratch).args(["validate", "-q"]).arg(&run), 0);
    for (line, word) in text.lines().zip(["final: ", "tta: "]) {
        let f2 = line.split_once(": f2 ").unwrap().1.split(';').next().unwrap();
        let said = reached.lines().find(|line| line.starts_with(word)).unwrap();
        assert!(said.contains(&format!("f2 {f2} on 12 images")), "{line}\n{said}");
    }
    assert!(text.contains("the lowest F2 first") && text.contains("ocean"), "{text}");
    let (text, _) = output(fastai(&scratch).args(["validate", "-q", "--json"]).arg(&run), 0);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["tta"]["evaluation"]["predictions"], "tta: 1 plain + 1 augmented");
    assert!(!value["tta"]["by_class"]["table"]["rows"].as_array().unwrap().is_empty());
    assert_eq!(value["tta"]["by_class"], summary(&run)["by_class"]);

    // A folder, sorted; then one broken image among the good ones.
    let (csv, _) = output(fastai(&scratch).args(["predict", "-q", "--csv"]).arg(&run).arg(&images), 0);
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!((header[0], header[header.len() - 1]), ("file", "said"));
    let summary = summary(&run);
    let classes: Vec<&str> = summary["classes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(header[1..header.len() - 1], classes);
    let files: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert!(files.len() == 60 && files.is_sorted());
    for form in ["--csv", "--json", "--jsonl"] {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"));
        command.args(["predict", "-q", form]).arg(&run).arg(&images).stdout(std::io::pipe().unwrap().1);
        let output = command.output().unwrap();
        assert!(output.status.success(), "a closed pipe, {form}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for threads in ["1", "2"] {
        let mut command = fastai(&scratch);
        command.args(["predict", "-q", "--csv", "--threads", threads]).arg(&run).arg(&images);
        assert_eq!(output(&mut command, 0).0, csv, "on {threads} threads");
    }
    let broken = scratch.path().join("broken.jpg");
    fs::write(&broken, b"no image").unwrap();
    let one = images.join("train_3.jpg");
    let mut command = fastai(&scratch);
    command.args(["predict", "-q", "--json", "--tta"]).arg(&run).arg(&broken).arg(&one);
    let (text, message) = output(&mut command, 1);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["images"][0]["file"], one.to_str().unwrap());
    assert_eq!(value["images"].as_array().unwrap().len(), 1);
    assert_eq!(value["unreadable"][0]["file"], broken.to_str().unwrap());
    assert!(message.contains("broken.jpg: not an image"), "{message}");
    let (text, _) =
        output(fastai(&scratch).args(["predict", "-q"]).arg(run.join("models/all.safetensors")).arg(&one), 0);
    assert!(text.starts_with("# Small, tags above 0.2; classes: ") && text.contains("train_3.jpg\t"), "{text}");

    // Names on standard input, one broken: a line of JSON for each, in order, and a row of numbers for each readable one.
    let npy = scratch.path().join("embeddings.npy");
    let two = images.join("train_4.jpg");
    let names = format!("{}\r\n\n{}\n{}", one.display(), broken.display(), two.display());
    let mut command = fastai(&scratch);
    command.args(["predict", "-q", "--jsonl", "--top", "2", "--embeddings"]).arg(&npy).arg(&run).arg("-");
    let (text, message) = output(command.write_stdin(names), 1);
    assert!(message.contains("1 of the images cannot be read"), "{message}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["file"], one.to_str().unwrap());
    let top = lines[0]["top"].as_array().unwrap();
    assert!(top.len() == 2 && top[0]["probability"].as_f64() >= top[1]["probability"].as_f64(), "{text}");
    assert!(lines[1]["error"].as_str().unwrap().starts_with("not an image"), "{text}");
    let numbers = fs::read(&npy).unwrap();
    assert!(String::from_utf8_lossy(&numbers[..128]).contains("'shape': (2, 1024)"));
    assert_eq!(numbers.len(), 128 + 2 * 1024 * 4);
    // An image on standard input, and names that end with zero bytes.
    let mut command = fastai(&scratch);
    command.args(["predict", "-q", "--jsonl"]).arg(&run).arg("-");
    let (piped, _) = output(command.write_stdin(fs::read(&one).unwrap()), 0);
    let piped: Value = serde_json::from_str(&piped).unwrap();
    let mut command = fastai(&scratch);
    command.args(["predict", "-q", "--jsonl", "-0"]).arg(&run).arg("-");
    let (named, _) = output(command.write_stdin(format!("{}\0", one.display())), 0);
    let named: Value = serde_json::from_str(&named).unwrap();
    assert_eq!(piped["file"], "-");
    assert_eq!(piped["probabilities"], named["probabilities"]);
    assert_eq!(piped["probabilities"].as_object().unwrap().len(), classes.len());
    let message = stderr(fastai(&scratch).args(["predict", "--csv", "--top", "3"]).arg(&run).arg(&one), 2);
    assert!(message.contains("--top"), "{message}");

    // The model for other programs.
    let (text, _) = output(fastai(&scratch).arg("export").arg(&run), 0);
    assert!(
        text.contains("models/final.onnx: ")
            && text.contains(&format!("logits, probabilities: float32 [batch, {}]", classes.len())),
        "{text}"
    );
    let model = fs::read(run.join("models/final.onnx")).unwrap();
    let contains = |part: &str| model.windows(part.len()).any(|window| window == part.as_bytes());
    for part in ["fastai.classes", "fastai.preprocessing", "\"ocean\"", "head.layers.0.linear.weight", "Softmax"] {
        assert_eq!(contains(part), part != "Softmax", "{part}: tags have sigmoids");
    }
    // A model of another input does not replace it.
    let (text, _) = output(fastai(&scratch).args(["export", "--pixels"]).arg(&run), 0);
    assert!(text.contains("models/final.pixels.onnx: "), "{text}");
    assert_eq!(fs::read(run.join("models/final.onnx")).unwrap(), model);
    let onnx = scratch.path().join("pixels.onnx");
    let (text, _) = output(fastai(&scratch).args(["export", "--pixels", "--out"]).arg(&onnx).arg(&run), 0);
    assert!(text.contains("uint8 [batch, ") && onnx.is_file(), "{text}");
    let (text, _) = output(fastai(&scratch).args(["export", "-q", "--out"]).arg(&onnx).arg(&run), 0);
    assert!(text.lines().count() == 1 && text.contains("pixels.onnx: "), "{text}");

    // The planet layout, packed, against a sample.
    let message = stderr(fastai(&scratch).arg("submit").arg(&run), 2);
    assert!(message.contains("--images DIR"), "{message}");
    let out = scratch.path().join("planet.csv.gz");
    let sample = scratch.path().join("sample.csv");
    let rows: Vec<String> = (0..60).map(|i| format!("train_{i},ocean")).collect();
    fs::write(&sample, format!("image_name,tags\n{}\n", rows.join("\n"))).unwrap();
    let submit = |sample: &Path| {
        let mut command = fastai(&scratch);
        command.arg("submit").arg(&run).arg("--images").arg(&images).arg("--out").arg(&out).arg("--sample").arg(sample);
        command
    };
    let (text, _) = output(&mut submit(&sample), 0);
    assert!(text.contains("60 rows, 1 augmented predictions and the plain one, tags above 0.2"), "{text}");
    let mut csv = String::new();
    let packed = fs::File::open(&out).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed), &mut csv).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("image_name,tags", 61));
    // The sample's order of rows.
    let ids = lines[1..].iter().map(|line| line.split(',').next().unwrap());
    assert!(ids.eq((0..60).map(|i| format!("train_{i}"))), "{csv}");
    fs::write(&sample, "image_name,tags\nfile_1,ocean\n").unwrap();
    let other = scratch.path().join("labels.csv");
    fs::write(&other, "photo,labels\na,ocean\n").unwrap();
    for (out, code, why) in [
        (&sample, 2, "sample.csv is the sample itself: give `--out` another file"),
        (&other, 1, "begins with \"photo,labels\": remove it, or give `--out` another file"),
    ] {
        let before = fs::read_to_string(out).unwrap();
        let mut command = fastai(&scratch);
        command.arg("submit").arg(&run).arg("--images").arg(&images).arg("--out").arg(out);
        if code == 2 {
            command.arg("--sample").arg(&sample);
        }
        let message = stderr(&mut command, code);
        assert!(message.contains(why), "{message}");
        assert_eq!(fs::read_to_string(out).unwrap(), before);
    }
    let message = stderr(&mut submit(&sample), 1);
    assert!(message.contains("1 ids in the sample without an image: \"file_1\""), "{message}");

    let message = stderr(fastai(&scratch).args(["predict", "no/such/run", "x.jpg"]), 1);
    assert!(message.contains(&format!("{ROOT}/no/such/run")), "{message}");
}

#[test]
fn a_smoke_run_is_marked_as_such() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("smoke");
    let text = stdout(fastai(&scratch).args(["run", "--smoke", "--quiet", "--out"]).arg(&out).arg(&recipe));
    assert!(text.contains("numbers mean nothing"), "{text}");
    let summary = summary(&out);
    assert_eq!(summary["smoke"], true);
}

#[test]
fn what_is_wrong_is_named_before_anything_is_trained() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = scratch.path().join("out");
    let run = |set: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["run", "--quiet", "--out"]).arg(&out).arg(&recipe);
        for s in set {
            command.args(["--set", s]);
        }
        command
    };

    let message = stderr(&mut run(&["data.root=no/such/folder"]), 1);
    assert!(message.contains(&format!("{ROOT}/no/such/folder")), "{message}");

    let message = stderr(&mut run(&["model.weights=no/such.safetensors"]), 1);
    assert!(message.contains("no/such.safetensors"), "{message}");

    let foreign = scratch.path().join("foreign.safetensors");
    fs::copy(Path::new(ROOT).join("fastai-runtime/tests/golden/head.safetensors"), &foreign).unwrap();
    let message = stderr(&mut run(&[&format!("model.weights={}", foreign.display())]), 1);
    assert!(message.contains("foreign.safetensors") && message.contains("squeezenet1_1"), "{message}");

    let message = stderr(&mut run(&["data.batch=0"]), 2);
    assert!(message.contains("E0302") && message.contains("`batch` must be"), "{message}");

    let images = scratch.path().join("chips/train-jpg");
    let chip = fs::read(images.join("train_3.jpg")).unwrap();
    fs::write(images.join("train_3.jpg"), &chip[..chip.len() / 2]).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains("train_3.jpg"), "{message}");

    fs::remove_file(images.join("train_5.jpg")).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains("train_v2.csv") && message.contains("train_5.jpg"), "{message}");

    let labels = scratch.path().join("chips/train_v2.csv");
    fs::remove_file(&labels).unwrap();
    let message = stderr(&mut run(&[]), 1);
    assert!(message.contains(&labels.display().to_string()), "{message}");

    assert!(!out.exists(), "nothing half written");
}

/// `/dev/full` says "no space left" to every write.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let message = stderr(fastai(&scratch).args(["run", "--quiet", "--out", "/proc/no/run"]).arg(&recipe), 1);
    assert!(message.contains("/proc/no/run"), "{message}");
}

#[test]
fn formatting_keeps_comments_and_check_says_what_differs() {
    let scratch = TempDir::new().unwrap();
    let file = scratch.path().join("a.recipe");
    fs::write(&file, "A { task:single_label, // what a label is\n}").unwrap();
    let output = fastai(&scratch).args(["fmt", "--check"]).arg(&file).assert().code(1).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("a.recipe is not formatted: line 1 should be \"A {\""), "{text}");
    fastai(&scratch).arg("fmt").arg(&file).assert().success();
    let pretty = "A {\n    task: single_label, // what a label is\n}\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), pretty);
    fastai(&scratch).args(["fmt", "--check"]).arg(&file).assert().success();
    let bidi = "A {\n    task: x, // \u{202e}\n}\n";
    for (text, formatted) in [("A{task:x}", "A {\n    task: x,\n}\n"), (bidi, bidi)] {
        assert_eq!(stdout(fastai(&scratch).args(["fmt", "-"]).write_stdin(text)), formatted);
    }
    let recipe = fs::read_to_string(Path::new(ROOT).join("examples/quickstart.recipe")).unwrap();
    let said = stdout(fastai(&scratch).args(["check", "-"]).write_stdin(recipe));
    assert!(said.starts_with("stdin: `") && said.contains("is fine"), "{said}");
    let message = stderr(fastai(&scratch).args(["check", "-"]).write_stdin("A { task: "), 2);
    assert!(message.contains("stdin"), "{message}");

    fs::write(&file, "A { task: ").unwrap();
    let message = stderr(fastai(&scratch).arg("fmt").arg(&file), 2);
    assert!(message.contains("E0101") && message.contains("left as it is"), "{message}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "A { task: ");
}

#[test]
fn a_summary_of_the_data_is_written_once_and_holds_the_recipe_to_it() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let summary = scratch.path().join("Small.prepared");
    let message = stderr(fastai(&scratch).args(["prepare", "--check"]).arg(&recipe), 1);
    assert!(message.contains("there is no") && message.contains("Small.prepared"), "{message}");
    let check = |json: &[&str]| {
        let output = fastai(&scratch).arg("check").args(json).arg(&recipe).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = check(&[]);
    let advice = format!("Small.prepared, which `fastai prepare {}` writes", recipe.display());
    assert!(said.contains("is fine, 9 steps; nothing is known of the data: ") && said.contains(&advice), "{said}");
    assert!(check(&["--json"]).contains("\"summary\":null"));
    fastai(&scratch).arg("prepare").arg(&recipe).assert().success();
    let text = fs::read_to_string(&summary).unwrap();
    for line in ["images 48 12 0", "suffix \".jpg\" 60", "labels \"multi_label\" \"1\" \" \"", "columns text text"] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    fastai(&scratch).arg("prepare").arg(&recipe).assert().success();
    assert_eq!(fs::read_to_string(&summary).unwrap(), text, "the same data, the same text");
    assert!(check(&[]).contains("; it fits "), "{}", check(&[]));
    for (set, own) in [("data.valid=random(0.5)", "split"), ("data.root=elsewhere", "data")] {
        let said = check(&["--set", set]);
        assert!(said.contains(&format!("Small.prepared is of the file's own {own}, so what `--set` says")), "{said}");
    }
    let plain = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, plain.replace("batch: 16", "batch: 16, valid: random(0.5)")).unwrap();
    let said = check(&[]);
    assert!(said.contains("Small.prepared was made for another split, `") && !said.contains("it fits"), "{said}");
    fs::write(&recipe, plain).unwrap();
    fastai(&scratch).args(["prepare", "--check"]).arg(&recipe).assert().success();
    let said = check(&[]);
    assert!(said.contains("; it fits ") && said.contains("`fastai prepare --check "), "{said}");
    assert!(check(&["--json"]).contains("Small.prepared"));

    let wrong = fs::read_to_string(&recipe).unwrap().replace("suffix: \".jpg\"", "suffix: \".png\", label: \"tag\"");
    let bad = scratch.path().join("bad.recipe");
    fs::write(&bad, wrong).unwrap();
    let message = stderr(fastai(&scratch).arg("check").arg(&bad), 2);
    for part in ["error[E0706]", "`suffix: \".jpg\"`", "error[E0703]", "did you mean `tags`?", "bad.recipe:3:"] {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }

    let labels = scratch.path().join("chips/train_v2.csv");
    let csv = fs::read_to_string(&labels).unwrap();
    let fewer: Vec<&str> = csv.lines().take(60).collect();
    fs::write(&labels, fewer.join("\n")).unwrap();
    let output = fastai(&scratch).args(["prepare", "--check"]).arg(&recipe).assert().code(1).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("- images 48 12 0\n") && text.contains("+ images 48 11 0\n"), "{text}");

    // Without the data the plan counts from the summary.
    fs::remove_dir_all(scratch.path().join("chips")).unwrap();
    let output = fastai(&scratch).arg("plan").arg(&recipe).assert().success().get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("48 training, 12 validation"), "{text}");
}
