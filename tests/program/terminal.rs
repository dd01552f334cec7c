//! What the program sends to terminals and pipes, and where it looks for data.

use std::fs;
use std::io::Write;

use tempfile::TempDir;

use super::call::{fastai, stderr};

const BROKEN: &str = "examples/quickstart.recipe";

/// The messages about a misspelt recipe, with these options and variables.
fn message(options: &[&str], variables: &[(&str, &str)]) -> String {
    let scratch = TempDir::new().unwrap();
    let recipe = scratch.path().join("broken.recipe");
    let text = fs::read_to_string(format!("{}/{BROKEN}", super::call::ROOT)).unwrap().replace("f2", "f3");
    fs::write(&recipe, text).unwrap();
    let mut command = fastai(&scratch);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    stderr(command.envs(variables.iter().copied()).arg("check").args(options).arg(recipe), 2)
}

#[test]
fn colour_is_as_options_and_variables_say() {
    let plain = message(&[], &[]);
    assert!(plain.contains("error[E") && !plain.contains('\x1b'), "no terminal, no colour: {plain}");
    for (options, variables, colour) in [
        (&["--color", "always"][..], &[][..], true),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["--color", "auto"], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "0")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true),
    ] {
        let said = message(options, variables);
        assert_eq!(said.contains('\x1b'), colour, "{options:?} {variables:?}: {said:?}");
        if !colour {
            assert_eq!(said.lines().count(), plain.lines().count(), "{options:?} {variables:?}");
        }
    }
    let scratch = TempDir::new().unwrap();
    let said = stderr(fastai(&scratch).args(["check", "--color", "green", BROKEN]), 2);
    assert!(said.contains("[possible values: auto, always, never]"), "{said}");
}

#[test]
fn data_beside_the_recipe_are_named_with_the_line_to_type() {
    let scratch = TempDir::new().unwrap();
    let project = scratch.path().join("project");
    for class in ["a", "b"] {
        fs::create_dir_all(project.join("data/train").join(class)).unwrap();
    }
    let text = "X { task: single_label, data: folders { root: \"data\", valid: stratified(0.2) }, transforms: none { size: 32 }, \
                model: squeezenet1_1, metrics: [accuracy], train: { fit(1e-3, 1); } }\n";
    fs::write(project.join("x.recipe"), text).unwrap();
    for command in ["run", "show", "prepare"] {
        let said = stderr(fastai(&scratch).current_dir(scratch.path()).args([command, "project/x.recipe"]), 1);
        assert!(said.contains("is looked up from the working directory and is not there"), "{command}: {said}");
        assert!(said.contains("`--set 'data.root=project/data'`"), "{command}: {said}");
    }
}

/// `submit --out PIPE` without a reader must not wait for ever.
#[cfg(unix)]
#[test]
fn a_pipe_without_a_reader_ends_at_the_first_signal() {
    use std::os::unix::process::ExitStatusExt;

    let scratch = TempDir::new().unwrap();
    let pipe = scratch.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"))
        .current_dir(super::call::ROOT)
        .env("FASTAI_CACHE", scratch.path().join("cache"))
        .args(["plan", BROKEN, "--svg"])
        .arg(&pipe)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "the program waits for a reader");
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    for _ in 0..300 {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.signal() == Some(15) || status.code() == Some(143), "{status}");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    panic!("the program still waits");
}

/// As in `fastai plan FILE | head -1`, with a reader that is gone before anything is written.
#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
    let scratch = TempDir::new().unwrap();
    let recipe = "examples/quickstart.recipe";
    let closed = || std::io::pipe().unwrap().1;
    let program = || {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"));
        command.current_dir(super::call::ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
        command
    };
    for args in [
        &["explain"][..],
        &["explain", "fit"],
        &["check", recipe],
        &["plan", recipe],
        &["plan", recipe, "--json"],
        &["summary", "--arch", "squeezenet1_1"],
        &["weights", "list"],
        &["--help"],
    ] {
        let output = program().args(args).stdout(closed()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let bench = ["bench", "--arch", "squeezenet1_1", "--size", "32", "--batch", "1", "--paced"];
    for (args, input) in [(&["fmt", "-"][..], "A{task:x}"), (&bench[..], "1\n")] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(input.as_bytes()).unwrap();
        drop(writer);
        let output = program().args(args).stdin(reader).stdout(closed()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let status = program().args(["check", "no/such.recipe"]).stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    for args in [&["plan", recipe][..], &["--help"], &["run", "--help"], &["--version"]] {
        let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { break };
        let output = program().args(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the standard output"), "{args:?}");
    }
}
