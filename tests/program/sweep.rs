//! `fastai sweep` as a user meets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{fastai, stderr, stdout};
use crate::folder::summary;
use crate::small::small;

/// A head on the small data set: seconds a run.
fn head(scratch: &TempDir) -> std::path::PathBuf {
    let file = small(scratch);
    let text = fs::read_to_string(&file).unwrap();
    let (sections, _) = text.split_once("    train: {").unwrap();
    let train = "    train: {\n        precompute(on);\n        let lr = 0.1;\n        let unused = 3;\n        fit(lr, 4);\n    },\n}\n";
    fs::write(&file, format!("{sections}{train}")).unwrap();
    file
}

fn results(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("sweep.json")).unwrap()).unwrap()
}

/// The score of each run, by candidate and seed.
fn scores(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("runs.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[..3].join(","), cells[3..cells.len() - 1].join(","))
    });
    rows.collect()
}

#[test]
fn a_sweep_keeps_the_caches_to_their_limit() {
    let scratch = TempDir::new().unwrap();
    let (recipe, config) = (head(&scratch), scratch.path().join("fastai.toml"));
    fs::write(&config, "cache_limit = \"0\"\n").unwrap();
    let mut command = fastai(&scratch);
    command.env("FASTAI_CONFIG", &config).arg("sweep").arg(&recipe).args(["--over", "lr=1e-2,0.1", "--out"]);
    let said = stderr(command.arg(scratch.path().join("sweep")), 0);
    assert!(said.contains("fastai.toml keeps it to 0 B"), "{said}");
    let list = fastai(&scratch).args(["cache", "list"]).assert().success().get_output().stdout.clone();
    assert!(String::from_utf8(list).unwrap().contains("activations    0 files"));
}

#[test]
fn a_sweep_that_does_not_fit_into_the_memory_that_is_stated_begins_no_run() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let refused = |over: &[&str], memory: &str| {
        let mut command = fastai(&scratch);
        command.args(["sweep", "-q", "--device", "cpu", "--memory", memory, "--over", "lr=1e-2,0.1"]).args(over);
        let said = stderr(command.arg(&recipe).arg("--out").arg(&out), 1);
        assert!(!out.exists(), "{said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        errors[0].to_string()
    };
    let said = refused(&[], "1K");
    assert!(
        said.starts_with("error: step 1 `precompute(on)` needs at least ") && said.contains("; or `--memory "),
        "{said}"
    );
    assert!(said.contains("`--memory` allows 1.0 kB: "), "{said}");
    // Only those of large images do not fit.
    let said = refused(&["--over", "transforms.size=32,512"], "20M");
    let of =
        "error: lr=1e-2 transforms.size=512 and another combination: step 1 `precompute(on)` needs at least 101.6 MB";
    assert!(said.starts_with(of) && said.contains("`--memory` allows 20.0 MB"), "{said}");
    // Each rate makes another text of the step, and none makes another need.
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("precompute(on);", "")).unwrap();
    let said = refused(&[], "1K");
    assert!(
        said.starts_with("error: lr=1e-2 and another combination: step 1 `fit(0.01, 4)` needs at least "),
        "{said}"
    );
}

#[test]
fn a_sweep_says_once_that_batches_pass_in_parts() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let mut command = fastai(&scratch);
    command.args(["sweep", "--device", "cpu", "--set", "transforms.size=64", "--over", "lr=1e-2,0.1", "--seeds", "2"]);
    let said = stderr(command.args(["--memory", "9M", "--out"]).arg(&out).arg(&recipe), 0);
    let parts = "step 1 `precompute(on)`: a batch of 16 does not fit into memory as a whole";
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(" parts of at most ")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with(parts), "{said}");
    assert_eq!(results(&out)["complete"], 4);
}

const GRID: [&str; 6] = ["--over", "lr=1e-3,0.1", "--over", "model.dropout=0.25,0.5", "--seeds", "2"];

#[test]
fn a_grid_is_compared_and_its_best_recipe_checks() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let text = stdout(fastai(&scratch).arg("sweep").arg(&recipe).args(GRID).arg("--out").arg(&out));
    for part in ["lr=0.1 model.dropout=0.25", "complete", "compared by f2, higher is better", "best recipe: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found = results(&out);
    assert_eq!((&found["trials"], &found["complete"]), (&8.into(), &8.into()));
    let standings = found["standings"].as_array().unwrap();
    let means: Vec<f64> = standings.iter().map(|s| s["mean"].as_f64().unwrap()).collect();
    assert!(means.len() == 4 && means.is_sorted_by(|a, b| a >= b), "{means:?}");
    assert!(standings[0]["difference"].is_null() && standings[0]["deviation"].as_f64().is_some());
    let last = &standings[3];
    let difference = last["difference"].as_f64().unwrap();
    assert!((difference - (means[3] - means[0])).abs() < 1e-12);
    let interval: Vec<f64> = last["interval"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!(interval[0] <= difference && difference <= interval[1], "{interval:?}");

    // A run of the sweep is the run that `run` makes.
    let best = out.join("best.recipe");
    fastai(&scratch).args(["check"]).arg(&best).assert().success();
    let again = scratch.path().join("again");
    fastai(&scratch).args(["run", "--quiet", "--out"]).arg(&again).arg(&best).assert().success();
    let summary = summary(&again);
    let scored = summary["final"]["metrics"][0]["value"].as_f64().unwrap();
    let of_sweep = standings[0]["runs"].as_array().unwrap().iter().find(|run| run["key"]["seed"] == summary["seed"]);
    assert_eq!(of_sweep.unwrap()["score"].as_f64().unwrap(), scored);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("All runs over the values of") && page.contains("<svg") && !page.contains("<script"));
    assert!(out.join("scores.svg").is_file());

    // What is finished is not run again, on any number of jobs; the table stays.
    let before = (results(&out), scores(&out));
    fastai(&scratch).args(["sweep", "--jobs", "3", "--resume"]).arg(&out).assert().success();
    assert_eq!((results(&out), scores(&out)), before);
    // A result that was changed is not believed.
    let trial = out.join("trials/001-fold1-seed42.trial");
    let mut bytes = fs::read(&trial).unwrap();
    let at = bytes.len() - 9;
    bytes[at] ^= 1;
    fs::write(&trial, bytes).unwrap();
    let log = stderr(fastai(&scratch).args(["sweep", "--resume"]).arg(&out), 0);
    assert_eq!(log.matches(": f2 0").count() - log.matches("epoch").count(), 1, "one run: {log}");
    assert_eq!(scores(&out), before.1);
}

#[test]
fn a_combination_that_diverges_is_named_and_is_not_the_best() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let mut command = fastai(&scratch);
    command.arg("sweep").arg(&recipe).args(["--over", "lr=0.1,10", "--out"]).arg(&out);
    let output = command.assert().success().get_output().clone();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let found = results(&out);
    let [first, second] = [&found["standings"][0], &found["standings"][1]];
    assert_eq!((&first["settings"][0][1], &second["settings"][0][1]), (&"0.1".into(), &"10".into()));
    let mean = |standing: &Value| standing["mean"].as_f64().unwrap();
    assert!(mean(second) > mean(first), "by the metric alone, it would be the best: {found}");
    let ruin = &second["runs"][0]["ruin"];
    assert_eq!((&ruin["course"], &ruin["step"]), (&"diverged".into(), &1.into()), "{second}");
    assert!(first["runs"][0].get("ruin").is_none());
    let named = format!("diverged at epoch {} of step 2", ruin["epoch"]);
    let row = text.lines().find(|line| line.contains("lr=10")).unwrap();
    assert!(row.trim_end().ends_with(&named), "{named}: {text}");
    assert!(log.lines().any(|line| line.contains("lr=10, seed 42: f2 ") && line.ends_with(&named)), "{named}: {log}");
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains(&named));
    // The best is the recipe as it is, in which the rate can still be set.
    let best = out.join("best.recipe");
    assert_eq!(fs::read_to_string(&best).unwrap(), fs::read_to_string(&recipe).unwrap());
    fastai(&scratch).arg("check").arg(&best).args(["--set", "lr=0.2"]).assert().success();
    assert!(!log.contains("ended sound"), "{log}");

    // After the first epoch, both rates that diverge later are ahead; the better one of the others goes on in their place.
    let halved = scratch.path().join("halved");
    let mut command = fastai(&scratch);
    command.args(["sweep", "--halving", "on"]).arg(&recipe).args(["--over", "lr=0.05,0.1,9,10", "--out"]).arg(&halved);
    let said = stderr(&mut command, 0);
    assert!(said.contains("lr=0.1: stops after 1 of 4 epochs"), "{said}");
    assert!(said.contains("lr=0.1: goes on, as none of those that went further ended sound"), "{said}");
    let found = results(&halved);
    assert_eq!(found["standings"][0]["settings"][0][1], "0.1", "{found}");
    assert_eq!(found["standings"].as_array().unwrap().iter().filter(|s| s["fate"]["stopped"]["epoch"] == 1).count(), 1);
    let resumed = stderr(fastai(&scratch).args(["sweep", "--resume"]).arg(&halved), 0);
    assert!(!resumed.contains(": f2 ") && results(&halved) == found, "nothing is left to run: {resumed}");

    let alone = scratch.path().join("alone");
    let mut command = fastai(&scratch);
    command.args(["sweep", "--quiet"]).arg(&recipe).args(["--over", "lr=10", "--out"]).arg(&alone);
    let said = stderr(&mut command, 1);
    let failed = "error: every combination diverged, so none is the best: ";
    assert!(said.contains(failed) && said.contains("`--over lr=0.1,1`"), "{said}");
    assert!(!alone.join("best.recipe").exists(), "none is the best");
    assert_eq!(results(&alone)["complete"], 1, "the table is there");
    assert!(
        fs::read_to_string(alone.join("report.html")).unwrap().contains("TRAINING FAILED: every combination diverged")
    );
}

#[test]
fn parts_and_a_budget_end_with_the_same_results() {
    let scratch = TempDir::new().unwrap();
    let recipe = head(&scratch);
    let path = |name: &str| scratch.path().join(name);
    let sweep = |out: &str, args: &[&str]| {
        let mut command = fastai(&scratch);
        command.arg("sweep").arg(&recipe).args(GRID).args(args).arg("--out").arg(path(out));
        command
    };
    sweep("whole", &["--quiet"]).assert().success();
    let whole = scores(&path("whole"));
    for (part, out) in [("1/2", "one"), ("2/2", "two")] {
        sweep(out, &["--quiet", "--shard", part]).assert().success();
        assert_eq!(scores(&path(out)).len(), 4);
    }
    let merge = |out: &str, parts: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["sweep", "--quiet", "--merge"]).args(parts.iter().map(|p| path(p))).arg("--out").arg(path(out));
        command
    };
    let message = stderr(&mut merge("merged", &["one", "two", "one"]), 2);
    assert!(message.contains("`--merge` names ") && message.contains("one twice"), "{message}");
    merge("merged", &["one", "two"]).assert().success();
    assert_eq!(scores(&path("merged")), whole);
    let mut tables = (results(&path("merged")), results(&path("whole")));
    for table in [&mut tables.0, &mut tables.1] {
        for standing in table["standings"].as_array_mut().unwrap() {
            standing["seconds"] = Value::Null;
            standing["runs"].as_array_mut().unwrap().iter_mut().for_each(|run| run["seconds"] = Value::Null);
        }
    }
    assert_eq!(tables.0, tables.1);
    // A part that is missing is said, and can be run.
    let text = stdout(&mut merge("half", &["two"]));
    assert!(text.contains("4 of 8 runs are complete"), "{text}");
    fastai(&scratch).args(["sweep", "--quiet", "--resume"]).arg(path("half")).assert().success();
    assert_eq!(scores(&path("half")), whole);

    // A microsecond, then all the time: `--resume --out` begins or goes on.
    let message = stderr(&mut sweep("timed", &["--budget", "0s", "--resume"]), 2);
    assert!(message.contains("`0s` leaves no time") && !path("timed").exists(), "{message}");
    let little = ["--quiet", "--budget", "0.000001s", "--resume"];
    assert!(stdout(&mut sweep("timed", &little)).contains("0 of 8 runs are complete"));
    sweep("timed", &["--quiet", "--resume", "--jobs", "1"]).assert().success();
    assert_eq!(scores(&path("timed")), whole);
    let message = stderr(&mut sweep("timed", &["--resume", "--seed", "7"]), 2);
    assert!(message.contains("`--seed` is not what the sweep in"), "{message}");

    // Without the recipe, too, what is asked for is what the sweep began with; joining asks for nothing.
    let resumed = |args: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["sweep", "--quiet", "--resume"]).arg(path("timed")).args(args);
        command
    };
    resumed(&GRID).args(["--halving", "off", "--jobs", "2", "--out"]).arg(path("timed")).assert().success();
    for (option, value) in [
        ("--over", "lr=1,2"),
        ("--set", "clip=0.5"),
        ("--random", "2"),
        ("--seeds", "4"),
        ("--seed", "7"),
        ("--folds", "4"),
        ("--halving", "on"),
        ("--shard", "1/2"),
    ] {
        let message = stderr(&mut resumed(&[option, value]), 2);
        assert!(message.contains(&format!("`{option}` is not what the sweep in")), "{message}");
        let message = stderr(merge("again", &["one", "two"]).args([option, value]), 2);
        assert!(message.contains("cannot be used with") && message.contains(option), "{option}: {message}");
    }
    let message = stderr(resumed(&[]).arg("--out").arg(path("again")), 2);
    assert!(message.contains("`--out` names ") && message.contains("leave one out"), "{message}");
    for (option, value) in [("--jobs", "2"), ("--budget", "1h"), ("--device", "cpu"), ("--memory", "1G")] {
        let message = stderr(merge("again", &["one", "two"]).args([option, value]), 2);
        assert!(message.contains("cannot be used with") && message.contains(option), "{option}: {message}");
    }
    assert_eq!(scores(&path("timed")), whole);
    assert!(!path("again").exists());
}

#[test]
fn what_is_wrong_with_any_combination_is_said_before_anything_trains() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    for (args, parts) in [
        (
            vec!["--over", "lrr=1e-3,0.1"],
            vec!["`--over lrr=1e-3` fits nothing", "`--over lrr=0.1`", "did you mean `lr`?"],
        ),
        (
            vec!["--over", "model.dropot=0.5"],
            vec![
                "has no key `dropot`",
                "| --over model.dropot=0.5\n |              ^^^^^^\n",
                "did you mean `dropout`?",
            ],
        ),
        (
            vec!["--over", "model.dropout=0.5,2", "--over", "lr=1,20"],
            vec!["`dropout` must be", "got 2", "--over model.dropout=2", "20"],
        ),
        (vec!["--over", "unused=1,2"], vec!["`unused=1` and `unused=2` give the same recipe", "fit(lr, 3)"]),
        (vec!["--over", "lr=0.1,1e-1"], vec!["`lr=0.1` and `lr=1e-1` give the same recipe"]),
        (vec!["--over", "lr=1e-3..1e-1"], vec!["`lr` is a range", "--random 20"]),
        (vec!["--over", "lr=0.1", "--set", "lr=0.2"], vec!["`lr` is in `--set` and in `--over`"]),
        (vec!["--over", "seed=1,2"], vec!["`--over seed` varies nothing", "`--seeds N` runs each"]),
        (vec!["--over", "seed=1,2", "--seeds", "2"], vec!["`--over seed` varies nothing"]),
        (vec!["--over", "data.valid=none,random(0.2)"], vec!["holds out none", "stratified(0.2)"]),
        (
            vec!["--over", "data.valid=folds(3),folds(2)", "--folds", "2"],
            vec!["`--folds 2` and `--over data.valid` both say which images are held out"],
        ),
        (vec!["--over", "lr=0.1,0.2", "--shard", "1/2", "--halving", "on"], vec!["`--halving on` compares all"]),
        (
            vec!["--over", "lr=0.1,0.2", "--seed", "9007199254740991", "--seeds", "2"],
            vec!["`--seeds 2` takes seeds beyond 9007199254740991", "at most 9007199254740990"],
        ),
        (vec!["--shard", "3/2"], vec!["`3/2` is no part: write `1/4`"]),
        (vec!["--resume"], vec!["`--resume --out DIR`"]),
    ] {
        let mut command = fastai(&scratch);
        command.arg("sweep").arg(&recipe).args(&args);
        if !args.contains(&"--resume") {
            command.arg("--out").arg(&out);
        }
        let code = if args.contains(&"data.valid=none,random(0.2)") { 1 } else { 2 };
        let message = stderr(&mut command, code);
        parts.iter().for_each(|part| assert!(message.contains(part), "{args:?}, {part}: {message}"));
        let _ = fs::remove_dir_all(&out);
    }
    let message = stderr(fastai(&scratch).args(["sweep", "--resume"]).arg(scratch.path()), 1);
    assert!(message.contains("holds no sweep"), "{message}");
}

#[test]
fn a_sweep_that_cannot_end_trains_nothing_and_one_that_fails_says_how_to_go_on() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let sweep = |over: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["sweep", "--quiet"]).arg(&recipe).args(over).arg("--out").arg(&out);
        command
    };
    // The first combination would train.
    let weights = r#"model.weights="examples/data/squeezenet1_1.safetensors","no.pth","none.pth""#;
    let message = stderr(&mut sweep(&["--over", weights]), 1);
    assert!(message.contains("/no.pth: ") && message.contains("/none.pth: "), "{message}");
    assert_eq!(message.matches("error: no weights at ").count(), 2, "{message}");
    assert!(!out.exists());

    // Neither does one of which a later combination has no data.
    let message = stderr(&mut sweep(&["--over", "data.labels=train_v2.csv,nowhere.csv"]), 1);
    assert!(message.contains("data.labels=nowhere.csv: ") && message.matches("error: ").count() == 1, "{message}");
    assert!(!out.exists());

    let csv = scratch.path().join("chips/train_v2.csv");
    let whole = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, format!("{whole}\nabsent,clear primary")).unwrap();
    let rates = ["--over", "lr=0.1,0.2", "--seed", "7"];
    let message = stderr(&mut sweep(&rates), 1);
    assert!(message.contains("absent"), "{message}");
    let next = format!("once that is put right, `fastai sweep --resume {}` goes on", out.display());
    assert!(message.contains(&next), "{message}");
    // Without `--resume`, the folder is that of a sweep.
    let message = stderr(&mut sweep(&["--over", "lr=0.1,0.2"]), 1);
    assert!(message.contains(&format!("`fastai sweep --resume {}` goes on with it", out.display())), "{message}");
    fs::write(&csv, whole).unwrap();
    fastai(&scratch).args(["sweep", "--quiet", "--resume"]).arg(&out).assert().success();
    // The best run again, though its seed was given beside the recipe.
    let best = fs::read_to_string(out.join("best.recipe")).unwrap();
    assert!(best.contains("\n    seed: 7,\n"), "{best}");
}

#[test]
fn scores_of_different_images_are_not_compared_in_silence() {
    let scratch = TempDir::new().unwrap();
    let recipe = head(&scratch);
    let sweep = |out: &str, over: &str| {
        let mut command = fastai(&scratch);
        command.args(["sweep", "--quiet"]).arg(&recipe).args(["--over", over, "--set", "clip=0.5", "--out"]);
        let folder = scratch.path().join(out);
        let said = stdout(command.arg(&folder));
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        (said, read("best.recipe"), read("report.html"), results(&folder))
    };
    let (said, best, page, found) = sweep("other", "data.valid=random(0.2),random(0.4)");
    assert!(said.contains("the scores are of different images or labels"), "{said}");
    assert!(best.contains("// The combinations of the sweep were measured on different images"), "{best}");
    assert!(best.contains("clip: 0.5,\n") && best.contains("let unused = 3;"), "the author's text: {best}");
    assert!(page.contains("NOT COMPARABLE") && page.contains("<code>--set clip=0.5</code>"), "{page}");
    assert!(found["different_images"] == true && found["standings"][1]["difference"].is_null(), "{found}");
    let (said, best, page, found) = sweep("same", "lr=0.1,0.2");
    assert!(![said, best].concat().contains("different images") && !page.contains("NOT COMPARABLE"), "{page}");
    assert!(found.get("different_images").is_none() && found["standings"][1]["difference"].is_f64(), "{found}");
    // The first part has the folds of one combination with the first seed, and those of the other with the second.
    let part = scratch.path().join("part");
    let mut command = fastai(&scratch);
    command.args(["sweep", "--quiet", "--over", "data.valid=folds(3),folds(2)", "--seeds", "2", "--shard", "1/2"]);
    let said = stdout(command.arg("--out").arg(&part).arg(&recipe));
    assert_eq!(scores(&part).keys().collect::<Vec<_>>(), ["1,42,1", "1,42,2", "1,42,3", "2,43,1", "2,43,2"]);
    assert!(said.contains("the scores are of different images or labels"), "{said}");
    assert!(results(&part)["different_images"] == true, "{}", results(&part));
}

#[test]
fn candidates_that_fall_behind_stop_and_the_others_end_as_without() {
    let scratch = TempDir::new().unwrap();
    let recipe = head(&scratch);
    let path = |name: &str| scratch.path().join(name);
    let sweep = |out: &str, halving: &str| {
        let mut command = fastai(&scratch);
        command.arg("sweep").arg(&recipe).args([
            "--over",
            "lr=1e-5,1e-4,0.1,0.2,1e-6",
            "--seeds",
            "2",
            "--halving",
            halving,
        ]);
        // A loss is never the same for two rates; of equal candidates none would stop.
        command.args(["--set", "metrics=[log_loss]", "--out"]).arg(path(out));
        command
    };
    sweep("all", "off").arg("--quiet").assert().success();
    let output = sweep("halved", "on").assert().success();
    let (text, log) = (&output.get_output().stdout, &output.get_output().stderr);
    let (text, log) = (String::from_utf8_lossy(text), String::from_utf8_lossy(log));
    assert!(text.contains("stopped after 1 of 4 epochs, at "), "{text}");
    assert!(log.contains("stops after 1 of 4 epochs"), "{log}");
    let (all, halved) = (scores(&path("all")), scores(&path("halved")));
    assert_eq!(all.len(), 10);
    // Three of five go on after the first epoch, and fewer than four are not halved again.
    assert_eq!(halved.len(), 6);
    assert!(halved.iter().all(|(run, score)| all[run] == *score), "{halved:?} {all:?}");
    let found = results(&path("halved"));
    let standings = found["standings"].as_array().unwrap();
    assert_eq!(standings[0]["candidate"], results(&path("all"))["standings"][0]["candidate"]);
    assert_eq!(standings.iter().filter(|s| s["fate"]["stopped"]["epoch"] == 1).count(), 2);
}

/// Ends the program itself, in the middle of a run of the sweep.
#[cfg(unix)]
#[test]
fn a_killed_sweep_goes_on_with_what_is_missing() {
    use std::io::{BufRead, BufReader};
    let scratch = TempDir::new().unwrap();
    let recipe = head(&scratch);
    let path = |name: &str| scratch.path().join(name);
    let args = ["--over", "lr=1e-3,0.1,0.2", "--seeds", "2", "--jobs", "1"];
    fastai(&scratch)
        .args(["sweep", "--quiet"])
        .arg(&recipe)
        .args(args)
        .arg("--out")
        .arg(path("whole"))
        .assert()
        .success();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_fastai"));
    program.current_dir(crate::call::ROOT).env("FASTAI_CACHE", path("cache")).arg("sweep").arg(&recipe).args(args);
    let mut child = program.arg("--out").arg(path("killed")).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.take_while(|line| !line.starts_with("lr=0.1, seed 42: f2")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = fs::read_dir(path("killed").join("trials")).unwrap().count();
    assert!((1..6).contains(&kept), "{kept}: {told:?}");
    let log = stderr(fastai(&scratch).args(["sweep", "--resume"]).arg(path("killed")), 0);
    assert_eq!(log.lines().filter(|line| line.starts_with("lr=") && line.contains(" s")).count(), 6 - kept, "{log}");
    assert_eq!(scores(&path("killed")), scores(&path("whole")));
}

#[test]
fn each_combination_has_its_own_folds() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let mut command = fastai(&scratch);
    let splits = "data.valid=stratified(0.25),folds(3),folds(2)";
    command.arg("sweep").arg(&recipe).args(["--over", splits, "--out"]).arg(&out);
    let output = command.assert().success().get_output().clone();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the scores are of different images or labels"), "{text}");
    assert!(log.contains("data.valid=folds(3), seed 42, fold 3: f2 "), "{log}");
    assert!(log.contains("data.valid=stratified(0.25), seed 42: f2 "), "a candidate without folds has none: {log}");
    let found = results(&out);
    assert_eq!((&found["folds"], &found["trials"], &found["complete"]), (&3.into(), &6.into(), &6.into()));
    let standings = found["standings"].as_array().unwrap();
    for (split, trials) in [("stratified(0.25)", 1), ("folds(3)", 3), ("folds(2)", 2)] {
        let standing = standings.iter().find(|standing| standing["settings"][0][1] == split).unwrap();
        assert_eq!((&standing["fate"], &standing["trials"]), (&"complete".into(), &trials.into()), "{standing}");
        assert_eq!(standing["runs"].as_array().unwrap().len(), trials);
        assert_eq!(standing["out_of_fold"].is_f64(), trials > 1, "{standing}");
    }
    // The table and the folders have the same numbers, and the file is that of the best.
    assert!(scores(&out).contains_key("2,42,3") && out.join("runs/002-fold3-seed42").is_dir());
    let rows = fs::read_to_string(out.join("out_of_fold.csv")).map_or(0, |table| table.lines().count() - 1);
    assert_eq!(rows, if standings[0]["trials"] == 1 { 0 } else { 60 });
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("up to 3 folds"));
}

#[test]
fn folds_hold_out_each_image_once() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (head(&scratch), scratch.path().join("sweep"));
    let sweep = |split: &str| {
        let mut command = fastai(&scratch);
        command.arg("sweep").arg(&recipe).args(["--over", "lr=0.05,0.1", "--folds", "3", "--quiet", "--set", split]);
        command.arg("--out").arg(&out);
        command
    };
    let message = stderr(&mut sweep("data.valid=rows([0, 5])"), 2);
    assert!(
        message.contains("`--folds 3` deals the images out by share") && message.contains("stratified(0.2)"),
        "{message}"
    );
    let text = stdout(&mut sweep("data.valid=stratified(0.25, seed = 3)"));
    assert!(text.contains("out of fold"), "{text}");
    // The best recipe keeps its split, of which it is said that the score is not.
    let other =
        "the score is the mean over 3 folds; a run of this recipe holds out `stratified(0.25, seed = 3)` instead";
    assert!(text.contains(other), "{text}");
    let best_recipe = fs::read_to_string(out.join("best.recipe")).unwrap();
    assert!(best_recipe.contains(&format!("// In the sweep, {other}")), "{best_recipe}");
    assert!(best_recipe.contains(" valid: stratified(0.25, seed = 3) }"), "{best_recipe}");
    let found = results(&out);
    assert_eq!((&found["folds"], &found["complete"]), (&3.into(), &6.into()));
    let best = &found["standings"][0];
    let table = fs::read_to_string(out.join("out_of_fold.csv")).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    let ids: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!((rows.len(), ids.len()), (60, 60), "{table}");
    for fold in ["1", "2", "3"] {
        assert_eq!(rows.iter().filter(|row| row.split(',').nth(1) == Some(fold)).count(), 20);
    }
    // F2 is a mean over images, and the folds have equally many.
    let (whole, mean) = (best["out_of_fold"].as_f64().unwrap(), best["mean"].as_f64().unwrap());
    assert!((whole - mean).abs() < 1e-6, "{whole} {mean}");
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("out_of_fold.csv"));
}
