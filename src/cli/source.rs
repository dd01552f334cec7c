//! Reading recipe files for the subcommands.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
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
    said(open(path, overrides)?)
}

/// As [`read`], and holds the recipe to the summary of its data, if there is one beside the file.
///
/// # Errors
/// The exit code, after everything has been said.
pub fn read_with_data(path: &Path, overrides: &[Override]) -> Result<Checked, ExitCode> {
    let source = open(path, overrides)?;
    match summary_of(path, &source) {
        Some(file) if file.is_file() => match read_bytes(&file) {
            Ok(bytes) => said(source.verify(&String::from_utf8_lossy(&bytes))),
            Err(message) => {
                eprintln!("error: {message}");
                Err(ExitCode::from(super::WRONG))
            }
        },
        _ => said(source),
    }
}

/// The file of the summary of a recipe's data: beside the recipe, named after it.
pub fn summary_of(path: &Path, source: &Source) -> Option<PathBuf> {
    Some(path.with_file_name(fastai_dsl::prepared::file_name(source.name()?)))
}

/// Reads and checks a file, says nothing about what it finds.
///
/// # Errors
/// The exit code, if it cannot be read.
pub fn open(path: &Path, overrides: &[Override]) -> Result<Source, ExitCode> {
    let bytes = read_bytes(path).map_err(|message| {
        eprintln!("error: {message}");
        ExitCode::from(super::WRONG)
    })?;
    Ok(Source::from_bytes(&path.to_string_lossy(), &bytes, overrides))
}

/// Says what was found.
///
/// # Errors
/// The exit code, if there is no recipe.
pub fn said(source: Source) -> Result<Checked, ExitCode> {
    if !source.diagnostics().is_empty() {
        eprintln!("{}\n", source.render(std::io::stderr().is_terminal()));
    }
    let path = source.path;
    source.result.map_err(|found| {
        let errors = found.iter().filter(|d| d.severity == fastai_dsl::Severity::Error).count() + found.dropped();
        let s = if errors == 1 { "" } else { "s" };
        eprintln!("{path}: {errors} error{s}; `fastai explain CODE` tells more");
        ExitCode::from(super::WRONG)
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
