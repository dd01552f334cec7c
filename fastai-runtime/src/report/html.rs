//! `report.html`: one file that says what a run reached, and how.

use maud::{DOCTYPE, html};

use super::{Record, Summary};

/// A file of the run folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Path within the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// The report as one self-contained page: style and plots are inline, nothing is fetched.
pub fn report(summary: &Summary, _record: &Record, _files: &[WrittenFile]) -> String {
    html! { (DOCTYPE) title { (summary.name) } }.into_string()
}

/// `12 345`: digits in groups of three.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(c);
    }
    text
}
