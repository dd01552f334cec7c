//! The rows of a csv file and what is wrong with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use fastai_dsl::TaskKind;

use super::CsvSource;
use super::cells::CellKinds;
use crate::finding::{Finding, FindingKind};
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
    pub(super) missing: Vec<Finding>,
    /// Whether any row has its image; also true if the folder of images is missing, so that no row is known to lack its own.
    pub(super) some_found: bool,
    /// Rows whose file has another Unicode form of the name.
    pub(super) normalised: Vec<String>,
    pub(super) empty_tags: usize,
    /// What the rows take until they are items, bytes, roughly.
    memory: u64,
}

/// What a row takes beside its text, bytes: its strings and path, its item, its place in the split and its looks.
const ROW_BYTES: u64 = 740;

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

    /// Whether every row is among `rows`, with its labels.
    pub(super) fn all_read(&self) -> bool {
        self.malformed.is_empty() && self.ragged.is_empty() && self.outside == 0 && !self.rows.is_empty()
    }

    /// Reports all problems. Returns the rows; none if no row has its image, as other findings about them would hide that.
    pub(super) fn report(
        self,
        path: &Path,
        source: &CsvSource<'_>,
        findings: &mut Findings,
        notes: &mut Vec<String>,
    ) -> Vec<SourceRow> {
        if !self.ragged.is_empty() && self.rows.is_empty() && source.header {
            let text = format!(
                "{}: every row has more cells than the header: does the header lack the name of the first column?",
                path.display()
            );
            findings.push(FindingKind::Table { file: path.to_path_buf(), line: Some(1) }, text);
        }
        findings.extend("kinds of rows with more cells than the first", self.ragged.findings(path));
        findings.extend("kinds of rows like these", self.malformed.findings(path));
        if source.skip && self.absent > 0 && self.outside == 0 && 2 * self.absent <= self.rows.len() {
            let (has, is) = if self.absent == 1 { ("has", "is") } else { ("have", "are") };
            let missing: Vec<&str> = self.missing.iter().map(|finding| finding.text.as_str()).collect();
            notes.push(format!(
                "{} of {} {has} no image and {is} left out: {}",
                self.absent,
                number(self.rows.len(), "row", "rows"),
                shorten(&missing, 5)
            ));
        } else {
            if source.skip && 2 * self.absent > self.rows.len() {
                let text = format!(
                    "{}: more than half of the rows have no image, which `corrupt: skip` does not bear with; is the \
                     folder of images right, and the suffix?",
                    path.display()
                );
                findings.push(FindingKind::Unusable { count: self.absent, of: self.rows.len() }, text);
            }
            findings.extend("kinds of rows without their image", self.missing);
        }
        if !self.normalised.is_empty() {
            notes.push(format!(
                "{} in another Unicode form than the file's, which is taken all the same: {}",
                number(self.normalised.len(), "image name is written", "image names are written"),
                shorten(&self.normalised, 3)
            ));
        }
        if self.empty_tags > 0 {
            notes.push(format!(
                "{}: {} left out between doubled separators",
                path.display(),
                number(self.empty_tags, "empty tag is", "empty tags are")
            ));
        }
        if self.rows.is_empty() && findings.is_empty() {
            let table = FindingKind::Table { file: path.to_path_buf(), line: None };
            findings.push(table, format!("{}: no rows", path.display()));
        }
        notes.extend(
            repeated(&self.rows, &self.lines, source.task)
                .into_iter()
                .map(|note| format!("{}: {note}", path.display())),
        );
        if self.some_found { self.rows } else { Vec::new() }
    }
}

/// The notes about images of several rows: that they are, and which of them have different labels.
fn repeated(rows: &[SourceRow], lines: &[u32], task: TaskKind) -> Vec<String> {
    // Compares by path, which is equal for the ids `a` and `./a`.
    let mut first: HashMap<&Path, usize> = HashMap::with_capacity(rows.len());
    let mut images: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let first = *first.entry(&row.path).or_insert(index);
        if first != index {
            images.entry(first).or_default().push(index);
        }
    }
    if images.is_empty() {
        return Vec::new();
    }
    let repeated: Vec<&str> = images.keys().map(|first| rows[*first].id.as_str()).collect();
    let mut notes = vec![format!(
        "{} in more than one row; all rows are kept, on the side of the first: {}",
        number(repeated.len(), "image stands", "images stand"),
        names(&repeated, 5)
    )];
    let labels = |row: usize| rows[row].labels.iter().collect::<HashSet<_>>();
    let said = |row: usize| {
        let labels = &rows[row].labels;
        let labels = if labels.is_empty() { "no label".to_string() } else { names(labels, 5) };
        format!("{labels} in line {}", lines[row])
    };
    let differ = |(first, others): (&usize, &Vec<usize>)| {
        let other = others.iter().find(|other| labels(**other) != labels(*first))?;
        Some(format!("{:?} has {} and {}", rows[*first].id, said(*first), said(*other)))
    };
    let differ: Vec<String> = images.iter().filter_map(differ).collect();
    if !differ.is_empty() {
        let cure = match task {
            TaskKind::MultiLabel => "write the tags of an image into one row",
            TaskKind::SingleLabel | TaskKind::Regression => "keep the row that is right",
        };
        notes.push(format!(
            "{} not the same label in all rows: {}; {cure}",
            number(differ.len(), "image has", "images have"),
            shorten(&differ, 3)
        ));
    }
    notes
}
