//! Labels from a csv file: one row per image.

mod absent;
mod cells;
mod columns;
mod quotes;
mod table;

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use fastai_dsl::{Column, Encoding, TaskKind, Valid};
use rayon::prelude::*;

use self::absent::Absent;
use self::cells::CellKinds;
use self::columns::{CsvColumns, Labels};
use super::folders;
use super::neighbours;
use crate::findings::{Findings, names, shorten};
use crate::row::SourceRow;

pub(crate) use self::cells::parse_flag;
pub(crate) use self::table::{open, reason};

/// The recipe's keys of a csv source.
pub(crate) struct CsvSource<'a> {
    pub(crate) labels: &'a str,
    pub(crate) images: &'a str,
    pub(crate) suffixes: &'a [String],
    pub(crate) id: &'a Column,
    pub(crate) label: &'a Column,
    /// CsvColumns of one class or tag each, instead of `label`.
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
const SAMPLES: usize = 20;

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
                        if self.header && images_exist {
                            self.check_header(&record, found.id, &path, root, findings);
                        }
                        rows.cells = CellKinds::new(&record, self.header);
                        columns.insert(found)
                    }
                };
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
        if images_exist && whole && (rows.missing.is_empty() || self.skip) {
            self.note_strangers(root, &rows, &path, notes);
        }
        notes.extend(rows.cells.notes(self, &columns, rows.rows.len(), &path));
        (rows.report(&path, self, findings, notes), columns.label_name())
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

    /// Reports a first row that names an image, and is therefore no header.
    fn check_header(&self, first: &::csv::StringRecord, id: usize, path: &Path, root: &Path, findings: &mut Findings) {
        let Some(id) = first.get(id).map(str::trim).filter(|id| is_inside(Path::new(id)) && !id.is_empty()) else {
            return;
        };
        let images = root.join(self.images);
        let file = self.suffixes.iter().map(|suffix| images.join(format!("{id}{suffix}"))).find(|file| file.is_file());
        if let Some(file) = file {
            findings.push(format!(
                "{}:1: the first row is read as a header, and it names an image, {}: say `header: off`, with columns by \
                 position (`id: 0`, `label: 1`)",
                path.display(),
                file.display()
            ));
        }
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
                for name in listing.files {
                    let fits = self.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()));
                    let file = here.join(&name);
                    if fits && file != path && !named.contains(file.as_path()) && folders::is_image(&file) {
                        strangers.push(below.join(name).to_string_lossy().into_owned());
                    }
                }
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

    /// Reads a row; its file is looked up later.
    fn row(&self, record: &::csv::StringRecord, columns: &CsvColumns, path: &Path, line: u64, rows: &mut CsvRows) {
        let place = || format!("{}:{line}", path.display());
        let needed = columns.last() + 1;
        if record.len() < needed {
            rows.malformed.push(format!("{}: {} cells, expected at least {needed}", place(), record.len()));
            return;
        }
        let surplus = record.iter().skip(columns.width).any(|cell| !cell.trim().is_empty());
        if surplus {
            rows.ragged.push(self.ragged(record, columns, &place()));
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
                rows.malformed.push(format!(
                    "{}: the {what} {start:?} goes on over the end of the line: is a quote opened here that should be \
                     closed, or be no quote?",
                    place()
                ));
                return;
            }
        }
        if id.is_empty() {
            rows.malformed.push(format!("{}: the image name is empty", place()));
            return;
        }
        let mut held_out = None;
        if let Some(flag) = columns.flag {
            held_out = parse_flag(&record[flag]);
            if held_out.is_none() {
                rows.malformed.push(format!(
                    "{}: {:?} says neither yes nor no; expected 0, 1, true or false",
                    place(),
                    &record[flag]
                ));
            }
        }
        let labels = match &columns.labels {
            Labels::One { place: column, .. } => self.labels_of(&record[*column], &place, rows),
            Labels::Several(list) => self.labels_in(record, list, &place, rows),
        };
        let group = columns.group.map(|group| record[group].to_string());
        if rows.samples.len() < SAMPLES {
            rows.samples.push(record.clone());
        }
        rows.lines.push(line as u32);
        rows.rows.push(SourceRow { id: id.to_string(), path: PathBuf::new(), labels, held_out, group, absent: false });
    }

    /// The finding about a row with more cells than the first one.
    fn ragged(&self, record: &::csv::StringRecord, columns: &CsvColumns, place: &str) -> String {
        let first = if self.header { "the header" } else { "the first row" };
        let mut text = format!("{place}: {} cells, {first} has {}", record.len(), columns.width);
        // The cells that would be one if the label, usually the last column, were quoted.
        let label = match &columns.labels {
            Labels::One { place, .. } if place + 1 == columns.width => *place,
            _ => columns.width - 1,
        };
        let joined: Vec<&str> = record.iter().skip(label).collect();
        let joined: String = joined.join(&self.delimiter.to_string()).chars().take(60).collect();
        text +=
            &format!(": is a {:?} in a cell not quoted? One cell would be `\"{joined}\"`", self.delimiter.to_string());
        if self.task == TaskKind::MultiLabel && self.columns.is_empty() {
            text += &format!(", read with `separator: {:?}`", self.delimiter.to_string());
        }
        text
    }

    /// The label, or the tags without repetitions.
    fn labels_of(&self, cell: &str, place: &dyn Fn() -> String, rows: &mut CsvRows) -> Vec<String> {
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
            rows.malformed.push(format!("{}: the label is empty; {} needs exactly one", place(), self.task.word()));
        }
        if self.task == TaskKind::Regression {
            if let Some(label) = labels.first().filter(|l| !l.trim().parse::<f32>().is_ok_and(f32::is_finite)) {
                rows.malformed.push(format!("{}: the label {label:?} is no finite number", place()));
            }
            return labels;
        }
        for label in labels.iter().filter(|l| l.trim() != l.as_str()) {
            rows.spaced.push(self.spaced(label, place));
        }
        labels
    }

    fn spaced(&self, label: &str, place: &dyn Fn() -> String) -> String {
        let what = if self.task == TaskKind::MultiLabel { "tag" } else { "label" };
        format!(
            "{}: white space around the {what} {label:?} would make it a class of its own; take it out of the file{}",
            place(),
            if what == "tag" && self.columns.is_empty() { ", or into the recipe's `separator`" } else { "" }
        )
    }

    /// The names of the columns that say yes; or, where they hold text, the tags in them.
    fn labels_in(
        &self,
        record: &::csv::StringRecord,
        columns: &[(usize, String)],
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
            // The first cell decides for all.
            match (*rows.flags.get_or_insert(flag.is_some()), flag) {
                (true, Some(true)) => labels.push(name.clone()),
                (true, Some(false)) => {}
                (true, None) => rows.malformed.push(format!(
                    "{}: {cell:?} in column {name:?} is neither 0 nor 1, as in the rows before",
                    place()
                )),
                (false, _) if self.task == TaskKind::MultiLabel => {
                    if cell != &record[*column] {
                        rows.spaced.push(self.spaced(&record[*column], place));
                    }
                    if !labels.iter().any(|label| label == cell) {
                        labels.push(cell.to_string());
                    }
                }
                (false, _) => rows.malformed.push(format!(
                    "{}: {cell:?} in column {name:?} is neither 0 nor 1; columns of text hold tags: \
                     `task: multi_label`, or `label: {name:?}` for one column of classes",
                    place()
                )),
            }
        }
        if self.task == TaskKind::SingleLabel && labels.len() != 1 && rows.flags == Some(true) {
            let ones = match labels.len() {
                0 => "none of its columns holds a 1".to_string(),
                n => format!("{n} of its columns hold a 1 ({})", names(&labels, 5)),
            };
            rows.malformed.push(format!(
                "{}: {ones}; single_label needs exactly one class a row, `task: multi_label` takes any number",
                place()
            ));
        }
        labels
    }

    /// Finds the rows' files, on all cores: a file system answers a million questions in seconds.
    fn locate(&self, root: &Path, images_exist: bool, path: &Path, columns: &CsvColumns, rows: &mut CsvRows) {
        let images = root.join(self.images);
        let held_out = match self.valid {
            Valid::Folder(folder) => Some(root.join(folder)),
            _ => None,
        };
        let found: Vec<RowPlace> =
            rows.rows.par_iter().map(|row| self.place(&row.id, &images, held_out.as_deref())).collect();
        let mut kept = Vec::with_capacity(rows.rows.len());
        let mut missing = Vec::new();
        let (mut normalised, mut lines) = (Vec::new(), Vec::with_capacity(rows.lines.len()));
        for ((mut row, line), place) in std::mem::take(&mut rows.rows).into_iter().zip(&rows.lines).zip(found) {
            let at = || format!("{}:{line}", path.display());
            match place {
                RowPlace::Outside => {
                    let absent = Absent { source: self, root, columns, some_found: true, samples: &rows.samples };
                    let hint = absent.outside(&row.id);
                    rows.malformed.push(format!(
                        "{}: the image name {:?} leads out of the folder of images{hint}",
                        at(),
                        row.id
                    ));
                    continue;
                }
                RowPlace::Twice(own, other) => {
                    rows.malformed.push(format!(
                        "{}: {:?} lies both in {} and in {}: it would be trained and measured on",
                        at(),
                        row.id,
                        own.display(),
                        other.display()
                    ));
                    (row.path, row.held_out) = (other, Some(true));
                }
                RowPlace::Found { file, held_out, as_written } => {
                    if !as_written {
                        normalised.push(format!("{}: {:?}", at(), row.id));
                    }
                    row.path = file;
                    row.held_out = row.held_out.or(held_out);
                }
                RowPlace::Missing { file, nor, held_out } => {
                    row.path = file;
                    row.held_out = row.held_out.or(held_out);
                    if images_exist {
                        row.absent = self.skip;
                        missing.push((kept.len(), *line, nor));
                    }
                }
            }
            kept.push(row);
            lines.push(*line);
        }
        rows.normalised = normalised;
        rows.absent = missing.len();
        if !missing.is_empty() {
            let some_found = kept.len() > missing.len();
            let absent = Absent { source: self, root, columns, some_found, samples: &rows.samples };
            let list = missing.iter().map(|(row, line, nor)| (&kept[*row], *line, nor.as_deref()));
            rows.missing = absent.explain(list, path);
        }
        rows.rows = kept;
        rows.lines = lines;
    }

    /// Looks an image up in the folder of images and in that of held-out ones.
    fn place(&self, id: &str, images: &Path, held_out: Option<&Path>) -> RowPlace {
        let relative = |suffix: &String| format!("{id}{suffix}");
        let first = relative(&self.suffixes[0]);
        // A name such as ../../secret must not lead out of the data set.
        if !is_inside(Path::new(&first)) {
            return RowPlace::Outside;
        }
        let here = |folder: &Path| -> Option<(PathBuf, bool)> {
            for suffix in self.suffixes {
                let file = folder.join(relative(suffix));
                if file.is_file() {
                    return Some((file, true));
                }
            }
            // A Mac stores accented letters in two parts.
            if !first.is_ascii() {
                for suffix in self.suffixes {
                    for name in absent::other_forms(&relative(suffix)) {
                        let file = folder.join(name);
                        if file.is_file() {
                            return Some((file, false));
                        }
                    }
                }
            }
            None
        };
        let own = here(images);
        let Some(folder) = held_out else {
            return match own {
                Some((file, as_written)) => RowPlace::Found { file, held_out: None, as_written },
                None => RowPlace::Missing { file: images.join(first), nor: None, held_out: None },
            };
        };
        match (own, here(folder)) {
            (Some((file, as_written)), _) if file.starts_with(folder) => {
                RowPlace::Found { file, held_out: Some(true), as_written }
            }
            (Some((own, _)), Some((other, _))) => RowPlace::Twice(own, other),
            (None, Some((file, as_written))) => RowPlace::Found { file, held_out: Some(true), as_written },
            (Some((file, as_written)), None) => RowPlace::Found { file, held_out: Some(false), as_written },
            (None, None) => {
                let nor = (!images.join(&first).starts_with(folder)).then(|| folder.join(&first));
                RowPlace::Missing { file: images.join(first), nor, held_out: Some(false) }
            }
        }
    }
}

/// Whether a path stays within the folder that it is relative to.
fn is_inside(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// Where a row's image lies.
enum RowPlace {
    Found {
        file: PathBuf,
        held_out: Option<bool>,
        as_written: bool,
    },
    /// Among the images and among those held out.
    Twice(PathBuf, PathBuf),
    Missing {
        file: PathBuf,
        nor: Option<PathBuf>,
        held_out: Option<bool>,
    },
    /// The name leads out of the folder.
    Outside,
}

/// The rows read so far and their problems, by kind.
#[derive(Default)]
struct CsvRows {
    rows: Vec<SourceRow>,
    /// The line of each row.
    lines: Vec<u32>,
    /// The first rows.
    samples: Vec<::csv::StringRecord>,
    cells: CellKinds,
    /// Whether the columns of several labels hold 0 and 1; unknown before the first cell.
    flags: Option<bool>,
    malformed: Vec<String>,
    ragged: Vec<String>,
    /// Rows without an image.
    absent: usize,
    /// The findings about them.
    missing: Vec<String>,
    /// Rows whose file has another Unicode form of the name.
    normalised: Vec<String>,
    spaced: Vec<String>,
    empty_tags: usize,
}

impl CsvRows {
    fn report(
        mut self,
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
            self.ragged.truncate(1);
        }
        findings.extend("rows with more cells than the first", self.ragged);
        findings.extend("rows like these", self.malformed);
        if source.skip && self.absent > 0 && 2 * self.absent <= self.rows.len() {
            notes.push(format!(
                "{} of {} rows have no image and are left out: {}",
                self.absent,
                self.rows.len(),
                shorten(&self.missing, 5)
            ));
        } else {
            if source.skip && self.absent > 0 {
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
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(self.rows.len());
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
