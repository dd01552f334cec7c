//! The rows of a csv file and what is wrong with them.

use std::collections::HashMap;
use std::path::Path;

use super::CsvSource;
use super::cells::CellKinds;
use crate::findings::{Findings, LineKinds, names, number, shorten};
use crate::row::SourceRow;

/// The rows read so far and their problems, by kind.
#[derive(Default)]
pub(super) struct CsvRows {
    pub(super) rows: Vec<SourceRow>,
    /// The line of each row.
    pub(super) lines: Vec<u32>,
    /// The first row, if it is read as a header.
    pub(super) header: Option<::csv::StringRecord>,
    /// The first rows after it.
    pub(super) samples: Vec<::csv::StringRecord>,
    pub(super) cells: CellKinds,
    /// Whether the columns of several labels hold 0 and 1; unknown before the first cell.
    pub(super) flags: Option<bool>,
    pub(super) malformed: LineKinds,
    pub(super) ragged: LineKinds,
    /// Rows without an image.
    pub(super) absent: usize,
    /// Those of them whose names lead out of the folder of images; they are not among `rows`.
    pub(super) outside: usize,
    /// The findings about them.
    pub(super) missing: Vec<String>,
    /// Whether any row has its image.
    pub(super) some_found: bool,
    /// Rows whose file has another Unicode form of the name.
    pub(super) normalised: Vec<String>,
    pub(super) empty_tags: usize,
    /// What the rows take until they are items, bytes, roughly.
    memory: u64,
}

/// What a row takes beside its text, bytes: its strings and path, its item, its place in the split and its looks.
const ROW_BYTES: u64 = 450;

impl CsvRows {
    /// Counts the memory of a row; says so where the rows no longer fit into three quarters of what the process may have.
    pub(super) fn fits(&mut self, record: &::csv::StringRecord, limit: u64) -> Result<(), String> {
        self.memory += ROW_BYTES + 2 * record.as_slice().len() as u64;
        if self.memory <= limit / 4 * 3 {
            return Ok(());
        }
        Err(format!(
            "the rows up to here need about {} MB, and this process may have {} MB: take out rows, or raise the limit",
            self.memory / 1_000_000,
            limit / 1_000_000
        ))
    }

    /// Reports all problems. Returns the rows; none where no row has its image, because nothing that could be said about
    /// them would be the cause.
    pub(super) fn report(
        self,
        path: &Path,
        source: &CsvSource<'_>,
        findings: &mut Findings,
        notes: &mut Vec<String>,
    ) -> Vec<SourceRow> {
        if !self.ragged.is_empty() && self.rows.is_empty() && source.header {
            findings.push(format!(
                "{}: every row has more cells than the header: does the header lack the name of the first column?",
                path.display()
            ));
        }
        findings.extend("kinds of rows with more cells than the first", self.ragged.findings());
        findings.extend("kinds of rows like these", self.malformed.findings());
        if source.skip && self.absent > 0 && self.outside == 0 && 2 * self.absent <= self.rows.len() {
            notes.push(format!(
                "{} of {} rows have no image and are left out: {}",
                self.absent,
                self.rows.len(),
                shorten(&self.missing, 5)
            ));
        } else {
            if source.skip && 2 * self.absent > self.rows.len() {
                findings.push(format!(
                    "{}: more than half of the rows have no image, which `corrupt: skip` does not bear with; is the \
                     folder of images right, and the suffix?",
                    path.display()
                ));
            }
            findings.extend("kinds of rows without their image", self.missing);
        }
        if !self.normalised.is_empty() {
            notes.push(format!(
                "{} image names are written in another Unicode form than their files, which are taken all the same: {}",
                self.normalised.len(),
                shorten(&self.normalised, 3)
            ));
        }
        if self.empty_tags > 0 {
            notes.push(format!(
                "{}: {} empty tags between doubled separators are left out",
                path.display(),
                self.empty_tags
            ));
        }
        if self.rows.is_empty() && findings.is_empty() {
            findings.push(format!("{}: no rows", path.display()));
        }
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(self.rows.len());
        for row in &self.rows {
            *seen.entry(&row.id).or_insert(0) += 1;
        }
        let mut repeated: Vec<&str> = seen.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
        if !repeated.is_empty() {
            repeated.sort_unstable();
            notes.push(format!(
                "{}: {} stand in more than one row; all rows are kept, on the side of the first: {}",
                path.display(),
                number(repeated.len(), "image name", "image names"),
                names(&repeated, 5)
            ));
        }
        if self.some_found { self.rows } else { Vec::new() }
    }
}
