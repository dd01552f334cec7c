//! Reading recipe files for the subcommands.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fastai_dsl::overrides::Override;
use fastai_dsl::source::{LARGEST, Source};
use fastai_dsl::{Checked, prepared};

/// Reads and checks a file; findings go to stderr.
///
/// # Errors
/// The exit code, after reporting the errors.
pub fn read(path: &Path, overrides: &[Override]) -> Result<Checked, ExitCode> {
    said(open(path, overrides)?)
}

/// Like [`read`], and checks the recipe against the summary of its data, if there is one beside the file.
///
/// # Errors
/// The exit code, after reporting the errors.
pub fn read_with_data(path: &Path, overrides: &[Override]) -> Result<Checked, ExitCode> {
    let source = open(path, overrides)?;
    match summary_of(path, &source) {
        Some(file) if file.is_file() => match read_summary(&file) {
            Ok(text) => said(source.verify(&text)),
            Err(message) => {
                eprintln!("error: {message}");
                Err(ExitCode::from(super::WRONG))
            }
        },
        _ => said(source),
    }
}

/// Returns the path of the summary of a recipe's data: beside the recipe, named after it.
pub fn summary_of(path: &Path, source: &Source) -> Option<PathBuf> {
    Some(path.with_file_name(prepared::file_name(source.name()?)))
}

/// Reads and checks a file without reporting its findings.
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

/// Reports the findings.
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
/// The error with the file's absolute path.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    at_most(LARGEST, "recipe", path)
}

/// The text of the summary of a recipe's data.
///
/// # Errors
/// The error with the file's absolute path.
pub fn read_summary(path: &Path) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&at_most(prepared::LARGEST, "summary", path)?).into_owned())
}

fn at_most(largest: usize, what: &str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(largest as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        return Err(format!("cannot read `{}`: {error}", absolute.display()));
    }
    if bytes.len() > largest {
        return Err(format!("`{}` is larger than {} MiB: no {what} is", path.display(), largest >> 20));
    }
    Ok(bytes)
}
