//! The program while it runs.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

#[cfg(unix)]
use tempfile::TempDir;

#[cfg(unix)]
use crate::call::ROOT;

/// The program with these variables and arguments, as soon as it has said `moment`; and what else it will say.
#[cfg(unix)]
pub fn started(
    scratch: &TempDir,
    variables: &[(&str, &str)],
    args: &[&std::ffi::OsStr],
    moment: &str,
) -> (Child, Lines) {
    use std::io::BufRead;
    use std::process::Stdio;

    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"));
    command.current_dir(ROOT).env("FASTAI_CACHE", scratch.path().join("cache"));
    command.envs(variables.iter().copied()).args(args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let said = lines.by_ref().map(Result::unwrap).find(|line| line.contains(moment));
    assert!(said.is_some(), "{moment} was never said");
    (child, lines)
}

/// A run on the CPU whose first fit has begun.
#[cfg(unix)]
pub fn started_run(scratch: &TempDir, recipe: &std::path::Path, out: &std::path::Path) -> (Child, Lines) {
    let args: [&std::ffi::OsStr; 5] =
        ["run".as_ref(), "--device=cpu".as_ref(), "--out".as_ref(), out.as_ref(), recipe.as_ref()];
    started(scratch, &[], &args, "fit(0.05")
}

#[cfg(unix)]
pub type Lines = std::io::Lines<std::io::BufReader<std::process::ChildStderr>>;

/// How the program ended, unless it takes longer.
pub fn ended_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return Some(status),
            None if began.elapsed() >= limit => return None,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Whether SIGHUP is ignored here, and so in what this process starts, as under `nohup`; known on Linux alone.
#[cfg(unix)]
pub fn ignores_hup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored & 1 == 1)
}
