//! Labels from a csv file: one row per image.

mod absent;
mod cells;
mod columns;
mod first_row;
mod other_column;
mod places;
mod quotes;
mod rows;
mod strangers;
mod table;

use std::path::{Component, Path, PathBuf};

use fastai_dsl::{Column, Encoding, TaskKind, Valid};

use self::cells::CellKinds;
use self::columns::{CsvColumns, Labels};
use self::rows::CsvRows;
use super::neighbours;
use crate::findings::{Findings, names, number};
use crate::memory;
use crate::row::SourceRow;

pub(crate) use self::cells::parse_flag;
pub use self::table::first_rows;
pub(crate) use self::table::{open, reason};

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
            findings.push(format!("{} (labels: {:?}) does not exist; {hint}", path.display(), self.labels));
            return (Vec::new(), String::new());
        }
        let mut reader = match open(&path, self.delimiter, self.encoding) {
            Ok(reader) => reader,
            Err(finding) => {
                findings.push(finding.replacen(": ", &format!(" (labels: {:?}): ", self.labels), 1));
                return (Vec::new(), String::new());
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
        loop {
            let read = match records.next() {
                Some(Ok(record)) => Some(record),
                Some(Err(error)) => {
                    findings.push(format!("{}:{}", path.display(), reason(&error)));
                    whole = false;
                    None
                }
                None => None,
            };
            let last = read.is_none();
            let record = std::mem::replace(&mut ahead, read);
            if let Some(line) = records.reader().get_ref().open().filter(|_| last && whole) {
                findings.push(format!(
                    "{}:{line}: a quote is opened here and never closed, so that the rest of the file would be one cell; \
                     close it, or take it out",
                    path.display()
                ));
                whole = false;
                break;
            }
            if let Some(record) = record {
                let line = record.position().map_or(number + 1, ::csv::Position::line);
                let columns = match &columns {
                    Some(columns) => columns,
                    None => {
                        let Some(found) = columns::find(self, &record, &path, findings) else {
                            return (Vec::new(), String::new());
                        };
                        if self.header {
                            rows.header = Some(record.clone());
                        }
                        rows.cells = CellKinds::new(&record, self.header);
                        columns.insert(found)
                    }
                };
                if let Err(too_many) = rows.fits(&record, limit) {
                    findings.push(format!("{}:{line}: {too_many}", path.display()));
                    return (Vec::new(), String::new());
                }
                if number > 0 || !self.header {
                    self.row(&record, columns, &path, line, &mut rows);
                }
                number += 1;
            }
            if last {
                break;
            }
        }
        let Some(columns) = columns else {
            if findings.is_empty() {
                findings.push(format!("{}: no rows", path.display()));
            }
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
        findings.extend("first rows", no_header.into_iter().collect());
        let rows = rows.report(&path, self, findings, notes);
        // What a part of a file lacks says nothing.
        (if whole { rows } else { Vec::new() }, columns.label_name())
    }

    /// Reports folders that do not exist; returns whether that of the images does.
    fn check_folders(&self, root: &Path, findings: &mut Findings) -> bool {
        let images = root.join(self.images);
        let images_exist = images.is_dir();
        if !images_exist {
            findings.push(format!(
                "the folder of images {} (images: {:?}) does not exist{}",
                images.display(),
                self.images,
                neighbours::hint(root, self.images, "images", &[])
            ));
        }
        if let Valid::Folder(folder) = self.valid
            && !root.join(folder).is_dir()
        {
            let inside = format!("{}/{folder}", self.images.trim_end_matches('/'));
            let hint = match root.join(&inside).is_dir() {
                true => format!("; paths are below `root`: did you mean `folder({inside:?})`?"),
                false => neighbours::hint(root, folder, "valid", neighbours::VALID),
            };
            findings.push(format!(
                "the folder of held-out images {} (valid: folder({folder:?})) does not exist{hint}",
                root.join(folder).display()
            ));
        }
        images_exist
    }

    /// Reads a row; its file is looked up later.
    fn row(&self, record: &::csv::StringRecord, columns: &CsvColumns, path: &Path, line: u64, rows: &mut CsvRows) {
        let line = line as u32;
        let place = || format!("{}:{line}", path.display());
        if rows.header.as_ref().is_some_and(|header| header == record) {
            let again = || format!("{}: the header again", place());
            rows.malformed.push("header", line, again, "are several files joined here? Take these rows out");
            return;
        }
        let needed = columns.last() + 1;
        if record.len() < needed {
            let cells =
                || format!("{}: {}, expected at least {needed}", place(), number(record.len(), "cell", "cells"));
            rows.malformed.push("short", line, cells, "");
            return;
        }
        let surplus = record.iter().skip(columns.width).any(|cell| !cell.trim().is_empty());
        if surplus {
            let first = if self.header { "the header" } else { "the first row" };
            let cells = || format!("{}: {} cells, {first} has {}", place(), record.len(), columns.width);
            rows.ragged.push("ragged", line, cells, self.ragged(record, columns));
            return;
        }
        rows.cells.see(record, columns, self.separator);
        let id = &record[columns.id];
        let label = match &columns.labels {
            Labels::One { place, .. } => Some(("label", &record[*place])),
            Labels::Several(_) => None,
        };
        for (what, cell) in [Some(("image name", id)), label].into_iter().flatten() {
            if cell.contains(['\n', '\r']) {
                let start: String = cell.chars().take(40).collect();
                let over = || format!("{}: the {what} {start:?} goes on over the end of the line", place());
                let cure = "is a quote opened here that should be closed, or be no quote?";
                rows.malformed.push(what, line, over, cure);
                return;
            }
        }
        if id.is_empty() {
            rows.malformed.push("no name", line, || format!("{}: the image name is empty", place()), "");
            return;
        }
        let mut held_out = None;
        if let Some(flag) = columns.flag {
            held_out = parse_flag(&record[flag]);
            if held_out.is_none() {
                let neither = || format!("{}: {:?} says neither yes nor no", place(), &record[flag]);
                rows.malformed.push("flag", line, neither, "expected 0, 1, true or false");
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
        // The cells that would be one if the label, usually the last column, were quoted.
        let label = match &columns.labels {
            Labels::One { place, .. } if place + 1 == columns.width => *place,
            _ => columns.width - 1,
        };
        let joined: Vec<&str> = record.iter().skip(label).collect();
        let joined: String = joined.join(&self.delimiter.to_string()).chars().take(60).collect();
        let delimiter = self.delimiter.to_string();
        let mut text = format!("is a {delimiter:?} in a cell not quoted? One cell would be `\"{joined}\"`");
        if self.task == TaskKind::MultiLabel && self.columns.is_empty() {
            text += &format!(", read with `separator: {delimiter:?}`");
        }
        text
    }

    /// The label, or the tags without repetitions.
    fn labels_of(&self, cell: &str, line: u32, place: &dyn Fn() -> String, rows: &mut CsvRows) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        let tags = self.task == TaskKind::MultiLabel;
        if self.task != TaskKind::Regression && cells::is_list(cell, tags) {
            let list = || format!("{}: the label {cell:?} is written as a list", place());
            let cure = "write labels without brackets and quotes, tags parted by the recipe's `separator` (pandas: \
                        `df[\"tags\"].apply(ast.literal_eval).str.join(\";\")`)";
            rows.malformed.push("list", line, list, cure);
            return labels;
        }
        if tags && !self.separator.is_empty() {
            for tag in cell.split(self.separator) {
                if tag.is_empty() {
                    rows.empty_tags += usize::from(!cell.is_empty());
                } else if !labels.iter().any(|l| l == tag) {
                    labels.push(tag.to_string());
                }
            }
        } else if !cell.is_empty() {
            labels.push(cell.to_string());
        }
        if labels.is_empty() && !tags {
            let empty = || format!("{}: the label is empty; {} needs exactly one", place(), self.task.word());
            rows.malformed.push("empty", line, empty, "give these rows a label, or take them out");
        }
        if self.task == TaskKind::Regression {
            if let Some(label) = labels.first().filter(|l| !l.trim().parse::<f32>().is_ok_and(f32::is_finite)) {
                rows.malformed.push(
                    "number",
                    line,
                    || format!("{}: the label {label:?} is no finite number", place()),
                    "",
                );
            }
            return labels;
        }
        for label in &labels {
            if label.trim() != label {
                self.spaced(label, line, place, rows);
            }
            // A tag that ends with a comma was parted by a comma and a blank.
            if tags
                && self.separator.trim().is_empty()
                && let Some(mark) = label.chars().last().filter(|mark| [',', ';', '|'].contains(mark))
            {
                let ends = || format!("{}: the tag {label:?} ends with \"{mark}\"", place());
                let between = format!("{mark}{}", self.separator);
                rows.malformed.push(
                    "mark",
                    line,
                    ends,
                    format!("if tags are parted by {between:?}, say `separator: {between:?}`"),
                );
            }
        }
        labels
    }

    fn spaced(&self, label: &str, line: u32, place: &dyn Fn() -> String, rows: &mut CsvRows) {
        let what = if self.task == TaskKind::MultiLabel { "tag" } else { "label" };
        let other = if what == "tag" && self.columns.is_empty() { ", or into the recipe's `separator`" } else { "" };
        let around =
            || format!("{}: white space around the {what} {label:?} would make it a class of its own", place());
        let cure = format!("take it out of the file (pandas: `.str.strip()`){other}");
        rows.malformed.push("spaced", line, around, cure);
    }

    /// The names of the columns that say yes; or, where they hold text, the tags in them.
    fn labels_in(
        &self,
        record: &::csv::StringRecord,
        columns: &[(usize, String)],
        line: u32,
        place: &dyn Fn() -> String,
        rows: &mut CsvRows,
    ) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for (column, name) in columns {
            let cell = record[*column].trim();
            if cell.is_empty() {
                continue;
            }
            let flag = cells::parse_share(cell);
            // A tag may be a whole number, but no negative number and no fraction.
            let share =
                flag.is_none() && cell.parse::<f32>().is_ok() && !cell.bytes().all(|byte| byte.is_ascii_digit());
            let neither = || format!("{}: {cell:?} in column {name:?} is neither 0 nor 1", place());
            if share {
                let cure = "decide what an unsure label is: 0, 1, or a row to take out";
                rows.malformed.push("unsure", line, neither, cure);
                continue;
            }
            // The first cell decides for all.
            match (*rows.flags.get_or_insert(flag.is_some()), flag) {
                (true, Some(true)) => labels.push(name.clone()),
                (true, Some(false)) => {}
                (true, None) => {
                    rows.malformed.push("no flag", line, || format!("{}, as in the rows before", neither()), "");
                }
                (false, _) if self.task == TaskKind::MultiLabel => {
                    if cell != &record[*column] {
                        self.spaced(&record[*column], line, place, rows);
                    }
                    if !labels.iter().any(|label| label == cell) {
                        labels.push(cell.to_string());
                    }
                }
                (false, _) => {
                    let cure = format!(
                        "columns of text hold tags: `task: multi_label`, or `label: {name:?}` for one column of classes"
                    );
                    rows.malformed.push("text", line, neither, cure);
                }
            }
        }
        if self.task == TaskKind::SingleLabel && labels.len() != 1 && rows.flags == Some(true) {
            let ones = || match labels.len() {
                0 => format!("{}: none of its columns holds a 1", place()),
                n => format!("{}: {n} of its columns hold a 1 ({})", place(), names(&labels, 5)),
            };
            let kind = if labels.is_empty() { "no 1" } else { "several" };
            let cure = "single_label needs exactly one class a row, `task: multi_label` takes any number";
            rows.malformed.push(kind, line, ones, cure);
        }
        labels
    }
}

/// Whether a path stays within the folder that it is relative to.
fn is_inside(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}
