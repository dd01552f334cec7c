//! Finds the columns that a recipe names in the first row of a csv file.

use std::path::Path;

use fastai_dsl::suggest::misspelt;
use fastai_dsl::{Column, Valid};

use super::CsvSource;
use crate::DataKey;
use crate::finding::FindingKind;
use crate::findings::{Findings, names};

/// Characters that part cells in some files.
const DELIMITERS: [char; 5] = [';', '\t', ',', '|', ' '];

/// The positions of the columns that a recipe names.
pub(super) struct CsvColumns {
    /// Cells of the first row.
    pub(super) width: usize,
    pub(super) id: usize,
    pub(super) labels: Labels,
    pub(super) flag: Option<usize>,
    pub(super) group: Option<usize>,
}

/// Where the labels stand.
pub(super) enum Labels {
    /// In one column of this name.
    One { place: usize, name: String },
    /// In several: position and name of each.
    Several(Vec<(usize, String)>),
}

impl CsvColumns {
    /// The last column that a row needs.
    pub(super) fn last(&self) -> usize {
        let labels = match &self.labels {
            Labels::One { place, .. } => Some(*place),
            Labels::Several(list) => list.iter().map(|(place, _)| *place).max(),
        };
        let optional = [labels, self.flag, self.group];
        optional.into_iter().flatten().max().unwrap_or(0).max(self.id)
    }

    /// The name of the measured quantity.
    pub(super) fn label_name(&self) -> String {
        match &self.labels {
            Labels::One { name, .. } => name.clone(),
            Labels::Several(_) => "value".to_string(),
        }
    }
}

/// Resolves the columns from the first record. Each missing column is a finding and makes the result `None`.
pub(super) fn find(
    source: &CsvSource<'_>,
    first: &::csv::StringRecord,
    path: &Path,
    findings: &mut Findings,
) -> Option<CsvColumns> {
    let header: Vec<&str> = first.iter().map(str::trim).collect();
    if let Some(finding) = other_text(source, &header, path) {
        findings.push(FindingKind::Table { file: path.to_path_buf(), line: Some(1) }, finding);
        return None;
    }
    let row = FirstRow { cells: &header, is_header: source.header, path, valid: source.valid };
    let mut resolve = |key: DataKey, column: &Column| row.place(key, column, findings);
    let id = resolve(DataKey::Id, source.id);
    let title = |place: usize, otherwise: String| match source.header {
        true => header[place].to_string(),
        false => otherwise,
    };
    let labels = if source.columns.is_empty() {
        let place = resolve(DataKey::Label, source.label);
        place.map(|place| Labels::One { place, name: title(place, "value".to_string()) })
    } else {
        let found: Vec<Option<usize>> = source.columns.iter().map(|column| resolve(DataKey::Columns, column)).collect();
        let found: Option<Vec<usize>> = found.into_iter().collect();
        found.map(|list| {
            Labels::Several(list.into_iter().map(|place| (place, title(place, place.to_string()))).collect())
        })
    };
    let flag = match source.valid {
        Valid::Column(name) => resolve(DataKey::Valid, &Column::Name(name.clone())).map(Some),
        _ => Some(None),
    };
    let group = match source.valid.group() {
        Some(column) => resolve(DataKey::Valid, &Column::Name(column.to_string())).map(Some),
        None => Some(None),
    };
    if let Some(Labels::Several(list)) = &labels {
        let twice = list.iter().enumerate().find(|(i, (_, name))| list[..*i].iter().any(|(_, before)| before == name));
        if let Some((_, (_, name))) = twice {
            let text = format!(
                "{}: two of the `columns` are called {name:?} and would be one class: give each a name of its own",
                path.display()
            );
            findings.push(row.about(DataKey::Columns), text);
            return None;
        }
    }
    Some(CsvColumns { width: header.len(), id: id?, labels: labels?, flag: flag?, group: group? })
}

/// The row in which the columns are found.
struct FirstRow<'a> {
    cells: &'a [&'a str],
    /// Whether the cells name the columns.
    is_header: bool,
    path: &'a Path,
    /// What names a column where the key is `valid`.
    valid: &'a Valid,
}

impl FirstRow<'_> {
    fn about(&self, key: DataKey) -> FindingKind {
        FindingKind::Column { file: self.path.to_path_buf(), key }
    }

    /// A column with its key, as the recipe writes them: `label: "kind"`, `valid: grouped("patient")`.
    fn written(&self, key: DataKey, name: &str) -> String {
        match self.valid {
            Valid::Grouped { .. } if key == DataKey::Valid => format!("{key}: grouped({name:?})"),
            valid if key == DataKey::Valid => format!("{key}: {}", valid.in_short()),
            _ => format!("{key}: {name:?}"),
        }
    }

    /// The position of a column that `key` names; that it is not there is a finding.
    fn place(&self, key: DataKey, column: &Column, findings: &mut Findings) -> Option<usize> {
        match column {
            Column::Position(position) => {
                let found = (*position as usize) < self.cells.len();
                if !found {
                    let text = format!(
                        "{}: no column {position} ({key}: {position}, counted from 0): the first row has {}: {}",
                        self.path.display(),
                        self.cells.len(),
                        names(self.cells, 20)
                    );
                    findings.push(self.about(key), text);
                }
                found.then_some(*position as usize)
            }
            Column::Name(name) if !self.is_header => {
                let text = format!(
                    "{}: {} names a column, but header is off; give its position, counted from 0",
                    self.path.display(),
                    self.written(key, name)
                );
                findings.push(self.about(key), text);
                None
            }
            Column::Name(name) => {
                let places: Vec<usize> = (0..self.cells.len()).filter(|place| self.cells[*place] == name).collect();
                let (path, written) = (self.path.display(), self.written(key, name));
                let text = match &places[..] {
                    [place] => return Some(*place),
                    [] => {
                        let near = misspelt(name, self.cells);
                        let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                        let header = names(self.cells, 20);
                        format!("{path}: no column {name:?} ({written}); the header has {header}{hint}")
                    }
                    several => {
                        let places: Vec<String> = several.iter().map(usize::to_string).collect();
                        format!(
                            "{path}: {} columns are called {name:?} ({written}): give the position of the one that is meant, \
                             counted from 0: {}",
                            several.len(),
                            places.join(" or ")
                        )
                    }
                };
                findings.push(self.about(key), text);
                None
            }
        }
    }
}

/// The finding about a first row that is a comment, or whose cells are parted by another character.
fn other_text(source: &CsvSource<'_>, header: &[&str], path: &Path) -> Option<String> {
    let line = header.join(&source.delimiter.to_string());
    if let Some(other) = line.strip_prefix("sep=").filter(|other| other.chars().count() <= 1) {
        let said = source.delimiter.to_string() == other || other.is_empty();
        let say = if said { String::new() } else { format!(", and say `delimiter: {other:?}`") };
        return Some(format!("{}:1: the first line, {line:?}, is meant for Excel: take it out{say}", path.display()));
    }
    let needed = source.columns.len().max(1) + 1;
    if header.len() >= needed {
        return None;
    }
    if header.len() == 1 && line.contains(source.delimiter) {
        return Some(format!(
            "{}:1: quotes stand around the whole line {line:?}, which makes it one cell: take them out of all lines",
            path.display()
        ));
    }
    if line.starts_with('#') {
        return Some(format!(
            "{}:1: the first line is a comment, {:?}: take it and others like it out of the file",
            path.display(),
            line.chars().take(60).collect::<String>()
        ));
    }
    let count = |other: &char| line.matches(*other).count();
    let others = DELIMITERS.into_iter().filter(|other| *other != source.delimiter && count(other) > 0);
    let other = others.max_by_key(count)?;
    Some(format!(
        "{}:1: the cells are parted by {:?}, not by {:?}: say `delimiter: {:?}` (the line is {:?})",
        path.display(),
        other.to_string(),
        source.delimiter.to_string(),
        other.to_string(),
        line.chars().take(60).collect::<String>()
    ))
}
