//! What the cells of a csv file's columns look like.

use std::collections::HashSet;
use std::path::Path;

use fastai_dsl::TaskKind;

use super::CsvSource;
use super::columns::{CsvColumns, Labels};
use crate::findings::names;

/// Columns that are watched.
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

    /// What is remarkable about the cells; `samples` are the first rows.
    pub(super) fn notes(
        &self,
        source: &CsvSource<'_>,
        columns: &CsvColumns,
        samples: &[::csv::StringRecord],
        path: &Path,
    ) -> Vec<String> {
        let Labels::One { place, .. } = columns.labels else { return Vec::new() };
        let notes = match source.task {
            TaskKind::Regression => Vec::new(),
            TaskKind::MultiLabel => vec![self.separators(source), self.other_columns(source, columns, place)],
            TaskKind::SingleLabel => {
                vec![self.other_columns(source, columns, place), self.all_differ(source, columns, place, samples)]
            }
        };
        notes.into_iter().flatten().map(|note| format!("{}: {note}", path.display())).collect()
    }

    /// Characters in labels that may part tags, beside the recipe's separator.
    fn separators(&self, source: &CsvSource<'_>) -> Option<String> {
        let count = |other: &&str| self.others[SEPARATORS.iter().position(|known| known == other).unwrap_or(0)];
        let others = SEPARATORS.into_iter().filter(|other| *other != source.separator && count(other) > 0);
        if self.separated == 0 {
            let other = others.max_by_key(count)?;
            return Some(format!(
                "no label holds the separator {:?}, so each image has at most one tag, but {} of {} labels hold \
                 {other:?}: if it parts tags, say `separator: {other:?}`",
                source.separator,
                count(&other),
                self.labels
            ));
        }
        // Blanks and slashes are usual in tags.
        let other = others.filter(|other| ![" ", "/"].contains(other)).max_by_key(count)?;
        Some(format!(
            "tags are parted by {:?}, but {} of {} labels hold {other:?}: if that parts tags, say `separator: {other:?}`",
            source.separator,
            count(&other),
            self.labels
        ))
    }

    /// Columns that seem to hold labels too.
    fn other_columns(&self, source: &CsvSource<'_>, columns: &CsvColumns, place: usize) -> Option<String> {
        let taken = [Some(columns.id), columns.flag, columns.group];
        let free = || (0..self.flags.len()).filter(|column| !taken.contains(&Some(*column)));
        let title = |column: usize| match source.header {
            true => format!("{:?}", self.names[column]),
            false => self.names[column].clone(),
        };
        let is_flag = |column: usize| self.flags.get(column) == Some(&(true, true));
        let flags: Vec<usize> = free().filter(|column| is_flag(*column)).collect();
        if self.labels > 1 && is_flag(place) && flags.len() > 1 {
            let titles: Vec<&str> = flags.iter().map(|column| self.names[*column].as_str()).collect();
            let list: Vec<String> = flags.iter().map(|column| title(*column)).collect();
            return Some(format!(
                "the label's column {:?} holds only 0 and 1, and other columns do as well ({}): is each a class? Then say \
                 `columns: [{}]` instead of `label`",
                self.names[place],
                names(&titles, 10),
                list.join(", ")
            ));
        }
        // tag1, tag2, tag3
        let stem = |column: usize| self.names[column].trim_end_matches(|c: char| c.is_ascii_digit());
        if !source.header || stem(place).is_empty() || place >= self.names.len() {
            return None;
        }
        let numbered = |column: &usize| *column == place || stem(*column) == stem(place) && self.flags[*column].1;
        let alike: Vec<String> = free().filter(numbered).map(title).collect();
        let numbers = free().filter(numbered).filter(|column| stem(*column) != self.names[*column]).count();
        (alike.len() > 1 && numbers > 0 && numbers + 1 >= alike.len()).then(|| {
            let task = if source.task == TaskKind::MultiLabel { "" } else { "`task: multi_label` and " };
            format!(
                "only the first of the columns {} is read: if each holds a tag, say {task}`columns: [{}]` instead of `label`",
                alike.join(", "),
                alike.join(", ")
            )
        })
    }

    /// A column of labels that are all different, as no class has two images then.
    fn all_differ(
        &self,
        source: &CsvSource<'_>,
        columns: &CsvColumns,
        place: usize,
        samples: &[::csv::StringRecord],
    ) -> Option<String> {
        let distinct = |column: usize| {
            let cells = samples.iter().filter_map(|record| record.get(column));
            cells.collect::<HashSet<&str>>().len()
        };
        if samples.len() < 5 || distinct(place) < samples.len() {
            return None;
        }
        let taken = [Some(columns.id), columns.flag, columns.group, Some(place)];
        let others: Vec<String> = (0..self.names.len())
            .filter(|column| !taken.contains(&Some(*column)) && (2..=samples.len() / 2).contains(&distinct(*column)))
            .map(|column| match source.header {
                true => format!("`label: {:?}`", self.names[column]),
                false => format!("`label: {column}`"),
            })
            .collect();
        let other = match others.is_empty() {
            true => String::new(),
            false => format!(" Columns with few different cells: {}", others.join(", ")),
        };
        Some(format!(
            "no two labels in column {:?} are equal, so each image is a class of its own: is that the column of \
             labels?{other}",
            self.names.get(place).map_or("", String::as_str)
        ))
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

/// Parses a cell that states whether an image has a class, which programs write as `1.0` and people as `x` or `yes`.
pub(super) fn parse_share(cell: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    match cell {
        _ if is(["1.0", "yes", "y", "x"]) => Some(true),
        _ if is(["0.0", "no", "n", "-"]) => Some(false),
        _ => parse_flag(cell),
    }
}

/// Whether a label is written as a list of Python or JSON; without quotes inside only where it may be `tags`.
pub(super) fn is_list(cell: &str, tags: bool) -> bool {
    let cell = cell.trim();
    let within = |open: char, close: char| cell.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let inner = within('[', ']').or_else(|| within('{', '}')).or_else(|| within('(', ')'));
    let quoted = |inner: &str| inner.trim_start().starts_with(['\'', '"']);
    inner.is_some_and(|inner| quoted(inner) || tags && cell.starts_with('[') && !inner.contains(['[', ']']))
}
