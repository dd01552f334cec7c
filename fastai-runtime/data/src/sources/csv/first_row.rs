//! Recognises a first row that is read as a header and is data.

use std::collections::HashSet;
use std::path::Path;

use fastai_dsl::{Column, TaskKind};

use super::cells::parse_share;
use super::columns::{CsvColumns, Labels};
use super::rows::CsvRows;
use super::{CsvSource, is_inside};
use crate::findings::number;
use crate::sources::files;

impl CsvSource<'_> {
    /// The finding about a first row that is no header: it names an image, or its label is one of those below it.
    pub(super) fn check_header(
        &self,
        rows: &CsvRows,
        columns: &CsvColumns,
        path: &Path,
        root: &Path,
    ) -> Option<String> {
        let first = rows.header.as_ref()?;
        let id = first.get(columns.id)?.trim();
        let why = self.named(id, root).or_else(|| self.labelled(first, rows, columns)).or_else(|| {
            let text = format!("its first cell, {id:?}, is the name of an image file");
            (*self.id != Column::Name(id.to_string()) && files::has_image_suffix(id)).then_some(text)
        })?;
        Some(format!(
            "{}:1: the first row is read as a header, and {why}: say `header: off`, with columns by position (`id: {}`, \
             `label: {}`)",
            path.display(),
            columns.id,
            match &columns.labels {
                Labels::One { place, .. } => *place,
                Labels::Several(list) => list.first().map_or(1, |(place, _)| *place),
            }
        ))
    }

    /// Says so if the first row names an image.
    fn named(&self, id: &str, root: &Path) -> Option<String> {
        if id.is_empty() || !is_inside(Path::new(id)) {
            return None;
        }
        let images = root.join(self.images);
        let mut files = self.suffixes.iter().map(|suffix| images.join(format!("{id}{suffix}")));
        files.find(|file| file.is_file()).map(|file| format!("it names an image, {}", file.display()))
    }

    /// Says so if the first row's label is like those of the other rows.
    fn labelled(&self, first: &::csv::StringRecord, rows: &CsvRows, columns: &CsvColumns) -> Option<String> {
        match &columns.labels {
            // Whoever names a column has seen the header.
            Labels::One { .. } if matches!(self.label, Column::Name(_)) => None,
            Labels::One { place, .. } => {
                let cell = first.get(*place)?;
                match self.task {
                    TaskKind::Regression => {
                        let is_number = cell.trim().parse::<f32>().is_ok_and(f32::is_finite);
                        is_number.then(|| format!("its label, {:?}, is a number", cell.trim()))
                    }
                    TaskKind::SingleLabel => {
                        let same = rows.rows.iter().filter(|row| row.labels.iter().any(|label| label == cell)).count();
                        let of =
                            || format!("its label, {cell:?}, is that of {}", number(same, "other row", "other rows"));
                        (same > 0).then(of)
                    }
                    TaskKind::MultiLabel => {
                        let known: HashSet<&str> =
                            rows.rows.iter().flat_map(|row| row.labels.iter().map(String::as_str)).collect();
                        let all = !cell.is_empty() && cell.split(self.separator).all(|tag| known.contains(tag));
                        all.then(|| format!("its tags, {cell:?}, are those of other rows"))
                    }
                }
            }
            Labels::Several(list) => {
                let flags = !list.is_empty() && list.iter().all(|(_, name)| parse_share(name).is_some());
                flags.then(|| "its labels are 0 and 1".to_string())
            }
        }
    }
}
