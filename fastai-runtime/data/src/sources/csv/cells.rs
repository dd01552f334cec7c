//! What the cells of a csv file's columns look like.

use std::path::Path;

use fastai_dsl::TaskKind;

use super::CsvSource;
use super::columns::{CsvColumns, Labels};
use crate::findings::names;

/// CsvColumns that are watched.
const MOST: usize = 512;
/// Separators of tags that are looked for where the recipe's own never occurs.
const SEPARATORS: [&str; 5] = [";", "|", ",", " ", "/"];

/// What the cells read so far look like.
#[derive(Default)]
pub(super) struct CellKinds {
    /// Name of each column, from the header.
    names: Vec<String>,
    /// For each column, whether every cell is 0, 1, true, false or empty, and whether one is not empty.
    flags: Vec<(bool, bool)>,
    /// Label cells that are not empty.
    labels: usize,
    /// Label cells that hold the recipe's separator.
    separated: usize,
    /// Label cells that hold each of [`SEPARATORS`].
    others: [usize; SEPARATORS.len()],
}

impl CellKinds {
    pub(super) fn new(first: &::csv::StringRecord, header: bool) -> Self {
        let count = first.len().min(MOST);
        let name = |i: usize| if header { first[i].trim().to_string() } else { i.to_string() };
        CellKinds { names: (0..count).map(name).collect(), flags: vec![(true, false); count], ..CellKinds::default() }
    }

    /// Takes a row into account.
    pub(super) fn see(&mut self, record: &::csv::StringRecord, columns: &CsvColumns, separator: &str) {
        for ((only, some), cell) in self.flags.iter_mut().zip(record) {
            if *only && !cell.is_empty() {
                *some = true;
                *only = parse_share(cell.trim()).is_some();
            }
        }
        if let Labels::One { place, .. } = columns.labels {
            let cell = &record[place];
            self.labels += usize::from(!cell.is_empty());
            self.separated += usize::from(!separator.is_empty() && cell.contains(separator));
            for (count, other) in self.others.iter_mut().zip(SEPARATORS) {
                *count += usize::from(cell.contains(other));
            }
        }
    }

    /// What is remarkable about `rows` rows.
    pub(super) fn notes(&self, source: &CsvSource<'_>, columns: &CsvColumns, rows: usize, path: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        let Labels::One { place, .. } = columns.labels else { return notes };
        if source.task == TaskKind::MultiLabel && self.separated == 0 {
            let count = |other: &&str| self.others[SEPARATORS.iter().position(|known| known == other).unwrap_or(0)];
            let others = SEPARATORS.into_iter().filter(|other| *other != source.separator && count(other) > 0);
            if let Some(other) = others.max_by_key(count) {
                notes.push(format!(
                    "{}: no label holds the separator {:?}, so each image has at most one tag, but {} of {} labels hold \
                     {other:?}: if it parts tags, say `separator: {other:?}`",
                    path.display(),
                    source.separator,
                    count(&other),
                    self.labels
                ));
            }
        }
        let is_flag = |column: usize| self.flags.get(column) == Some(&(true, true));
        if source.task != TaskKind::Regression && rows > 1 && is_flag(place) {
            let taken = [Some(columns.id), columns.flag, columns.group];
            let flags: Vec<usize> =
                (0..self.flags.len()).filter(|column| is_flag(*column) && !taken.contains(&Some(*column))).collect();
            if flags.len() > 1 {
                let titles: Vec<&str> = flags.iter().map(|column| self.names[*column].as_str()).collect();
                let list: Vec<String> = match source.header {
                    true => titles.iter().map(|name| format!("{name:?}")).collect(),
                    false => titles.iter().map(|name| (*name).to_string()).collect(),
                };
                notes.push(format!(
                    "{}: the label's column {:?} holds only 0 and 1, and other columns do as well ({}): is each a class? \
                     Then say `columns: [{}]` instead of `label`",
                    path.display(),
                    self.names[place],
                    names(&titles, 10),
                    list.join(", ")
                ));
            }
        }
        notes
    }
}

/// Parses a cell that states whether an image is held out.
pub(crate) fn parse_flag(cell: &str) -> Option<bool> {
    let cell = cell.trim();
    let is = |word: &str| cell.eq_ignore_ascii_case(word);
    match cell {
        "1" => Some(true),
        "0" => Some(false),
        _ if is("true") => Some(true),
        _ if is("false") => Some(false),
        _ => None,
    }
}

/// Parses a cell that states whether an image has a class, which some programs write as `1.0`.
pub(super) fn parse_share(cell: &str) -> Option<bool> {
    match cell {
        "1.0" => Some(true),
        "0.0" => Some(false),
        _ => parse_flag(cell),
    }
}
