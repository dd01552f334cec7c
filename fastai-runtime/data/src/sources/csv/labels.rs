//! The labels of a row.

use fastai_dsl::TaskKind;

use super::CsvSource;
use super::cells;
use super::rows::CsvRows;
use crate::finding::RowFault;
use crate::findings::names;

impl CsvSource<'_> {
    /// The label, or the tags without repetitions.
    pub(super) fn labels_of(
        &self,
        cell: &str,
        line: u32,
        place: &dyn Fn() -> String,
        rows: &mut CsvRows,
    ) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        let tags = self.task == TaskKind::MultiLabel;
        if self.task != TaskKind::Regression && cells::is_list(cell, tags) {
            let list = || format!("{}: the label {cell:?} is written as a list", place());
            let cure = "write labels without brackets and quotes, tags parted by the recipe's `separator` (pandas: \
                        `df[\"tags\"].apply(ast.literal_eval).str.join(\";\")`)";
            rows.malformed.push(RowFault::LabelList, line, list, Some(cure));
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
            rows.malformed.push(RowFault::NoLabel, line, empty, Some("give these rows a label, or take them out"));
        }
        if self.task == TaskKind::Regression {
            if let Some(label) = labels.first().filter(|l| !l.trim().parse::<f32>().is_ok_and(f32::is_finite)) {
                let text = || format!("{}: the label {label:?} is no finite number", place());
                rows.malformed.push(RowFault::NoNumber, line, text, None);
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
                let cure = format!("if tags are parted by {between:?}, say `separator: {between:?}`");
                rows.malformed.push(RowFault::TagMark, line, ends, Some(&cure));
            }
        }
        labels
    }

    /// Reports white space around a label or tag.
    fn spaced(&self, label: &str, line: u32, place: &dyn Fn() -> String, rows: &mut CsvRows) {
        let tags = self.task == TaskKind::MultiLabel;
        let what = if tags { "tag" } else { "label" };
        let other = if tags && self.columns.is_empty() { ", or into the recipe's `separator`" } else { "" };
        let around =
            || format!("{}: white space around the {what} {label:?} would make it a class of its own", place());
        let cure = format!("take it out of the file (pandas: `.str.strip()`){other}");
        rows.malformed.push(RowFault::Spaced, line, around, Some(&cure));
    }

    /// The names of the columns that say yes; or, where they hold text, the tags in them.
    pub(super) fn labels_in(
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
                rows.malformed.push(RowFault::Unsure, line, neither, Some(cure));
                continue;
            }
            // The first cell decides for all.
            match (*rows.flags.get_or_insert(flag.is_some()), flag) {
                (true, Some(true)) => labels.push(name.clone()),
                (true, Some(false)) => {}
                (true, None) => {
                    let text = || format!("{}, as in the rows before", neither());
                    rows.malformed.push(RowFault::NoFlag, line, text, None);
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
                    rows.malformed.push(RowFault::TextColumn, line, neither, Some(&cure));
                }
            }
        }
        if self.task == TaskKind::SingleLabel && labels.len() != 1 && rows.flags == Some(true) {
            let ones = || match labels.len() {
                0 => format!("{}: none of its columns holds a 1", place()),
                n => format!("{}: {n} of its columns hold a 1 ({})", place(), names(&labels, 5)),
            };
            let fault = if labels.is_empty() { RowFault::NoClass } else { RowFault::SeveralClasses };
            let cure = "single_label needs exactly one class a row, `task: multi_label` takes any number";
            rows.malformed.push(fault, line, ones, Some(cure));
        }
        labels
    }
}
