//! The pages of `fastai explain`: those of errors and lints, and the registry's description of a word.

mod glossary;
mod index;

use std::fmt::Write;

use crate::arch::{self, ArchFacts};
use crate::catalog::{self, Code, ERRORS, LINTS};
use crate::draft::commas;
use crate::recipe::{MetricKind, TransformSet};
use crate::schema::{Construct, Key, SECTIONS, Section, choices, constructs};
use crate::suggest::nearest;

#[doc(hidden)]
pub use glossary::advice;
pub use index::index;

/// The page about a code, a lint, a word of the language or of the field, or a name of the original.
///
/// # Errors
/// A suggestion, if there is no such topic.
///
/// ```
/// let page = fastai_dsl::explain::page("fit").unwrap();
/// assert!(page.starts_with("fit(lrs, cycles, cycle_len, cycle_mult, wds, anneal, "));
/// assert_eq!(fastai_dsl::explain::page("E0440").unwrap_err(), "did you mean `E0404`?");
/// assert_eq!(fastai_dsl::explain::page("E404").unwrap_err(), "did you mean `E0404`?");
/// ```
pub fn page(topic: &str) -> Result<String, String> {
    if let Some(code) = catalog::find(topic) {
        return Ok(code_page(code));
    }
    let mut pages: Vec<String> = SECTIONS.iter().filter(|s| s.name == topic).map(section_page).collect();
    let word = if TransformSet::parse(topic).is_some() { "transforms" } else { topic };
    // If a section and a construct share a name (`transforms`), the construct lists the section's keys.
    pages.extend(constructs().filter(|c| c.name == word).map(construct_page));
    pages.extend(arch::find(topic).map(arch_page));
    // A set of transforms has the page of its section.
    pages.extend(glossary::pages(topic));
    pages.extend(constructs().filter_map(|c| key_page(c, topic)));
    pages.extend(glossary::pages_beyond(topic));
    if pages.is_empty() {
        let near = numbered(topic).or_else(|| begun(topic)).or_else(|| nearest(topic, topics(), LEAST_LIKENESS));
        return Err(near.map_or("`fastai explain` lists all".to_string(), |n| format!("did you mean `{n}`?")));
    }
    Ok(pages.join("\n"))
}

/// The page about a key or an argument of one construct, which another may have in another sense; `None` if it has none of that
/// name.
pub fn key_page(construct: &Construct, key: &str) -> Option<String> {
    Some(format!("in {}:\n{}", written(construct), key_line(construct.key(key)?.1)))
}

/// The error of that number, which is written without its zeros or its letter: `E404`, `404`.
fn numbered(text: &str) -> Option<&'static str> {
    let number: u16 = text.trim_start_matches(['E', 'e']).parse().ok()?;
    let id = format!("E{number:04}");
    ERRORS.iter().map(|code| code.id).find(|known| *known == id)
}

/// The shortest topic that begins with this text, of which at most half is missing.
fn begun(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let longer = topics().filter(|topic| topic.to_lowercase().starts_with(&text) && topic.len() <= 2 * text.len());
    longer.min_by_key(|topic| topic.len()).filter(|_| text.len() >= LEAST_BEGINNING)
}

/// The fewest characters that are taken for the beginning of a topic.
const LEAST_BEGINNING: usize = 4;

/// Similarity from which a topic is proposed: a wrong page is worse than none.
const LEAST_LIKENESS: f64 = 0.84;

/// Every topic that has a page.
pub fn topics() -> impl Iterator<Item = &'static str> {
    ERRORS.iter().chain(LINTS).map(|c| c.id).chain(glossary::words()).chain(glossary::topics_beyond())
}

fn code_page(code: &Code) -> String {
    let mut out = format!("{}: {}\n\n", code.id, code.title);
    let mut in_example = false;
    for line in code.explain.lines() {
        match line.starts_with("```") {
            true => in_example = !in_example,
            false if in_example => out += &format!("    {line}\n"),
            false => out += &format!("{line}\n"),
        }
    }
    if let Some(level) = code.lint {
        let level = format!("{level:?}").to_lowercase();
        let _ = writeln!(
            out,
            "\nA lint, `{level}` unless the recipe says otherwise: `#[allow({0})]`, `#[warn({0})]` or `#[deny({0})]` on a step, a \
             section or the recipe.",
            code.id
        );
    }
    out
}

fn section_page(section: &Section) -> String {
    let required = if section.required { "required" } else { "optional" };
    let mut out = format!("section `{}`, {required}\n\n{}\n\n    {}\n", section.name, section.doc, section.example);
    if let Some(range) = section.range {
        let _ = writeln!(out, "\nlegal numbers: {range}");
    }
    if section.name == "metrics" {
        let _ = writeln!(out, "\none or more of {}", MetricKind::WORDS.join(", "));
    }
    out
}

fn construct_page(construct: &Construct) -> String {
    let mut out = format!("{}\n\n{}\n", written(construct), construct.doc.trim());
    if !construct.keys.is_empty() {
        out.push('\n');
    }
    for key in construct.keys {
        out += &key_line(key);
    }
    out
}

/// `fit(lrs, cycles, ..)`, `folders { root, train, .. }`.
fn written(construct: &Construct) -> String {
    let block = SECTIONS.iter().flat_map(|section| choices(section.name)).any(|known| known.name == construct.name);
    if block {
        format!("{} {{ {} }}", construct.name, commas(construct.keys.iter().map(|k| k.name)))
    } else {
        construct.signature()
    }
}

fn key_line(key: &Key) -> String {
    let takes = match key.words {
        [] => key.ty.expected().to_string(),
        words => words.join(", "),
    };
    let range = key.range.map_or(String::new(), |r| format!(", {r}"));
    let default = match key.default {
        Some(d) => format!("; {d} unless given"),
        None if key.required => "; required".to_string(),
        None => String::new(),
    };
    format!("  {:<12} {takes}{range}{default}\n  {:<12} {}\n", key.name, "", key.doc.trim())
}

fn arch_page(facts: &ArchFacts) -> String {
    let names = commas(std::iter::once(&facts.name).chain(facts.aliases));
    let mut out = format!("{names}\n\n{}\n\n", facts.doc);
    for (i, (name, parameters)) in facts.body().iter().enumerate() {
        let _ = writeln!(out, "  group {i}: {name}, {parameters} parameters");
    }
    let _ = writeln!(out, "  group {}: the head, from {} features", facts.body().len(), facts.head_input());
    for (cut, left) in (1..).zip(facts.cuts()) {
        let _ = writeln!(out, "  `cut: {cut}` takes {} off and leaves {} features", left.name, 2 * left.channels);
    }
    let norm = if facts.has_batch_norm() { "batch norm in the body" } else { "no batch norm in the body" };
    let _ = writeln!(out, "\nimages of at least {} px; {norm}", facts.min_size);
    out
}
