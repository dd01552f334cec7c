//! Finds another column that names the images, and the labels' column beside it.

use std::collections::HashSet;
use std::path::Path;

use fastai_dsl::TaskKind;

use super::cause::{Cause, CauseSearch};
use super::columns::Labels;

impl CauseSearch<'_> {
    /// Another column that names images.
    pub(super) fn another_column(&self, id: &str, images: &Path) -> Option<Cause> {
        let place = (*self.column.get_or_init(|| self.find_column(images)))?;
        let record = self.samples.iter().find(|record| record.get(self.columns.id) == Some(id));
        let found = record.and_then(|record| {
            let name = record.get(place)?.trim();
            Some((name, self.exists(images, name)?))
        });
        let say = match &self.columns.labels {
            Labels::One { place: own, .. } if *own == place => match &self.label_columns(place)[..] {
                [label] => format!("`id: {place}, label: {label}`"),
                [] => format!("`id: {place}`, and name the column of the labels as `label`"),
                several => {
                    let labels: Vec<String> = several.iter().map(|label| format!("`label: {label}`")).collect();
                    format!("`id: {place}`, and {}, whichever holds the labels", labels.join(" or "))
                }
            },
            _ => format!("`id: {place}`"),
        };
        let cure = format!("the names of images stand in column {place}: say {say}");
        Some(match found {
            Some((name, file)) => {
                Cause::named(name, &file, cure).telling(format!("{file:?} of column {place} is there"))
            }
            None => Cause::new(format!("column {place} names images"), cure),
        })
    }

    /// The column, beside that of the names, whose cells in the first rows all name images.
    fn find_column(&self, images: &Path) -> Option<usize> {
        let first = self.samples.first()?;
        let taken = |place: usize| match &self.columns.labels {
            Labels::One { place: own, .. } => *own == place && self.samples.len() < 2,
            Labels::Several(list) => list.iter().any(|(own, _)| *own == place),
        };
        let named = |place: &usize| {
            self.samples
                .iter()
                .all(|record| record.get(*place).is_some_and(|cell| self.exists(images, cell.trim()).is_some()))
        };
        (0..first.len()).find(|place| *place != self.columns.id && !taken(*place) && named(place))
    }

    /// The columns that may hold the labels if column `names` holds the names: of those that are left, the ones that look
    /// most like labels in the first rows.
    fn label_columns(&self, names: usize) -> Vec<usize> {
        let taken = [Some(names), self.columns.flag, self.columns.group];
        let cells = |place: usize| self.samples.iter().filter_map(move |record| record.get(place)).map(str::trim);
        let repeats = |place: usize| cells(place).collect::<HashSet<_>>().len() < self.samples.len();
        // Programs write the numbers of the rows as a column of their own.
        let counts = |place: usize| !repeats(place) && cells(place).all(|cell| cell.parse::<u64>().is_ok());
        let fits = |place: usize| match self.source.task {
            TaskKind::SingleLabel => repeats(place),
            TaskKind::Regression => cells(place).all(|cell| cell.parse::<f32>().is_ok_and(f32::is_finite)),
            TaskKind::MultiLabel => true,
        };
        let filled = |place: usize| cells(place).any(|cell| !cell.is_empty());
        let mut columns: Vec<usize> = (0..self.columns.width).filter(|place| !taken.contains(&Some(*place))).collect();
        for sign in [&filled as &dyn Fn(usize) -> bool, &|place| !counts(place), &fits] {
            let (like, _): (Vec<usize>, Vec<usize>) = columns.iter().partition(|place| sign(**place));
            if !like.is_empty() {
                columns = like;
            }
        }
        columns
    }
}
