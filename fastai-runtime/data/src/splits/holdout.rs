//! Which rows of a source are held out, by the key `valid`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fastai_dsl::{Data, Dealing, Source, Valid};

use super::drawn::{cv_indices, fold_indices, fold_of_groups, grouped_indices, stratified_indices};
use super::no_list;
use crate::DataKey;
use crate::finding::{Finding, FindingKind};
use crate::findings::{Findings, part_of};
use crate::row::{SourceRow, id_prefix};

/// Returns which rows are held out. All rows of one image follow its first row.
pub(crate) fn hold_out(
    data: &Data,
    root: &Path,
    rows: &[SourceRow],
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> Vec<bool> {
    let mut held_out: Vec<bool> = rows.iter().map(|row| row.held_out == Some(true)).collect();
    match &data.valid {
        Valid::Indices(file) => hold_out_listed(data, (root, file.as_str()), rows, &mut held_out, findings),
        Valid::Rows(positions) => {
            let beyond = |position: &&u32| **position as usize >= rows.len();
            let unknown: Vec<String> = positions.iter().filter(beyond).map(u32::to_string).collect();
            if !unknown.is_empty() && !rows.is_empty() && findings.all_read() {
                let (last, unknown) = (rows.len() - 1, unknown.join(", "));
                let text = format!("`valid: rows(..)` counts from 0 to {last}, but names {unknown}");
                findings.push(FindingKind::Split, text);
            }
            positions.iter().filter(|p| (**p as usize) < rows.len()).for_each(|p| held_out[*p as usize] = true);
        }
        valid
            if matches!(data.source, Source::Folders { .. })
                && (matches!(valid, Valid::Column(_)) || valid.group().is_some()) =>
        {
            let text = format!("`valid: {}` needs `data: csv`; folders have no columns", valid.in_short());
            findings.push(FindingKind::Recipe, text);
        }
        valid => {
            let folds = too_many_folds(valid, rows).filter(|_| findings.all_read());
            if let Some(too_many) = folds {
                findings.extend("folds", vec![too_many]);
                return held_out;
            }
            drawn(valid, rows).into_iter().for_each(|index| held_out[index] = true);
        }
    }
    notes.extend(settle(&data.valid, rows, &mut held_out).filter(|_| findings.all_read()));
    held_out
}

/// Moves rows that a split drew or named to the other side: all rows of an image to that of its first one and, where classes
/// are dealt out, the last image of a class back to training. Returns the note about classes with a single image.
pub(crate) fn settle(valid: &Valid, rows: &[SourceRow], held_out: &mut [bool]) -> Option<String> {
    keep_together(rows, held_out);
    if deals_classes(valid) { keep_last(rows, held_out) } else { None }
}

/// What is wrong with folds of which some would be empty.
pub(crate) fn too_many_folds(valid: &Valid, rows: &[SourceRow]) -> Option<Finding> {
    let Valid::Folds { count, dealing, .. } = valid else { return None };
    // Where there are not two, no fewer folds help.
    let (parts, what, other) = match dealing {
        Dealing::Stratified | Dealing::Random => (rows.len(), "images", "add images"),
        Dealing::Blocks(size) => (rows.len().div_ceil((*size).max(1) as usize), "blocks", "say smaller blocks"),
        Dealing::Grouped(_) => {
            (groups(rows).into_iter().collect::<HashSet<_>>().len(), "groups", "group by another column")
        }
    };
    (parts < *count as usize && parts > 0).then(|| {
        let (split, are) = (valid.in_short(), if parts == 1 { "is" } else { "are" });
        let advice = match parts {
            1 => other,
            _ => "take fewer folds",
        };
        let text = format!("`valid: {split}` needs at least {count} {what}, and there {are} {parts}: {advice}");
        Finding::new(FindingKind::Split, text)
    })
}

/// Whether the split holds out some images of each class.
pub(crate) fn deals_classes(valid: &Valid) -> bool {
    matches!(valid, Valid::Stratified { .. } | Valid::Folds { dealing: Dealing::Stratified, .. })
}

/// Moves images back to training until each class or tag has one there. Returns the note about classes with a single image,
/// which cannot be stratified.
fn keep_last(rows: &[SourceRow], held_out: &mut [bool]) -> Option<String> {
    /// What is known of a class.
    struct Seen<'a> {
        /// The image of its first row.
        first: &'a Path,
        alone: bool,
        trained: bool,
    }
    let mut classes: HashMap<&str, Seen<'_>> = HashMap::new();
    for (row, held_out) in rows.iter().zip(held_out.iter()) {
        for label in &row.labels {
            let class = classes.entry(label).or_insert(Seen { first: &row.path, alone: true, trained: false });
            class.alone &= row.path == class.first;
            class.trained |= !held_out;
        }
    }
    let lost = classes.values().filter(|class| !class.trained);
    let back: HashSet<&Path> = lost.map(|class| class.first).collect();
    for (row, held_out) in rows.iter().zip(held_out) {
        *held_out &= !back.contains(row.path.as_path());
    }
    let (alone, all) = (classes.values().filter(|class| class.alone).count(), classes.len());
    let has = if alone == 1 { "has" } else { "have" };
    // Without their names, as preflight names all classes without a validation image.
    let classes = part_of(alone, all, "class", "classes");
    (alone > 0).then(|| format!("{classes} {has} a single image, which the split leaves for training"))
}

/// Moves all rows of one image to the part of its first row.
fn keep_together(rows: &[SourceRow], held_out: &mut [bool]) {
    // Compares by path, which is equal for the ids `a` and `./a`.
    let mut first: HashMap<&Path, bool> = HashMap::with_capacity(rows.len());
    for (row, held_out) in rows.iter().zip(held_out) {
        *held_out = *first.entry(&row.path).or_insert(*held_out);
    }
}

/// Returns the rows that a random split holds out; none for other splits.
pub(crate) fn drawn(valid: &Valid, rows: &[SourceRow]) -> Vec<usize> {
    match valid {
        Valid::Random { share, seed, fold } => cv_indices(rows.len(), *share, *seed, *fold),
        Valid::Stratified { share, seed, fold } => stratified_indices(&label_sets(rows), *share, *seed, *fold),
        Valid::Blocks { size, share, seed, fold } => grouped_indices(&blocks(rows.len(), *size), *share, *seed, *fold),
        Valid::Grouped { share, seed, fold, .. } => grouped_indices(&groups(rows), *share, *seed, *fold),
        // Without a fold, whoever looks at the data alone sees the first one.
        Valid::Folds { count, seed, fold, dealing } => {
            let fold = fold.unwrap_or(0);
            match dealing {
                Dealing::Stratified => fold_indices(&label_sets(rows), *count, *seed, fold),
                Dealing::Random => fold_indices(&vec![(); rows.len()], *count, *seed, fold),
                Dealing::Blocks(size) => fold_of_groups(&blocks(rows.len(), *size), *count, *seed, fold),
                Dealing::Grouped(_) => fold_of_groups(&groups(rows), *count, *seed, fold),
            }
        }
        Valid::Folder(_) | Valid::Indices(_) | Valid::Rows(_) | Valid::Column(_) | Valid::Given | Valid::None => {
            Vec::new()
        }
    }
}

/// The labels of each row, in an order that does not depend on that of the tags in a cell.
fn label_sets(rows: &[SourceRow]) -> Vec<Vec<&str>> {
    let mut sets: Vec<Vec<&str>> = rows.iter().map(|row| row.labels.iter().map(String::as_str).collect()).collect();
    sets.iter_mut().for_each(|set| set.sort_unstable());
    sets
}

/// The block of each of `n` rows.
pub(crate) fn blocks(n: usize, size: u32) -> Vec<usize> {
    (0..n).map(|row| row / size.max(1) as usize).collect()
}

/// The group of each row.
pub(crate) fn groups(rows: &[SourceRow]) -> Vec<Option<&str>> {
    rows.iter().map(|row| row.group.as_deref()).collect()
}

/// Whether the held-out images are listed individually instead of drawn at random.
pub(crate) fn is_chosen(valid: &Valid) -> bool {
    matches!(valid, Valid::Folder(_) | Valid::Indices(_) | Valid::Rows(_) | Valid::Column(_) | Valid::Given)
}

/// Holds out the images that a text file names, one per line.
fn hold_out_listed(
    data: &Data,
    (root, file): (&Path, &str),
    rows: &[SourceRow],
    held_out: &mut [bool],
    findings: &mut Findings,
) {
    let file = root.join(file);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let text = format!("cannot read {} (valid: indices): {error}", file.display());
            return findings.place(DataKey::Valid, &file, text);
        }
    };
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        places.entry(&row.id).or_default().push(index);
    }
    // A list may omit the folder of its images, and it may include a csv's suffix.
    let known = |id: &str| match &data.source {
        Source::Folders { train } => {
            let id = id.trim_start_matches("./");
            places.get(id).or_else(|| places.get((id_prefix(train) + id).as_str()))
        }
        Source::Csv { suffix, .. } => places.get(id).or_else(|| {
            let stem = suffix.iter().filter_map(|suffix| id.strip_suffix(suffix.as_str())).find(|stem| *stem != id);
            places.get(stem?)
        }),
        Source::Given => places.get(id),
    };
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate();
    let lines: Vec<(usize, &str)> = lines.filter(|(_, id)| !id.is_empty()).collect();
    let mut unknown = Vec::new();
    for (line, id) in &lines {
        match known(id) {
            Some(rows) => rows.iter().for_each(|row| held_out[*row] = true),
            None => {
                let (line, name) = (line + 1, id.to_string());
                let text = format!("{}:{line}: no image is called {id:?}", file.display());
                let kind = FindingKind::UnknownImage { file: file.clone(), line, name };
                unknown.push(Finding::new(kind, text));
            }
        }
    }
    if rows.is_empty() || !findings.all_read() {
        return;
    }
    if lines.len() > 1 && unknown.len() == lines.len() {
        let lines: Vec<&str> = lines.iter().map(|(_, id)| *id).collect();
        let is_image = |text: &str| known(text).is_some();
        let text = no_list::describe((data, root, file.as_path()), &lines, is_image, rows.len(), &rows[0].id);
        findings.place(DataKey::Valid, &file, text);
    } else {
        findings.extend("unknown image names", unknown);
    }
}
