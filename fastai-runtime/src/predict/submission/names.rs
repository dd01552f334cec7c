//! Names in the cells of a submission, which spreadsheets and terminals may obey instead of showing.

use std::borrow::Cow;

use super::Submission;
use crate::names::{first_names, visible_name};

impl Submission {
    /// Puts an apostrophe before every cell that a spreadsheet would compute: one that begins with `=`, `+`, `-` or `@` and is
    /// no number.
    pub fn guard_formulas(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// A name as its cell holds it: characters that are obeyed instead of shown are escaped, unless a sample gives the names.
    pub(super) fn cell<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let name = if self.of_sample { Cow::Borrowed(name) } else { visible_name(name) };
        if self.guarded && is_formula(&name) { Cow::Owned(format!("'{name}")) } else { name }
    }

    /// What is remarkable about the names.
    pub(super) fn name_notes(&self) -> Vec<String> {
        let names = || self.header.iter().chain(&self.ids).chain(&self.labels);
        let mut notes = Vec::new();
        let quoted = |name: &&String| format!("\"{}\"", visible_name(name));
        let list = |found: &[&String]| first_names(found.iter().map(quoted), NAMED);
        let obeyed: Vec<&String> = names().filter(|name| visible_name(name) != name.as_str()).collect();
        match (obeyed.is_empty(), self.of_sample) {
            (true, _) => {}
            (false, true) => {
                notes.push(format!("the sample's names hold control characters, which are kept: {}", list(&obeyed)));
            }
            (false, false) => notes.push(format!(
                "control characters and marks of direction are escaped, so a competition would not know these names (with \
                 its `--sample` they are kept): {}",
                list(&obeyed)
            )),
        }
        let formulas: Vec<&String> = names().filter(|name| is_formula(name)).collect();
        match (formulas.is_empty(), self.guarded) {
            (true, _) => {}
            (false, true) => notes.push(format!(
                "an apostrophe is before what a spreadsheet would compute, so submit a file without `--guard-formulas`: {}",
                list(&formulas)
            )),
            (false, false) => notes.push(format!(
                "a spreadsheet computes cells that begin with `=`, `+`, `-` or `@`; `--guard-formulas` puts an apostrophe \
                 before them: {}",
                list(&formulas)
            )),
        }
        notes
    }
}

/// The number of names that a note lists.
const NAMED: usize = 3;

/// Whether a spreadsheet computes a cell with this text.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(of_sample: bool) -> Submission {
        let text = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        Submission {
            header: text(&["id", "label"]),
            cells: Vec::new(),
            ids: text(&["=1+1", "-3", "a\u{202e}gpj", "plain"]),
            images: Vec::new(),
            notes: text(&["first"]),
            labels: text(&["@cat", "dog"]),
            of_sample,
            guarded: false,
        }
    }

    #[test]
    fn formulas_and_control_characters_are_shown_and_guarded() {
        let open = submission(false);
        assert_eq!(open.cell("=1+1"), "=1+1");
        assert_eq!(open.cell("a\u{202e}gpj"), "a\\u202egpj");
        let notes = open.notes();
        assert_eq!(notes[0], "first");
        assert!(notes[1].contains("\"a\\u202egpj\"") && notes[1].contains("--sample"), "{notes:?}");
        assert!(notes[2].contains("\"=1+1\", \"@cat\"") && notes[2].contains("`--guard-formulas` puts"), "{notes:?}");
        let guarded = open.guard_formulas();
        assert_eq!(
            ["=1+1", "-3", "+1e3", "@x", "-x", "x=1"].map(|name| guarded.cell(name).into_owned()),
            ["'=1+1", "-3", "+1e3", "'@x", "'-x", "x=1"]
        );
        assert!(guarded.notes()[2].contains("submit a file without"), "{:?}", guarded.notes());
        let sample = submission(true);
        assert_eq!(sample.cell("a\u{202e}gpj"), "a\u{202e}gpj");
        assert!(sample.notes()[1].contains("which are kept"), "{:?}", sample.notes());
    }
}
