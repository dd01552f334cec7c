//! What the program keeps, compares and takes from files of defaults.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::small::small;
#[cfg(unix)]
use crate::started::started_run;

#[test]
fn caches_are_listed_explained_and_kept_small() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let run = |out: &str| {
        let mut command = fastai(&scratch);
        command.args(["run", "--smoke", "--device", "cpu"]).arg(&recipe).arg("--out").arg(scratch.path().join(out));
        String::from_utf8(command.assert().success().get_output().stderr.clone()).unwrap()
    };
    assert!(stdout(fastai(&scratch).args(["cache", "list"])).contains("0 files, 0 B"));
    assert!(run("a").contains("made the cache of activations"));
    assert!(run("b").contains("found the cache of activations"));
    let list = stdout(fastai(&scratch).args(["cache", "list"]));
    assert!(list.contains("activations    2 files") && list.contains("last used just now"), "{list}");
    // Some 60 rows of 1,024 numbers.
    assert!(list.contains(" kB") && !list.contains("0 MB"), "{list}");
    let why = stdout(fastai(&scratch).args(["cache", "why"]));
    for part in
        ["training images of `Small`", "validation images of `Small`", "squeezenet1_1, weights ", "size 32 crop", ROOT]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(stdout(fastai(&scratch).args(["cache", "why", "Small"])), why);
    assert!(stdout(fastai(&scratch).args(["cache", "why", "nothing"])).contains("no activations with \"nothing\""));

    assert!(stdout(fastai(&scratch).args(["cache", "gc"])).contains("0 files, 0 B removed"));
    assert!(stderr(fastai(&scratch).args(["cache", "gc", "--keep", "lots"]), 2).contains("such as 20G"));
    let said = stdout(fastai(&scratch).args(["cache", "gc", "--keep", "0", "--dry-run"]));
    assert!(said.contains("2 files") && said.contains("would be removed"), "{said}");
    assert!(stdout(fastai(&scratch).args(["cache", "gc", "--keep", "1G"])).contains("0 files, 0 B removed"));
    assert!(stdout(fastai(&scratch).args(["cache", "gc", "--keep", "0"])).contains("2 files"));
    assert!(stdout(fastai(&scratch).args(["cache", "list"])).contains("activations    0 files"));
    assert!(run("c").contains("made the cache of activations"));
}

#[test]
fn a_recipe_asks_which_activations_a_run_of_it_would_use() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let cache = || fastai(&scratch);
    let why = |recipe: &Path| stdout(cache().args(["cache", "why"]).arg(recipe));
    let said = why(&recipe);
    assert!(said.contains("step 1 `precompute(on)`, images of 32 px"), "{said}");
    assert!(said.contains(" training images: missing: no run has left any of these images"), "{said}");
    assert!(said.contains("nobody looked at all images yet"), "{said}");
    fastai(&scratch)
        .args(["run", "-q", "--device", "cpu", "--out"])
        .arg(scratch.path().join("run"))
        .arg(&recipe)
        .assert()
        .success();
    let said = why(&recipe);
    for part in ["training", "validation"] {
        assert!(said.lines().any(|line| line.contains(&format!(" {part} images: there, "))), "{said}");
    }
    assert!(said.contains(".features") && !said.contains("nobody looked"), "{said}");

    // Only what a run would compute is missing.
    let images = scratch.path().join("chips/train-jpg");
    let first = fs::read_dir(images).unwrap().next().unwrap().unwrap().path();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    fs::File::options().write(true).open(first).unwrap().set_modified(later).unwrap();
    let said = why(&recipe);
    assert_eq!(said.matches(" there, 1 missing: ").count(), 1, "{said}");

    let other = scratch.path().join("other.recipe");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&other, text.replace("size: 32", "size: 48")).unwrap();
    let said = why(&other);
    assert!(said.contains("missing: those of `Small` are of another preparation (size 32 instead of 48"), "{said}");
    assert!(!said.contains("mean [") && !said.contains(" crop center"), "what is the same is not told: {said}");
    let set = stdout(cache().args(["cache", "why", "--set", "transforms.size=48"]).arg(&recipe));
    assert_eq!(set, said.replace("other.recipe", "small.recipe"));

    // The images decide, whatever the recipe is called.
    fs::write(&other, text.replace("size: 32", "size: 48").replacen("Small {", "Other {", 1)).unwrap();
    let said = why(&other);
    assert!(said.contains("missing: those of `Small` are of another preparation (size 32 instead of 48"), "{said}");
    let copied = scratch.path().join("copied");
    fs::create_dir_all(copied.join("train-jpg")).unwrap();
    fs::copy(scratch.path().join("chips/train_v2.csv"), copied.join("train_v2.csv")).unwrap();
    for image in fs::read_dir(scratch.path().join("chips/train-jpg")).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(image.path(), copied.join("train-jpg").join(image.file_name())).unwrap();
    }
    fs::write(&other, text.replace("size: 32", "size: 48").replace("/chips\"", "/copied\"")).unwrap();
    let said = why(&other);
    assert!(said.contains("missing: those of `Small` are of other images, or of images"), "{said}");
    assert!(!said.contains("preparation"), "{said}");
    fs::write(&other, text.replace("precompute(on);", "")).unwrap();
    assert!(why(&other).contains("no step uses cached activations"), "{}", why(&other));
    let said = stderr(fastai(&scratch).args(["cache", "why", "absent.recipe"]), 2);
    assert!(said.contains("cannot read `") && said.contains("absent.recipe"), "{said}");
    assert!(!said.contains("did you mean"), "{said}");
    for command in [&["cache", "why"][..], &["run"], &["plan"]] {
        let said = stderr(fastai(&scratch).args(command).arg(recipe.with_file_name("smal.recipe")), 2);
        assert!(said.contains(&format!("; did you mean `{}`?", recipe.display())), "{command:?}: {said}");
    }
    let said = stderr(fastai(&scratch).args(["cache", "why", "Small", "--set", "clip=2.0"]), 2);
    assert!(said.contains("name its file"), "{said}");
}

#[test]
fn scaled_copies_count_in_the_limit_of_the_caches() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("batch: 16", "batch: 16, resize_to: 48")).unwrap();
    let config = scratch.path().join("fastai.toml");
    let run = |limit: &str, out: &str| {
        fs::write(&config, format!("cache_limit = \"{limit}\"\n")).unwrap();
        let mut command = fastai(&scratch);
        command.env("FASTAI_CONFIG", &config).args(["run", "--smoke", "--device", "cpu"]).arg(&recipe);
        command.arg("--out").arg(scratch.path().join(out));
        String::from_utf8(command.assert().success().get_output().stderr.clone()).unwrap()
    };
    let list = || stdout(fastai(&scratch).args(["cache", "list"]));
    let said = run("none", "a");
    assert!(said.contains("44 made, 0 found") && !said.contains("removed"), "{said}");
    assert!(list().contains("scaled copies  44 files"), "{}", list());
    let said = run("0", "b");
    assert!(said.contains("0 made, 44 found") && said.contains("fastai.toml keeps it to 0 B"), "{said}");
    let left = list();
    assert!(left.contains("activations    0 files") && left.contains("scaled copies  0 files"), "{left}");
    assert!(run("none", "c").contains("44 made, 0 found"));
}

#[test]
fn defaults_come_from_a_file_below_the_environment_and_the_command_line() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path().join("project");
    fs::create_dir_all(folder.join("deep")).unwrap();
    let recipe = small(&scratch);
    let text = fs::read_to_string(&recipe).unwrap();
    let absolute = Path::new(ROOT).join("examples/data");
    fs::write(&recipe, text.replace("examples/data", absolute.to_str().unwrap())).unwrap();
    fs::write(folder.join("fastai.toml"), "device = \"cpu\"\ncache = \"kept\"\ncache_limit = \"0\"\n").unwrap();
    // In a folder below that of the file, without the environment of the tests.
    let here = || {
        let mut command = fastai(&scratch);
        command.current_dir(folder.join("deep")).env_remove("FASTAI_CACHE").env("XDG_CONFIG_HOME", scratch.path());
        command
    };
    let output = here().args(["run", "--smoke", "--out", "a"]).arg(&recipe).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("project/kept") && said.contains("fastai.toml keeps it to 0 B"), "{said}");
    let doctor = stdout(here().arg("doctor"));
    for part in ["  project ", "project/fastai.toml", "device: cpu (", "project/kept (", "limit of the caches: 0 B"] {
        assert!(doctor.contains(part), "{part}: {doctor}");
    }
    // The environment, and then the command line, come first.
    let mut command = here();
    command.env("FASTAI_CACHE", scratch.path().join("other")).args(["cache", "list"]);
    assert!(stdout(&mut command).contains("/other: "));
    assert!(stdout(here().args(["cache", "list", "--cache", "third"])).starts_with("third: "));
    let message = stderr(here().env("FASTAI_DEVICE", "cuda").args(["predict", "a", "x.jpg"]), 1);
    assert!(message.contains("built without CUDA"), "{message}");
    let message = stderr(here().env("FASTAI_DEVICE", "cuda").args(["predict", "--device", "cpu", "a", "x.jpg"]), 1);
    assert!(message.contains("x.jpg"), "{message}");
    assert!(stderr(here().env("FASTAI_DEVICE", "gpu").arg("doctor"), 2).contains("$FASTAI_DEVICE is \"gpu\""));

    // The user's file counts where the project's says nothing.
    fs::create_dir(scratch.path().join("fastai")).unwrap();
    fs::write(scratch.path().join("fastai/fastai.toml"), "device = \"cuda\"\nweights = \"w\"\n").unwrap();
    let doctor = stdout(here().arg("doctor"));
    assert!(doctor.contains("device: cpu (") && doctor.contains("/fastai/w ("), "{doctor}");

    fs::write(folder.join("fastai.toml"), "devise = \"cpu\"\n").unwrap();
    let message = stderr(here().args(["cache", "list"]), 2);
    assert!(
        message.contains("project/fastai.toml") && message.contains("`devise`") && message.contains("`device`"),
        "{message}"
    );
    fs::write(folder.join("fastai.toml"), "cache_limit = \"none\"\n").unwrap();
    assert!(stderr(here().args(["cache", "gc"]), 2).contains("--keep 20G"));
    assert!(stdout(here().arg("doctor")).contains("limit of the caches: none"));
    fs::write(folder.join("fastai.toml"), "devise = \"cpu\"\n").unwrap();
    // What other programs call at their start works all the same.
    here().args(["completions", "bash"]).assert().success();
    here().env("FASTAI_CONFIG", "").args(["cache", "list"]).assert().success();
    assert!(stderr(here().env("FASTAI_CONFIG", "none.toml").args(["cache", "list"]), 2).contains("none.toml"));
}

/// What `fastai doctor` says of a place.
#[cfg(unix)]
fn said_of<'a>(doctor: &'a str, place: &str) -> &'a str {
    let said = doctor.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(place)?.strip_prefix("  "));
    said.unwrap_or_else(|| panic!("{place}: {doctor}")).trim_start()
}

// Windows has other folders for want of the variables.
#[cfg(unix)]
#[test]
fn the_doctor_names_every_place_that_was_looked_in() {
    let scratch = TempDir::new().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let doctor = |variables: &[(&str, &str)]| {
        let mut command = fastai(&scratch);
        for name in ["FASTAI_CACHE", "FASTAI_CONFIG", "FASTAI_DEVICE", "FASTAI_WEIGHTS", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command.current_dir(scratch.path()).env("HOME", scratch.path()).env_remove("XDG_CONFIG_HOME");
        stdout(command.envs(variables.iter().copied()).arg("doctor"))
    };

    let said = doctor(&[]);
    let here = scratch.path().canonicalize().unwrap();
    assert_eq!(said_of(&said, "$FASTAI_CONFIG"), "not set");
    assert_eq!(said_of(&said, "project"), format!("none in {} or above", here.display()));
    let user = path(".config/fastai/fastai.toml");
    assert_eq!(said_of(&said, "user"), format!("none: {user} ($XDG_CONFIG_HOME is not set)"));
    assert_eq!(said_of(&said, "$FASTAI_WEIGHTS"), "not set");
    let weights = path(".cache/fastai/weights");
    assert_eq!(said_of(&said, "user's cache"), format!("{weights} ($XDG_CACHE_HOME is not set)"));
    let inside = if cfg!(feature = "embedded-weights") { "squeezenet1_1" } else { "none: built without" };
    assert!(said_of(&said, "this program").starts_with(inside), "{said}");
    assert!(said.contains("device: auto ($FASTAI_DEVICE is not set)\n"), "{said}");
    assert!(said.contains("activation caches: .fastai/activations ($FASTAI_CACHE is not set)\n"), "{said}");

    let cache = path("xdg");
    let variables =
        [("FASTAI_CONFIG", ""), ("FASTAI_WEIGHTS", "own"), ("FASTAI_CACHE", "kept"), ("FASTAI_DEVICE", "cpu")];
    let said = doctor(&[&variables[..], &[("XDG_CACHE_HOME", cache.as_str())]].concat());
    assert_eq!(said_of(&said, "$FASTAI_CONFIG"), "empty: no file counts");
    assert_eq!(said_of(&said, "$FASTAI_WEIGHTS"), "own");
    assert_eq!(said_of(&said, "user's cache"), format!("{} ($XDG_CACHE_HOME)", path("xdg/fastai/weights")));
    assert!(said.contains("device: cpu ($FASTAI_DEVICE)\n"), "{said}");
    assert!(said.contains("activation caches: kept ($FASTAI_CACHE)\n"), "{said}");
    assert!(!said.contains(&user), "a place that was not looked in: {said}");

    let said = doctor(&[("XDG_CACHE_HOME", "xdg"), ("FASTAI_WEIGHTS", "")]);
    assert_eq!(said_of(&said, "user's cache"), format!("{weights} ($XDG_CACHE_HOME is relative and does not count)"));
    assert_eq!(said_of(&said, "$FASTAI_WEIGHTS"), "not set");
}

#[test]
fn runs_are_compared_with_a_test_of_their_metrics() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let run = |out: &str, set: &[&str]| {
        let mut command = fastai(&scratch);
        command.args(["run", "-q", "--device", "cpu"]).arg(&recipe).arg("--out").arg(scratch.path().join(out));
        command.args(set).assert().success();
    };
    run("a", &[]);
    run("b", &["--set", "clip=2.0", "--seed", "7"]);
    let mut command = fastai(&scratch);
    command.args(["diff", "-q", "--device", "cpu"]).arg(scratch.path().join("a")).arg(scratch.path().join("b"));
    let said = stdout(&mut command);
    for part in
        ["- ", "clip: 1", "clip: 2", "+     seed: 7,", "differ", "the bodies differ", "paired", "f2", "p: how often"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("data: the same\n"), "{said}");
    let began = "at the beginning: squeezenet1_1.safetensors, published as squeezenet1_1, sha256 60b2ce7ec30f574d\n";
    assert_eq!(said.matches(began).count(), 2, "{said}");
    let mut command = fastai(&scratch);
    command.args(["diff", "-q", "--device", "cpu"]).arg(scratch.path().join("a")).arg(scratch.path().join("a"));
    let said = stdout(&mut command);
    for part in ["recipe: the same, `Small`", "the bodies are the same", "+0.0000", "1.000"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("differ\n"), "{said}");
    let mut command = fastai(&scratch);
    command.args(["diff", "--no-test"]).arg(scratch.path().join("a")).arg(scratch.path().join("b"));
    assert!(!stdout(&mut command).contains("paired"));
    let message = stderr(fastai(&scratch).args(["diff", "none", "none"]), 1);
    assert!(message.contains("there is no run folder ") && message.contains("/none"), "{message}");
    let message = stderr(fastai(&scratch).arg("diff").arg(scratch.path().join("a")).arg(scratch.path()), 1);
    assert!(message.contains("is no run folder: it has no `summary.json`"), "{message}");

    // A run that held out nothing is compared, but not tested.
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("        tta(n_aug = 1);\n", "")).unwrap();
    run("all", &["--smoke", "--set", "data.valid=none"]);
    let all = scratch.path().join("all");
    let mut command = fastai(&scratch);
    command.args(["diff", "-q", "--device", "cpu"]).arg(scratch.path().join("a")).arg(&all);
    let said = stdout(&mut command);
    assert!(said.contains(&format!("no test: {} held out no images", all.display())), "{said}");
    assert!(said.contains("data:\n  training: 48 and 32 images\n  validation: 12 and 0 images\n"), "{said}");

    // As many images of the same classes, some with other labels.
    run("before", &["--smoke"]);
    let csv = scratch.path().join("chips/train_v2.csv");
    let rows = fs::read_to_string(&csv).unwrap();
    let relabelled = rows.replace(",ocean\n", ",land\n");
    assert!(relabelled != rows && relabelled.contains("ocean"), "{rows}");
    fs::write(&csv, relabelled).unwrap();
    run("after", &["--smoke"]);
    let mut command = fastai(&scratch);
    command.args(["diff", "--no-test"]).arg(scratch.path().join("before")).arg(scratch.path().join("after"));
    let said = stdout(&mut command);
    assert!(said.contains("training: 32 images in both, but other images, labels or order\n"), "{said}");
    assert!(!said.contains("other classes") && said.contains(began), "{said}");
}

#[cfg(unix)]
#[test]
fn a_run_that_has_not_ended_is_compared_by_what_it_wrote() {
    let scratch = TempDir::new().unwrap();
    let (recipe, out) = (small(&scratch), scratch.path().join("run"));
    let (mut child, lines) = started_run(&scratch, &recipe, &out);
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let message = stderr(fastai(&scratch).args(["diff", "-q"]).arg(&out).arg(&out), 1);
    assert!(message.contains(&format!("finish it with `fastai run --resume {}`", out.display())), "{message}");
    assert!(message.contains("`--no-test`") && !message.contains("--model"), "{message}");
    assert!(stdout(fastai(&scratch).args(["diff", "--no-test"]).arg(&out).arg(&out)).contains("stopped"));
}

#[test]
fn shells_and_manuals_know_every_command() {
    let scratch = TempDir::new().unwrap();
    let help = stdout(fastai(&scratch).arg("--help"));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Further lines of a description are indented deeper.
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    let commands: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(commands.len() > 20 && commands.contains(&"serve"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = stdout(fastai(&scratch).args(["completions", shell]));
        for command in &commands {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
    let pages = scratch.path().join("man");
    stdout(fastai(&scratch).args(["man", "--out"]).arg(&pages));
    for command in &commands {
        let page = fs::read_to_string(pages.join(format!("fastai-{command}.1"))).unwrap();
        assert!(page.contains(".TH fastai-") && page.contains("SYNOPSIS"), "{page}");
    }
    assert!(fs::read_to_string(pages.join("fastai.1")).unwrap().contains("fastai\\-run(1)"));
    // Whatever page one refers to is there.
    let mut references = Vec::new();
    for page in fs::read_dir(&pages).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap().replace('\\', "");
        let names = text.split_whitespace().filter_map(|word| word.strip_suffix("(1)"));
        references.extend(names.filter(|name| name.starts_with("fastai")).map(str::to_owned));
    }
    for name in &references {
        assert!(pages.join(format!("{name}.1")).is_file(), "{name}");
    }
    for name in ["fastai-cache-gc", "fastai-weights-get"] {
        assert!(references.iter().any(|reference| reference == name), "{name}: {references:?}");
    }
}
