//! Collects all findings, so that one report contains every one of them.

use std::fmt;
use std::path::Path;

use crate::finding::{Finding, FindingKind, RowFault};
use crate::names::first_names;
use crate::{DataKey, FileError};

/// The errors of a data set: all findings at once, one per line, followed by the notes.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(findings, notes))]
pub struct DataError {
    /// What is wrong. A program matches on the [`kind`](Finding::kind) of each.
    pub findings: Vec<Finding>,
    /// Notes that are not errors; they often explain the findings.
    pub notes: Vec<String>,
}

impl DataError {
    /// Creates an error with a single finding.
    pub fn one(finding: impl Into<Finding>) -> Self {
        DataError { findings: vec![finding.into()], notes: Vec::new() }
    }

    /// The texts of the findings.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().map(|finding| finding.text.as_str())
    }
}

impl<F: Into<Finding>> From<Vec<F>> for DataError {
    fn from(findings: Vec<F>) -> Self {
        DataError { findings: findings.into_iter().map(Into::into).collect(), notes: Vec::new() }
    }
}

fn lines(findings: &[Finding], notes: &[String]) -> String {
    let notes = notes.iter().map(|note| format!("note: {note}"));
    findings.iter().map(Finding::to_string).chain(notes).collect::<Vec<_>>().join("\n")
}

/// The reason why a data set could not be opened, checked or copied.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data set is not as the recipe says.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A stop was requested.
    #[error("stopped: {0}")]
    Stopped(OpenReached),
}

/// How far the work on a data set got before it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenReached {
    /// All images were checked.
    Checked,
    /// Some of the images were checked.
    Checking {
        /// Those that were.
        done: usize,
        /// Those that were to be.
        of: usize,
    },
    /// Some of the copies in the cache were checked.
    CheckingCopies {
        /// Those that were.
        done: usize,
        /// Those that were to be.
        of: usize,
    },
    /// Some of the missing copies were made.
    Scaling {
        /// Those that were.
        done: usize,
        /// Those that were to be.
        of: usize,
    },
}

impl fmt::Display for OpenReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GOES_ON: &str = "the next run goes on from there";
        match self {
            OpenReached::Checked => f.write_str("all images were checked; nothing was trained"),
            OpenReached::Checking { done, of } => write!(f, "{done} of {of} images were checked; nothing was trained"),
            OpenReached::CheckingCopies { done, of } => write!(f, "{done} of {of} copies checked; {GOES_ON}"),
            OpenReached::Scaling { done, of } => write!(f, "{done} of {of} images scaled; {GOES_ON}"),
        }
    }
}

/// The number of findings of one kind that are listed.
const SHOWN: usize = 20;

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    unread: bool,
}

impl Findings {
    /// Adds a finding.
    pub(crate) fn push(&mut self, kind: FindingKind, text: impl Into<String>) {
        self.list.push(Finding::new(kind, text));
    }

    /// Adds a finding about a file or folder that a key names.
    pub(crate) fn place(&mut self, key: DataKey, path: &Path, text: impl Into<String>) {
        self.push(FindingKind::Place { key, path: path.to_path_buf() }, text);
    }

    /// Records that findings kept rows from being read, so that what the other rows lack says nothing.
    pub(crate) fn leave_unread(&mut self) {
        self.unread = true;
    }

    /// Whether all rows were read, so that something can be said about the data set as a whole.
    pub(crate) fn all_read(&self) -> bool {
        !self.unread
    }

    /// Adds findings of one kind. After the twentieth they are only counted, so no kind hides another.
    pub(crate) fn extend(&mut self, what: &str, findings: Vec<Finding>) {
        let more = findings.len().saturating_sub(SHOWN);
        self.list.extend(findings.into_iter().take(SHOWN));
        if more > 0 {
            self.push(FindingKind::More { count: more }, format!("and {more} more {what}"));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Without those that keep from training alone.
    pub(crate) fn of_measuring(mut self) -> Self {
        self.list.retain(|finding| !finding.kind.is_of_training());
        self
    }

    /// Whether a finding says that an image is not there, or that too many are not.
    pub(crate) fn lack_images(&self) -> bool {
        let is_lack = |kind: &FindingKind| match kind {
            FindingKind::Rows { fault, .. } => matches!(fault, RowFault::NoImage | RowFault::Outside),
            FindingKind::Unusable { .. } => true,
            _ => false,
        };
        self.list.iter().any(|finding| is_lack(&finding.kind))
    }

    /// Whether there is a finding of this kind.
    pub(crate) fn has(&self, kind: &FindingKind) -> bool {
        self.list.iter().any(|finding| finding.kind == *kind)
    }

    /// Returns `value` if there are no findings, otherwise the findings as an error.
    pub(crate) fn or<T>(self, value: T) -> Result<T, DataError> {
        if self.list.is_empty() { Ok(value) } else { Err(DataError::from(self.list)) }
    }

    /// Like [`or`](Self::or), with these notes in the error.
    pub(crate) fn or_with_notes<T>(self, value: T, notes: impl FnOnce(&T) -> Vec<String>) -> Result<T, DataError> {
        if self.list.is_empty() { Ok(value) } else { Err(DataError { findings: self.list, notes: notes(&value) }) }
    }
}

/// Lines of one kind that are named.
const LINES: usize = 5;

/// Findings about the lines of a file, gathered by kind: one finding for each, with its first line and the numbers of the
/// others.
#[derive(Debug, Default)]
pub(crate) struct LineKinds(Vec<LineKind>);

#[derive(Debug)]
struct LineKind {
    fault: RowFault,
    /// The first line.
    line: u32,
    first: String,
    cure: Option<String>,
    /// The lines after the first, as many as are named.
    more: Vec<u32>,
    count: usize,
}

impl LineKinds {
    /// Adds a line. `first` says what is wrong with it, and `cure` what to do about all lines of the kind.
    pub(crate) fn push(&mut self, fault: RowFault, line: u32, first: impl FnOnce() -> String, cure: Option<&str>) {
        match self.0.iter_mut().find(|known| known.fault == fault) {
            Some(known) => {
                known.count += 1;
                if known.more.len() < LINES {
                    known.more.push(line);
                }
            }
            None => {
                let (first, cure) = (first(), cure.map(str::to_string));
                self.0.push(LineKind { fault, line, first, cure, more: Vec::new(), count: 1 });
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings about `file`, in the order of their first lines.
    pub(crate) fn findings(self, file: &Path) -> Vec<Finding> {
        let finding = |LineKind { fault, line, first, cure, more, count }: LineKind| {
            let cure = cure.map_or(String::new(), |cure| format!(": {cure}"));
            let text = first + &more_lines("and so in", &more, count - 1) + &cure;
            Finding::new(FindingKind::Rows { file: file.to_path_buf(), fault, line, count }, text)
        };
        self.0.into_iter().map(finding).collect()
    }
}

/// Says that `count` more lines are like one, and which the first of them are.
pub(crate) fn more_lines(like: &str, lines: &[u32], count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let named: Vec<String> = lines.iter().take(LINES).map(u32::to_string).collect();
    let rest = if count > named.len() { ", .." } else { "" };
    let (rows, word) = if count == 1 { ("row", "line") } else { ("rows", "lines") };
    format!("; {like} {count} more {rows} ({word} {}{rest})", named.join(", "))
}

/// Formats the first `shown` names of a list: `"a", "b", "c" and 4 more`.
pub(crate) fn names<S: AsRef<str>>(list: &[S], shown: usize) -> String {
    first_names(list.iter().map(|name| format!("{:?}", name.as_ref())), shown)
}

/// Formats a count with its noun: `1 row`, `2 rows`.
pub(crate) fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Formats a part of several with its noun: `2 of 3 classes`, `all 3 classes`, `the only class`.
pub(crate) fn part_of(count: usize, all: usize, one: &str, many: &str) -> String {
    match (count, all) {
        (1, 1) => format!("the only {one}"),
        _ if count == all => format!("all {all} {many}"),
        _ => format!("{count} of {all} {many}"),
    }
}

/// Joins the first `shown` lines of a list into one line.
pub(crate) fn shorten<S: AsRef<str>>(list: &[S], shown: usize) -> String {
    let mut text = list.iter().take(shown).map(AsRef::as_ref).collect::<Vec<_>>().join("; ");
    if list.len() > shown {
        text += &format!("; and {} more", list.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_kind_is_cut_and_does_not_hide_the_next() {
        let mut findings = Findings::default();
        findings.extend("missing files", (0..25).map(|i| Finding::from(format!("file {i}"))).collect());
        findings.push(FindingKind::NoTags, "another kind");
        let error = findings.or(()).unwrap_err();
        assert_eq!(error.findings.len(), 22);
        assert_eq!(error.findings[20], Finding::new(FindingKind::More { count: 5 }, "and 5 more missing files"));
        assert_eq!(error.findings[21], Finding::new(FindingKind::NoTags, "another kind"));
    }

    #[test]
    fn lines_of_one_fault_are_one_finding() {
        let mut lines = LineKinds::default();
        lines.push(RowFault::NoName, 3, || "l.csv:3: the image name is empty".to_string(), None);
        lines.push(RowFault::Spaced, 4, || "l.csv:4: white space".to_string(), Some("take it out"));
        lines.push(RowFault::NoName, 9, || unreachable!("said already"), None);
        let rows = |fault, line, count| FindingKind::Rows { file: "l.csv".into(), fault, line, count };
        let wanted = [
            Finding::new(
                rows(RowFault::NoName, 3, 2),
                "l.csv:3: the image name is empty; and so in 1 more row (line 9)",
            ),
            Finding::new(rows(RowFault::Spaced, 4, 1), "l.csv:4: white space: take it out"),
        ];
        assert_eq!(lines.findings(Path::new("l.csv")), wanted);
    }

    #[test]
    fn a_part_is_told_by_its_number() {
        let classes = |count, all| part_of(count, all, "class", "classes");
        assert_eq!([classes(1, 1), classes(1, 2)], ["the only class", "1 of 2 classes"]);
        assert_eq!([classes(2, 2), classes(2, 3)], ["all 2 classes", "2 of 3 classes"]);
    }

    #[test]
    fn notes_stand_below_the_findings() {
        let mut findings = Findings::default();
        assert!(Findings::default().or_with_notes(1, |_| vec!["a note".to_string()]).is_ok());
        findings.push(FindingKind::Other, "a finding");
        let error = findings.or_with_notes(1, |_| vec!["a note".to_string()]).unwrap_err();
        assert_eq!(error.to_string(), "a finding\nnote: a note");
    }
}
