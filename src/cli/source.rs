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
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes));
    if let Err(error) = file {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        eprintln!("error: cannot read `{}`: {error}", absolute.display());
        return Err(wrong);
    }
    if bytes.len() as u64 > LARGEST {
        eprintln!("error: `{}` is larger than 1 MiB: no recipe is", path.display());
        return Err(wrong);
    }
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
