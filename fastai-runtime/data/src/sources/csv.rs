//! Labels from a csv file: one row per image.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use fastai_dsl::{Column, TaskKind, Valid};

use super::folders;
use super::quotes::Quotes;
use crate::findings::{Findings, names, nearest, shorten};
use crate::row::SourceRow;

/// The recipe's keys of a csv source.
pub(crate) struct CsvSource<'a> {
    pub(crate) labels: &'a str,
    pub(crate) images: &'a str,
    pub(crate) suffix: &'a str,
    pub(crate) id: &'a Column,
    pub(crate) label: &'a Column,
    pub(crate) separator: &'a str,
    pub(crate) header: bool,
    pub(crate) valid: &'a Valid,
    pub(crate) test: Option<&'a str>,
    pub(crate) task: TaskKind,
    /// Whether rows whose image is missing are left out instead of reported as findings.
    pub(crate) skip: bool,
}

/// Suffixes that the hint about a missing file tries.
const SUFFIXES: [&str; 8] = [".jpg", ".jpeg", ".png", ".JPG", ".tif", ".webp", ".bmp", ".gif"];

impl CsvSource<'_> {
    /// Reads every row in file order and checks cells and files. Also returns the name of the label column.
    pub(crate) fn read(
        &self,
        root: &Path,
        findings: &mut Findings,
        notes: &mut Vec<String>,
    ) -> (Vec<SourceRow>, String) {
        let path = root.join(self.labels);
        let images = root.join(self.images);
        let images_exist = images.is_dir();
        if !images_exist {
            findings.push(format!(
                "the folder of images {} (images: {:?}) does not exist",
                images.display(),
                self.images
            ));
        }
        if let Valid::Folder(folder) = self.valid
            && !root.join(folder).is_dir()
        {
            let inside = format!("{}/{folder}", self.images.trim_end_matches('/'));
            let hint = match root.join(&inside).is_dir() {
                true => format!("; paths are below `root`: did you mean `folder({inside:?})`?"),
                false => String::new(),
            };
            findings.push(format!(
                "the folder of held-out images {} (valid: folder({folder:?})) does not exist{hint}",
                root.join(folder).display()
            ));
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                findings.push(format!("cannot open {} (labels: {:?}): {error}", path.display(), self.labels));
                return (Vec::new(), String::new());
            }
        };
        // The reader skips a byte order mark by itself.
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Quotes::new(file));
        let mut records = reader.records();
        let mut columns = None;
        let mut rows = CsvRows::default();
        let mut number = 0;
        // Reads one record ahead, because only the end of the file shows whether the last record is valid.
        let mut ahead = None;
        let mut whole = true;
        loop {
            let read = match records.next() {
                Some(Ok(record)) => Some(record),
                Some(Err(error)) => {
                    findings.push(format!("{}: {error}", path.display()));
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
                break;
            }
            if let Some(record) = record {
                let columns = match &columns {
                    Some(columns) => columns,
                    None => {
                        let Some(found) = self.columns(&record, &path, findings) else {
                            return (Vec::new(), String::new());
                        };
                        columns.insert(found)
                    }
                };
                if number > 0 || !self.header {
                    let line = record.position().map_or(number + 1, ::csv::Position::line);
                    self.row(&record, columns, &format!("{}:{line}", path.display()), root, images_exist, &mut rows);
                }
                number += 1;
            }
            if last {
                break;
            }
        }
        if images_exist {
            self.note_strangers(root, &rows, &path, notes);
        }
        let label = columns.map_or(String::new(), |c| c.label_name);
        (rows.report(&path, self.skip, findings, notes), label)
    }

    /// Notes image files that no row names: forgotten rows, or images of another set. The search goes as deep as the rows'
    /// own images lie.
    fn note_strangers(&self, root: &Path, rows: &CsvRows, path: &Path, notes: &mut Vec<String>) {
        let named: HashSet<&Path> = rows.rows.iter().map(|row| row.path.as_path()).collect();
        let parts_of = |id: &str| Path::new(id).components().filter(|c| matches!(c, Component::Normal(_))).count();
        let depth = rows.rows.iter().map(|row| parts_of(&row.id).saturating_sub(1)).max().unwrap_or(0);
        let images = root.join(self.images);
        let held_out = match self.valid {
            Valid::Folder(folder) => Some(root.join(folder)).filter(|folder| !folder.starts_with(&images)),
            _ => None,
        };
        let test = self.test.map(|test| root.join(test));
        for folder in [Some(images), held_out].into_iter().flatten() {
            let mut strangers = Vec::new();
            let mut inside = vec![(PathBuf::new(), depth)];
            while let Some((below, depth)) = inside.pop() {
                let here = folder.join(&below);
                if test.as_ref() == Some(&here) {
                    continue;
                }
                let Ok(listing) = folders::list(&here) else { continue };
                let is_stranger = |name: &String| {
                    let file = here.join(name);
                    name.ends_with(self.suffix) && file != path && !named.contains(file.as_path())
                };
                let found = listing.files.into_iter().filter(is_stranger);
                strangers.extend(found.map(|name| below.join(name).to_string_lossy().into_owned()));
                if depth > 0 {
                    // The caller examines the first record next.
                    inside.extend(listing.folders.into_iter().rev().map(|name| (below.join(name), depth - 1)));
                }
            }
            if !strangers.is_empty() {
                notes.push(format!(
                    "{} files in {} have no row in {} and are left out: {}",
                    strangers.len(),
                    folder.display(),
                    path.display(),
                    names(&strangers, 3)
                ));
            }
        }
    }

    /// Resolves the columns from the first record. Each missing column is a finding and makes the result `None`.
    fn columns(&self, first: &::csv::StringRecord, path: &Path, findings: &mut Findings) -> Option<CsvColumns> {
        let header: Vec<&str> = first.iter().map(str::trim).collect();
        let mut resolve = |key: &str, column: &Column| match column {
            Column::Position(position) => {
                let found = (*position as usize) < header.len();
                if !found {
                    findings.push(format!(
                        "{}: no column {position} ({key}: {position}, counted from 0): the first row has {}: {}",
                        path.display(),
                        header.len(),
                        names(&header, 20)
                    ));
                }
                found.then_some(*position as usize)
            }
            Column::Name(name) if !self.header => {
                findings.push(format!(
                    "{}: {key}: {name:?} names a column, but header is off; give its position, counted from 0",
                    path.display()
                ));
                None
            }
            Column::Name(name) => {
                let found = header.iter().position(|h| h == name);
                if found.is_none() {
                    let hint = nearest(name, &header).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                    findings.push(format!(
                        "{}: no column {name:?} ({key}: {name:?}); the header has {}{hint}",
                        path.display(),
                        names(&header, 20)
                    ));
                }
                found
            }
        };
        let id = resolve("id", self.id);
        let label = resolve("label", self.label);
        let flag = match self.valid {
            Valid::Column(name) => resolve("valid", &Column::Name(name.clone())).map(Some),
            _ => Some(None),
        };
        let group = match self.valid {
            Valid::Grouped { column, .. } => resolve("valid", &Column::Name(column.clone())).map(Some),
            _ => Some(None),
        };
        let label = label?;
        let label_name = match self.header {
            true => header[label].to_string(),
            false => "value".to_string(),
        };
        Some(CsvColumns { id: id?, label, label_name, flag: flag?, group: group? })
    }

    fn row(
        &self,
        record: &::csv::StringRecord,
        columns: &CsvColumns,
        place: &str,
        root: &Path,
        images_exist: bool,
        rows: &mut CsvRows,
    ) {
        let needed = columns.id.max(columns.label).max(columns.flag.unwrap_or(0)).max(columns.group.unwrap_or(0)) + 1;
        if record.len() < needed {
            rows.malformed.push(format!("{place}: {} cells, expected at least {needed}", record.len()));
            return;
        }
        let id = &record[columns.id];
        for (what, cell) in [("image name", id), ("label", &record[columns.label])] {
            if cell.contains(['\n', '\r']) {
                let start: String = cell.chars().take(40).collect();
                rows.malformed.push(format!(
                    "{place}: the {what} {start:?} goes on over the end of the line: is a quote opened here that should be \
                     closed, or be no quote?"
                ));
                return;
            }
        }
        if id.is_empty() {
            rows.malformed.push(format!("{place}: the image name is empty"));
            return;
        }
        let relative = format!("{id}{}", self.suffix);
        // A name such as ../../secret must not lead out of the data set.
        if !Path::new(&relative).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            rows.malformed.push(format!("{place}: the image name {id:?} leads out of the folder of images"));
            return;
        }
        let mut path = root.join(self.images).join(&relative);
        let mut held_out = None;
        let mut nor = String::new();
        if let Valid::Folder(folder) = self.valid {
            let folder = root.join(folder);
            let other = folder.join(&relative);
            if path.starts_with(&folder) {
                held_out = Some(true);
            } else if other.is_file() {
                if path.is_file() {
                    rows.malformed.push(format!(
                        "{place}: {id:?} lies both in {} and in {}: it would be trained and measured on",
                        path.display(),
                        other.display()
                    ));
                }
                held_out = Some(true);
                path = other;
            } else {
                held_out = Some(false);
                nor = format!(", nor {}", other.display());
            }
        }
        let absent = images_exist && !path.is_file();
        if absent {
            let folder = root.join(self.images);
            let hint = SUFFIXES.iter().find(|s| {
                self.suffix.is_empty() && rows.missing.is_empty() && folder.join(format!("{id}{s}")).is_file()
            });
            let hint = hint.map_or(String::new(), |s| format!(" (but {id}{s} exists: say `suffix: {s:?}`)"));
            rows.missing.push(format!("{place}: no image {}{nor}{hint}", path.display()));
        }
        if let Some(flag) = columns.flag {
            match parse_flag(&record[flag]) {
                Some(flag) => held_out = Some(flag),
                None => rows.malformed.push(format!(
                    "{place}: {:?} says neither yes nor no; expected 0, 1, true or false",
                    &record[flag]
                )),
            }
        }
        let labels = self.labels_of(&record[columns.label], place, rows);
        let group = columns.group.map(|group| record[group].to_string());
        rows.rows.push(SourceRow { id: id.to_string(), path, labels, held_out, group, absent: absent && self.skip });
    }

    /// The label, or the tags without repetitions.
    fn labels_of(&self, cell: &str, place: &str, rows: &mut CsvRows) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        if self.task == TaskKind::MultiLabel && !self.separator.is_empty() {
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
        if labels.is_empty() && self.task != TaskKind::MultiLabel {
            rows.malformed.push(format!("{place}: the label is empty; {} needs exactly one", self.task.word()));
        }
        if self.task == TaskKind::Regression {
            if let Some(label) = labels.first().filter(|l| !l.trim().parse::<f32>().is_ok_and(f32::is_finite)) {
                rows.malformed.push(format!("{place}: the label {label:?} is no finite number"));
            }
            return labels;
        }
        for label in labels.iter().filter(|l| l.trim() != l.as_str()) {
            let what = if self.task == TaskKind::MultiLabel { "tag" } else { "label" };
            rows.spaced.push(format!(
                "{place}: white space around the {what} {label:?} would make it a class of its own; \
                 take it out of the file{}",
                if what == "tag" { ", or into the recipe's `separator`" } else { "" }
            ));
        }
        labels
    }
}

struct CsvColumns {
    id: usize,
    label: usize,
    label_name: String,
    flag: Option<usize>,
    group: Option<usize>,
}

/// The rows read so far and their problems, by kind.
#[derive(Default)]
struct CsvRows {
    rows: Vec<SourceRow>,
    malformed: Vec<String>,
    missing: Vec<String>,
    spaced: Vec<String>,
    empty_tags: usize,
}

impl CsvRows {
    fn report(self, path: &Path, skip: bool, findings: &mut Findings, notes: &mut Vec<String>) -> Vec<SourceRow> {
        findings.extend("rows like these", self.malformed);
        if skip && !self.missing.is_empty() && 2 * self.missing.len() <= self.rows.len() {
            notes.push(format!(
                "{} of {} rows have no image and are left out: {}",
                self.missing.len(),
                self.rows.len(),
                shorten(&self.missing, 5)
            ));
        } else {
            if skip && !self.missing.is_empty() {
                findings.push(format!(
                    "{}: more than half of the rows have no image, which `corrupt: skip` does not bear with; is the \
                     folder of images right, and the suffix?",
                    path.display()
                ));
            }
            findings.extend("rows without their image", self.missing);
        }
        findings.extend("labels with white space around them", self.spaced);
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
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for row in &self.rows {
            *seen.entry(&row.id).or_insert(0) += 1;
        }
        let mut repeated: Vec<&str> = seen.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
        if !repeated.is_empty() {
            repeated.sort_unstable();
            notes.push(format!(
                "{}: {} image names stand in more than one row; all rows are kept, on the side of the first: {}",
                path.display(),
                repeated.len(),
                names(&repeated, 5)
            ));
        }
        self.rows
    }
}

/// Parses a cell that states whether an image is held out.
pub(crate) fn parse_flag(cell: &str) -> Option<bool> {
    match cell.trim().to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}
