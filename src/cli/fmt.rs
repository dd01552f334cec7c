//! `fastai fmt`

use std::path::{Path, PathBuf};

use fastai_dsl::fmt::{FormatError, format};
use fastai_runtime::atomic::write_atomic;

use super::failure::{Exit, Failure, each};
use super::source::{is_stdin, read_bytes, read_stdin};
use super::{color, output};

#[derive(clap::Args)]
pub struct FmtArgs {
    /// Recipe files, rewritten in place; `-` reads stdin and prints to stdout
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing; exit code 1 if a file is not formatted
    #[arg(long)]
    check: bool,
}

pub fn run(args: &FmtArgs) -> Result<(), Failure> {
    each(&args.files, |file| one(file, args.check))
}

fn one(file: &Path, check: bool) -> Result<(), Failure> {
    let stdin = is_stdin(file);
    let bytes = if stdin { read_stdin()? } else { read_bytes(file)? };
    let name = if stdin { "stdin".to_string() } else { file.display().to_string() };
    let new = match format(&name, &bytes) {
        Ok(new) => new,
        Err(FormatError::Broken(source)) => {
            output::complain_styled(&format!("{}\n\n", source.render(color::on_stderr())));
            return Err(Failure::Invalid(format!("{name} does not parse, so it was left as it is")));
        }
        Err(FormatError::Differs) => {
            let why = format!("formatting {name} would change the recipe; it was left as it is. Please report this");
            return Err(Failure::Failed(why));
        }
    };
    let same = new.as_bytes() == bytes;
    if check {
        if !same {
            println!("{name} is not formatted{}", first_difference(&bytes, &new));
            return Err(Failure::Reported(Exit::Failed));
        }
    } else if stdin {
        output::print_as_is(&new);
    } else if !same {
        write_atomic(file, |out| out.write_all(new.as_bytes()))?;
    }
    Ok(())
}

/// `: line 3 should be "    task: single_label,"`
fn first_difference(old: &[u8], new: &str) -> String {
    let old = String::from_utf8_lossy(old);
    let mut old = old.lines();
    for (i, line) in new.lines().enumerate() {
        if old.next() != Some(line) {
            return format!(": line {} should be {line:?}", i + 1);
        }
    }
    String::new()
}
