//! Labels from a csv file: one row per image.

mod absent;
mod cause;
mod cells;
mod columns;
mod first_row;
mod labels;
mod other_column;
mod places;
mod rows;
mod strangers;
mod table;
mod text;

use std::path::{Component, Path, PathBuf};

use fastai_dsl::{Column, Encoding, TaskKind, Valid};

use self::cells::CellKinds;
use self::columns::{CsvColumns, Labels};
use self::rows::CsvRows;
use super::neighbours;
use crate::DataKey;
use crate::finding::{Finding, FindingKind, RowFault};
use crate::findings::{Findings, number};
use crate::memory;
use crate::row::SourceRow;

pub(crate) use self::cells::parse_flag;
pub use self::table::first_rows;
pub(crate) use self::table::{open, reason};
pub use self::text::CsvText;

/// The recipe's keys of a csv source.
pub(crate) struct CsvSource<'a> {
    pub(crate) labels: &'a str,
    pub(crate) images: &'a str,
    pub(crate) suffixes: &'a [String],
    pub(crate) id: &'a Column,
    pub(crate) label: &'a Column,
    /// Columns of one class or tag each, instead of `label`.
    pub(crate) columns: &'a [Column],
    pub(crate) separator: &'a str,
    pub(crate) header: bool,
    pub(crate) delimiter: char,
    pub(crate) encoding: Encoding,
    pub(crate) valid: &'a Valid,
    pub(crate) test: Option<&'a str>,
    pub(crate) task: TaskKind,
    /// Whether rows whose image is missing are left out instead of reported as findings.
    pub(crate) skip: bool,
}

/// What a csv file says.
struct CsvTable {
    columns: CsvColumns,
    rows: CsvRows,
    /// Whether the rest of the file could be read after each record.
    whole: bool,
}

/// Rows whose cells are kept for hints.
const SAMPLES: usize = 2_000;

impl CsvSource<'_> {
    /// Reads every row in file order and checks cells and files. Also returns the name of the label column.
    pub(crate) fn read(
        &self,
        root: &Path,
        findings: &mut Findings,
        notes: &mut Vec<String>,
    ) -> (Vec<SourceRow>, String) {
        let path = root.join(self.labels);
        let images_exist = self.check_folders(root, findings);
        if let Some(hint) = neighbours::file(root, self.labels).filter(|_| !path.exists()) {
            let text = format!("{} (labels: {:?}) does not exist; {hint}", path.display(), self.labels);
            findings.place(DataKey::Labels, &path, text);
            return (Vec::new(), String::new());
        }
        let Some(CsvTable { columns, mut rows, whole }) = self.table(&path, findings) else {
            return (Vec::new(), String::new());
        };
        self.locate(root, images_exist, &path, &columns, &mut rows);
        let no_header = self.check_header(&rows, &columns, &path, root);
        // A row that was not read may name any of the images, and have any label.
        if whole && no_header.is_none() && rows.all_read() {
            if images_exist && (rows.missing.is_empty() || self.skip) {
                self.note_strangers(root, &rows, &path, notes);
            }
            if rows.some_found {
                notes.extend(rows.cells.notes(self, &columns, &rows.samples, &path));
            }
        } else {
            findings.leave_unread();
        }
        let first_row = || FindingKind::Table { file: path.clone(), line: Some(1) };
        findings.extend("first rows", no_header.into_iter().map(|text| Finding::new(first_row(), text)).collect());
        let rows = rows.report(&path, self, findings, notes);
        // Rows of a part of the file are no data set: what they lack may be in the rest.
        (if whole { rows } else { Vec::new() }, columns.label_name())
    }

    /// Reads the records of the file at `path`; `None` if it cannot be opened, has no rows, or lacks columns that the recipe
    /// names, which is a finding.
    fn table(&self, path: &Path, findings: &mut Findings) -> Option<CsvTable> {
        let mut reader = match open(path, self.delimiter, self.encoding) {
            Ok(reader) => reader,
            Err(finding) => {
                let text = finding.replacen(": ", &format!(" (labels: {:?}): ", self.labels), 1);
                findings.place(DataKey::Labels, path, text);
                return None;
            }
        };
        let mut records = reader.records();
        let mut columns = None;
        let mut rows = CsvRows::default();
        let mut number = 0;
        // Reads one record ahead, because only the end of the file shows whether the last record is valid.
        let mut ahead = None;
        let mut whole = true;
        let limit = memory::limit().unwrap_or(u64::MAX);
        let table = |line: Option<u64>| FindingKind::Table { file: path.to_path_buf(), line };
        loop {
            let read = match records.next() {
                Some(Ok(record)) => {
                    // Lines are asked for in their order, and a row waits here until the next one is read.
                    let place = record.position();
                    let line = place.map(|place| records.reader_mut().get_mut().line_of(place));
                    Some((record, line))
                }
                Some(Err(error)) => {
                    let line = error.position().map(|place| records.reader_mut().get_mut().line_of(place));
                    findings.push(table(line), format!("{}:{}", path.display(), reason(&error, line)));
                    whole = false;
                    None
                }
                None => None,
            };
            let last = read.is_none();
            let record = std::mem::replace(&mut ahead, read);
            if let Some(line) = records.reader().get_ref().open().filter(|_| last && whole) {
                let text = format!(
                    "{}:{line}: a quote is opened here and never closed, so that the rest of the file would be one cell; \
                     close it, or take it out",
                    path.display()
                );
                findings.push(table(Some(line)), text);
                whole = false;
                break;
            }
            if let Some((record, line)) = record {
                let line = line.unwrap_or(number + 1);
                let columns = match &columns {
                    Some(columns) => columns,
                    None => {
                        let found = columns::find(self, &record, path, findings)?;
                        if self.header {
                            rows.header = Some(record.clone());
                        }
                        rows.cells = CellKinds::new(&record, self.header);
                        columns.insert(found)
                    }
                };
                if let Err(too_many) = rows.fits(&record, limit) {
                    findings.push(table(Some(line)), format!("{}:{line}: {too_many}", path.display()));
                    return None;
                }
                if number > 0 || !self.header {
                    self.row(&record, columns, path, line, &mut rows);
                }
                number += 1;
            }
            if last {
                break;
            }
        }
        let Some(columns) = columns else {
            if findings.is_empty() {
                findings.push(table(None), format!("{}: no rows", path.display()));
            }
            return None;
        };
        Some(CsvTable { columns, rows, whole })
    }

    /// Reports folders that do not exist; returns whether that of the images does.
    fn check_folders(&self, root: &Path, findings: &mut Findings) -> bool {
        let images = root.join(self.images);
        let images_exist = images.is_dir();
        if !images_exist {
            let hint = neighbours::hint(root, self.images, DataKey::Images).unwrap_or_default();
            let text =
                format!("the folder of images {} (images: {:?}) does not exist{hint}", images.display(), self.images);
            findings.place(DataKey::Images, &images, text);
        }
        if let Valid::Folder(folder) = self.valid
            && !root.join(folder).is_dir()
        {
            let inside = format!("{}/{folder}", self.images.trim_end_matches('/'));
            let hint = match root.join(&inside).is_dir() {
                true => format!("; paths are below `root`: did you mean `folder({inside:?})`?"),
                false => neighbours::hint(root, folder, DataKey::Valid).unwrap_or_default(),
            };
            let path = root.join(folder);
            let text = format!(
                "the folder of held-out images {} (valid: folder({folder:?})) does not exist{hint}",
                path.display()
            );
            findings.place(DataKey::Valid, &path, text);
        }
        images_exist
    }

    /// Reads a row; its file is looked up later.
    fn row(&self, record: &::csv::StringRecord, columns: &CsvColumns, path: &Path, line: u64, rows: &mut CsvRows) {
        let line = line as u32;
        let place = || format!("{}:{line}", path.display());
        if rows.header.as_ref().is_some_and(|header| header == record) {
            let again = || format!("{}: the header again", place());
            let cure = "are several files joined here? Take these rows out";
            rows.malformed.push(RowFault::HeaderAgain, line, again, Some(cure));
            return;
        }
        let needed = columns.last() + 1;
        if record.len() < needed {
            let cells =
                || format!("{}: {}, expected at least {needed}", place(), number(record.len(), "cell", "cells"));
            rows.malformed.push(RowFault::TooFewCells, line, cells, None);
            return;
        }
        let surplus = record.iter().skip(columns.width).any(|cell| !cell.trim().is_empty());
        if surplus {
            let first = if self.header { "the header" } else { "the first row" };
            let cells = || format!("{}: {} cells, {first} has {}", place(), record.len(), columns.width);
            rows.ragged.push(RowFault::TooManyCells, line, cells, Some(&self.ragged(record, columns)));
            return;
        }
        rows.cells.see(record, columns, self.separator);
        let id = &record[columns.id];
        let label = match &columns.labels {
            Labels::One { place, .. } => Some((RowFault::LabelOverLines, "label", &record[*place])),
            Labels::Several(_) => None,
        };
        for (fault, what, cell) in [Some((RowFault::NameOverLines, "image name", id)), label].into_iter().flatten() {
            if cell.contains(['\n', '\r']) {
                let start: String = cell.chars().take(40).collect();
                let over = || format!("{}: the {what} {start:?} goes on over the end of the line", place());
                let cure = "is a quote opened here that should be closed, or be no quote?";
                rows.malformed.push(fault, line, over, Some(cure));
                return;
            }
        }
        if id.is_empty() {
            rows.malformed.push(RowFault::NoName, line, || format!("{}: the image name is empty", place()), None);
            return;
        }
        let mut held_out = None;
        if let Some(flag) = columns.flag {
            held_out = parse_flag(&record[flag]);
            if held_out.is_none() {
                let neither = || format!("{}: {:?} says neither yes nor no", place(), &record[flag]);
                rows.malformed.push(RowFault::HeldOut, line, neither, Some("expected 0, 1, true or false"));
            }
        }
        let labels = match &columns.labels {
            Labels::One { place: column, .. } => self.labels_of(&record[*column], line, &place, rows),
            Labels::Several(list) => self.labels_in(record, list, line, &place, rows),
        };
        let group = columns.group.map(|group| record[group].to_string());
        if rows.samples.len() < SAMPLES {
            rows.samples.push(record.clone());
        }
        rows.lines.push(line);
        rows.rows.push(SourceRow { id: id.to_string(), path: PathBuf::new(), labels, held_out, group, absent: false });
    }

    /// What to do about a row with more cells than the first one.
    fn ragged(&self, record: &::csv::StringRecord, columns: &CsvColumns) -> String {
        // The cells that would be one if the last column, usually that of the labels, were quoted.
        let last: Vec<&str> = record.iter().skip(columns.width - 1).collect();
        let delimiter = self.delimiter.to_string();
        let joined: String = last.join(&delimiter).chars().take(60).collect();
        let mut text = format!("is a {delimiter:?} in a cell not quoted? One cell would be `\"{joined}\"`");
        if self.task == TaskKind::MultiLabel && self.columns.is_empty() {
            text += &format!(", read with `separator: {delimiter:?}`");
        }
        text
    }
}

/// Whether a path stays within the folder that it is relative to.
fn is_inside(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}
