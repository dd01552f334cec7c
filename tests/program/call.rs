//! How tests call the program.

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

/// The standard output of a command that succeeds.
#[allow(dead_code, reason = "the library's tests, which share this file, read no standard output")]
pub fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

/// The program's error output; it must end with `code`.
pub fn stderr(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}
