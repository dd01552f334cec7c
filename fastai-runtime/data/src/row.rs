//! The rows of a source: images with label names, before the vocabulary numbers them.

use std::collections::HashSet;
use std::path::PathBuf;

use fastai_dsl::TaskKind;

use crate::finding::FindingKind;
use crate::findings::{Findings, part_of};
use crate::{Item, Target, Vocabulary};

/// A row with label names instead of indices.
#[derive(Debug, Default)]
pub(crate) struct SourceRow {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) labels: Vec<String>,
    /// Whether the source itself holds the row out.
    pub(crate) held_out: Option<bool>,
    /// The row's group, for `grouped`: rows of one group stay together.
    pub(crate) group: Option<String>,
    /// Whether the file is missing; a recipe may tolerate that.
    pub(crate) absent: bool,
}

/// Checks that the images differ in their labels. Classes without an image, such as those of empty folders, do not count.
pub(crate) fn check_classes(task: TaskKind, rows: &[SourceRow], findings: &mut Findings) {
    let images = || rows.iter().filter(|row| !row.absent);
    let count = images().count();
    if task == TaskKind::Regression || count == 0 || !findings.all_read() {
        return;
    }
    let labels: HashSet<&str> = images().flat_map(|row| row.labels.iter().map(String::as_str)).collect();
    match (task, labels.into_iter().collect::<Vec<_>>().as_slice()) {
        (TaskKind::SingleLabel, [only]) => findings.push(
            FindingKind::OneClass { class: only.to_string() },
            format!(
                "{} {} the label {only:?}: a classifier needs at least two classes",
                part_of(count, count, "image", "images"),
                if count == 1 { "has" } else { "have" }
            ),
        ),
        (TaskKind::MultiLabel, []) => findings.push(FindingKind::NoTags, format!("none of {count} images has a tag")),
        _ => {}
    }
}

/// Returns the two parts of a split in row order, with labels as indices.
pub(crate) fn part(
    rows: Vec<SourceRow>,
    held_out: Vec<bool>,
    vocabulary: &Vocabulary,
    task: TaskKind,
) -> (Vec<Item>, Vec<Item>) {
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    // Rows with missing files take part in the split, so that a file added later does not move any other row.
    for (row, held_out) in rows.into_iter().zip(held_out).filter(|(row, _)| !row.absent) {
        let item = number(row, vocabulary, task);
        if held_out { valid.push(item) } else { train.push(item) }
    }
    (train, valid)
}

pub(crate) fn number(row: SourceRow, vocabulary: &Vocabulary, task: TaskKind) -> Item {
    if task == TaskKind::Regression {
        let value = row.labels.first().and_then(|cell| cell.trim().parse().ok());
        return Item { id: row.id, path: row.path, target: value.map_or(Target::Unlabelled, Target::Value) };
    }
    let mut numbers: Vec<u32> = row.labels.iter().filter_map(|label| vocabulary.number(label)).collect();
    let target = match (task, numbers.first()) {
        (TaskKind::MultiLabel, _) => {
            numbers.sort_unstable();
            Target::Tags(numbers)
        }
        (_, Some(class)) => Target::Class(*class),
        // Only rows with a finding reach this point.
        (_, None) => Target::Unlabelled,
    };
    Item { id: row.id, path: row.path, target }
}

/// What the ids of the images in `folder` begin with: its path below the root with a slash at the end; nothing for the root
/// itself.
pub fn id_prefix(folder: &str) -> String {
    match folder.trim_start_matches("./").trim_end_matches('/') {
        "" | "." => String::new(),
        below => format!("{below}/"),
    }
}
