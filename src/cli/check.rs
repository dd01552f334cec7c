//! `fastai check`

use std::ops::Range;
use std::path::{Path, PathBuf};

use fastai_dsl::overrides::Override;
use fastai_dsl::prepared::DataSummary;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Diagnostic, Recipe, Severity, Site, Source};
use fastai_runtime::names::{reversible, typed};
use serde_json::{Value, json};

use super::failure::{Exit, Failure, each};
use super::numbers::counted;
use super::source;

#[derive(clap::Args)]
pub struct CheckArgs {
    /// Recipe files; `-` reads stdin, whose recipe is not compared with the data
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check with a key replaced, e.g. `data.batch=16`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Print one JSON document instead of messages: for each file its recipe and its findings with their places (JSON.md
    /// lists the fields)
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    if args.json {
        return in_json(args);
    }
    each(&args.files, |file| {
        let source = open(file, &args.set)?;
        let summary = source::summary_of(file, &source).filter(|_| !source::is_stdin(file));
        let recipe = source::said(source)?.recipe;
        let steps = counted(recipe.steps().len() as u64, "step", "steps");
        let data = summary.map_or_else(String::new, |summary| of_data(file, &recipe, &summary));
        let name = if source::is_stdin(file) { "stdin".to_string() } else { file.display().to_string() };
        println!("{name}: `{}` is fine, {steps}{data}", recipe.name());
        Ok(())
    })
}

/// Reads and checks a file, or standard input.
fn open(file: &Path, set: &[Override]) -> Result<RecipeText, Failure> {
    if source::is_stdin(file) {
        return Ok(RecipeText::from_bytes("stdin", &source::read_stdin()?, set));
    }
    source::open_with_data(file, set)
}

/// What the check knows of the data, which it does not read.
fn of_data(file: &Path, recipe: &Recipe, summary: &Path) -> String {
    let (name, shown) = (typed(file), summary.display());
    if recipe.data().source == Source::Given {
        return String::new();
    }
    let fits = |found: &DataSummary, recipe: &Recipe| found.is_of(recipe) && found.has_split_of(recipe);
    let found = source::read_summary(summary).ok().and_then(|text| DataSummary::parse(&text).ok());
    let Some(other) = found.filter(|found| !fits(found, recipe)) else {
        return match summary.is_file() {
            true => format!("; it fits {shown} (`fastai prepare --check {name}` says whether the data still does)"),
            false => {
                format!("; nothing is known of the data: there is no {shown}, which `fastai prepare {name}` writes")
            }
        };
    };
    // A summary is of the file as it stands, and `--set` may name other data or another split.
    let plain = source::open(file, &[]).ok().and_then(|plain| plain.result.ok());
    if plain.is_some_and(|plain| fits(&other, &plain.recipe)) {
        let what = if other.is_of(recipe) { "split" } else { "data" };
        format!("; {shown} is of the file's own {what}, so what `--set` says of it is not checked against the data")
    } else {
        format!("; {shown} was made for another split, `{}`: run `fastai prepare {name}`", other.split)
    }
}

fn in_json(args: &CheckArgs) -> Result<(), Failure> {
    let mut sound = true;
    let files: Vec<Value> = args
        .files
        .iter()
        .map(|file| {
            let (value, fine) = match open(file, &args.set) {
                Ok(source) => (described(file, &source), source.result.is_ok()),
                Err(failure) => (json!({ "file": reversible(file), "error": failure.text() }), false),
            };
            sound &= fine;
            value
        })
        .collect();
    println!("{}", json!({ "files": files }));
    if sound { Ok(()) } else { Err(Failure::Reported(Exit::Invalid)) }
}

fn described(file: &Path, source: &RecipeText) -> Value {
    let summary = source::summary_of(file, source).filter(|summary| !source::is_stdin(file) && summary.is_file());
    let findings: Vec<Value> = source.diagnostics().iter().map(|found| finding(source, found)).collect();
    json!({
        "file": reversible(file),
        "recipe": source.name(),
        "summary": summary.as_deref().map(reversible),
        "fine": source.result.is_ok(),
        "steps": source.result.as_ref().ok().map(|checked| checked.recipe.steps().len()),
        "findings": findings,
        "more": source.diagnostics().dropped(),
    })
}

fn finding(source: &RecipeText, found: &Diagnostic) -> Value {
    // An override is nowhere in the file.
    let at = |site: Site| match source.is_in_text(site) {
        true => place(&source.text, source.place(site)),
        false => Value::Null,
    };
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
