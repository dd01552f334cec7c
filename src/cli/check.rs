//! `fastai check`

use std::ops::Range;
use std::path::{Path, PathBuf};

use fastai_dsl::overrides::Override;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Diagnostic, Severity, Site};
use serde_json::{Value, json};

use super::failure::{Exit, Failure, each};
use super::numbers::counted;
use super::source;

#[derive(clap::Args)]
pub struct CheckArgs {
    /// Recipe files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check with a key replaced, e.g. `data.batch=16`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Print one JSON document instead of messages: for each file its recipe and its findings with their places
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    if args.json {
        return in_json(args);
    }
    each(&args.files, |file| {
        let checked = source::read_with_data(file, &args.set)?;
        let steps = counted(checked.recipe.steps().len() as u64, "step", "steps");
        println!("{}: `{}` is fine, {steps}", file.display(), checked.recipe.name());
        Ok(())
    })
}

fn in_json(args: &CheckArgs) -> Result<(), Failure> {
    let mut sound = true;
    let files: Vec<Value> = args
        .files
        .iter()
        .map(|file| {
            let (value, fine) = match source::open_with_data(file, &args.set) {
                Ok(source) => (described(file, &source), source.result.is_ok()),
                Err(failure) => (json!({ "file": file.display().to_string(), "error": failure.text() }), false),
            };
            sound &= fine;
            value
        })
        .collect();
    println!("{}", json!({ "files": files }));
    if sound { Ok(()) } else { Err(Failure::Reported(Exit::Invalid)) }
}

fn described(file: &Path, source: &RecipeText) -> Value {
    let findings: Vec<Value> = source.diagnostics().iter().map(|found| finding(source, found)).collect();
    json!({
        "file": file.display().to_string(),
        "recipe": source.name(),
        "fine": source.result.is_ok(),
        "steps": source.result.as_ref().ok().map(|checked| checked.recipe.steps().len()),
        "findings": findings,
        "more": source.diagnostics().dropped(),
    })
}

fn finding(source: &RecipeText, found: &Diagnostic) -> Value {
    let at = |site: Site| if site == Site::NONE { Value::Null } else { place(&source.text, source.place(site)) };
    json!({
        "code": found.code.id,
        "severity": match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": found.message,
        "help": found.help,
        "note": found.note,
        "place": at(found.site),
        "also": found.also.as_ref().map(|(site, label)| json!({ "label": label, "place": at(*site) })),
    })
}

/// Bytes from 0; lines and columns, in characters, from 1. The end is behind the last character.
fn place(text: &str, range: Range<usize>) -> Value {
    let position = |at: usize| {
        let line = text[..at].matches('\n').count() + 1;
        let begins = text[..at].rfind('\n').map_or(0, |end| end + 1);
        (line, text[begins..at].chars().count() + 1)
    };
    let ((line, column), (end_line, end_column)) = (position(range.start), position(range.end));
    json!({
        "start": range.start, "end": range.end,
        "line": line, "column": column, "end_line": end_line, "end_column": end_column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let at = place("é\nabc\n", 4..6);
        assert_eq!(
            (at["line"].as_u64(), at["column"].as_u64(), at["end_column"].as_u64()),
            (Some(2), Some(2), Some(4))
        );
        let at = place("éa", 2..3);
        assert_eq!((at["start"].as_u64(), at["column"].as_u64()), (Some(2), Some(2)));
    }
}
