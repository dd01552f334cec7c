//! Collects all findings, so that one report contains every one of them.

use crate::FileError;

/// The errors of a data set: all findings at once, one per line, followed by the notes.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(findings, notes))]
pub struct DataError {
    /// Each finding names the file, line or image, what was expected, and the remedy.
    pub findings: Vec<String>,
    /// Notes that are not errors; they often explain the findings.
    pub notes: Vec<String>,
}

impl DataError {
    /// Creates an error with a single finding.
    pub fn one(finding: impl Into<String>) -> Self {
        DataError::from(vec![finding.into()])
    }
}

impl From<Vec<String>> for DataError {
    fn from(findings: Vec<String>) -> Self {
        DataError { findings, notes: Vec::new() }
    }
}

fn lines(findings: &[String], notes: &[String]) -> String {
    let notes = notes.iter().map(|note| format!("note: {note}"));
    findings.iter().cloned().chain(notes).collect::<Vec<_>>().join("\n")
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
    /// A stop was requested; the text says how far the work got.
    #[error("stopped: {0}")]
    Stopped(String),
}

/// The number of findings of one kind that are listed.
const SHOWN: usize = 20;

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<String>,
    unread: bool,
}

impl Findings {
    /// Adds a finding.
    pub(crate) fn push(&mut self, finding: impl Into<String>) {
        self.list.push(finding.into());
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
    pub(crate) fn extend(&mut self, what: &str, findings: Vec<String>) {
        let more = findings.len().saturating_sub(SHOWN);
        self.list.extend(findings.into_iter().take(SHOWN));
        if more > 0 {
            self.list.push(format!("and {more} more {what}"));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
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
    kind: String,
    first: String,
    cure: String,
    /// The lines after the first, as many as are named.
    more: Vec<u32>,
    count: usize,
}

impl LineKinds {
    /// Adds a line. `first` says what is wrong with it, and `cure` what to do about all lines of the kind.
    pub(crate) fn push(&mut self, kind: &str, line: u32, first: impl FnOnce() -> String, cure: impl Into<String>) {
        match self.0.iter_mut().find(|known| known.kind == kind) {
            Some(known) => {
                known.count += 1;
                if known.more.len() < LINES {
                    known.more.push(line);
                }
            }
            None => {
                let (kind, first, cure) = (kind.to_string(), first(), cure.into());
                self.0.push(LineKind { kind, first, cure, more: Vec::new(), count: 1 });
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings, in the order of their first lines.
    pub(crate) fn findings(self) -> Vec<String> {
        let text = |kind: LineKind| {
            let cure = if kind.cure.is_empty() { String::new() } else { format!(": {}", kind.cure) };
            kind.first + &more_lines("and so in", &kind.more, kind.count - 1) + &cure
        };
        self.0.into_iter().map(text).collect()
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
    let mut text = list.iter().take(shown).map(|s| format!("{:?}", s.as_ref())).collect::<Vec<_>>().join(", ");
    if list.len() > shown {
        text += &format!(" and {} more", list.len() - shown);
    }
    text
}

/// Formats a count with its noun: `1 row`, `2 rows`.
pub(crate) fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
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
        findings.extend("missing files", (0..25).map(|i| format!("file {i}")).collect());
        findings.push("another kind");
        let error = findings.or(()).unwrap_err();
        assert_eq!(error.findings.len(), 22);
        assert_eq!(error.findings[20], "and 5 more missing files");
        assert_eq!(error.findings[21], "another kind");
    }

    #[test]
    fn notes_stand_below_the_findings() {
        let mut findings = Findings::default();
        assert!(Findings::default().or_with_notes(1, |_| vec!["a note".to_string()]).is_ok());
        findings.push("a finding");
        let error = findings.or_with_notes(1, |_| vec!["a note".to_string()]).unwrap_err();
        assert_eq!(error.to_string(), "a finding\nnote: a note");
    }
}
