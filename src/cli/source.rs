//! Reading recipe files for the subcommands.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use fastai_dsl::Checked;
use fastai_dsl::overrides::Override;
use fastai_dsl::source::Source;

/// A recipe of a megabyte is a mistake.
const LARGEST: u64 = 1 << 20;

/// Reads and checks a file; findings go to stderr.
///
/// # Errors
/// The exit code, after everything has been said.
pub fn read(path: &Path, overrides: &[Override]) -> Result<Checked, ExitCode> {
    let wrong = ExitCode::from(super::WRONG);
    let bytes = read_bytes(path).map_err(|message| {
        eprintln!("error: {message}");
        wrong
    })?;
    let source = Source::from_bytes(&path.to_string_lossy(), &bytes, overrides);
    if !source.diagnostics().is_empty() {
        eprintln!("{}\n", source.render(std::io::stderr().is_terminal()));
    }
    source.result.map_err(|found| {
        let errors = found.iter().filter(|d| d.severity == fastai_dsl::Severity::Error).count();
        let s = if errors == 1 { "" } else { "s" };
        eprintln!("{}: {errors} error{s}; `fastai explain CODE` tells more", path.display());
        wrong
    })
}

/// The bytes of a recipe file.
///
/// # Errors
/// What is wrong, with the file's absolute path.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        return Err(format!("cannot read `{}`: {error}", absolute.display()));
    }
    if bytes.len() as u64 > LARGEST {
        return Err(format!("`{}` is larger than 1 MiB: no recipe is", path.display()));
    }
    Ok(bytes)
}
