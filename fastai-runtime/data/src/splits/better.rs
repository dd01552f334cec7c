//! A split of the same kind that would do, where one holds nothing out or leaves nothing of a class for training.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fastai_dsl::{Dealing, TaskKind, Valid};

use super::holdout::{blocks, drawn, groups, settle};
use crate::findings::names;
use crate::row::SourceRow;

/// Shares that are proposed, in this order. From a half on, one of two images of a class is held out.
const SHARES: [f64; 7] = [0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75];
/// Draws of one share, or of one number of folds, that are tried.
const DRAWS: u32 = 5;
/// The most folds that are proposed.
const FOLDS: u32 = 20;

/// What helps where a split holds nothing out, or all images of a class.
#[derive(Debug, Default)]
pub(crate) struct Remedy {
    /// A split that holds images out and leaves some of each class for training. It keeps the groups or blocks of the recipe's
    /// split together; for images that nothing holds together it is `stratified`. None where no such split was found.
    pub(crate) better: Option<Valid>,
    /// Why none was found that keeps groups or blocks together, and what to do; `None` for other splits.
    pub(crate) hindrance: Option<String>,
    /// What some fold lacks, of a split that holds out each in turn.
    pub(crate) lack: Option<Lack>,
}

/// What a fold lacks to be trained and measured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It holds out no image.
    Measured,
    /// It leaves only images of this class to train on, and measures others.
    OtherClasses(String),
}

/// What helps where `valid` holds nothing out, or all images of a class, in some fold if it holds out each in turn; nothing for
/// other splits.
pub(crate) fn remedy(task: TaskKind, valid: &Valid, rows: &[SourceRow], held_out: &[bool]) -> Remedy {
    let lack = lack(task, valid, rows);
    let does = lack.is_none() && trains_all(rows, held_out) && held_out.contains(&true);
    if task == TaskKind::Regression || does {
        return Remedy { lack, ..Remedy::default() };
    }
    let would_do = |candidate: &Valid| turns(candidate, rows).all(|held_out| serves(task, &held_out, rows));
    let better = candidates(valid).into_iter().find(would_do);
    let hindrance = if better.is_none() { hindrance(valid, rows) } else { None };
    Remedy { better, hindrance, lack }
}

/// What the first fold lacks that lacks something; `None` for a split that does not hold out each fold in turn.
fn lack(task: TaskKind, valid: &Valid, rows: &[SourceRow]) -> Option<Lack> {
    valid.turns()?;
    turns(valid, rows).find_map(|held_out| {
        let part = |side: bool| rows.iter().zip(&held_out).filter(move |(row, out)| !row.absent && **out == side);
        let classes = |side: bool| part(side).flat_map(|(row, _)| &row.labels).collect::<BTreeSet<&String>>();
        if part(true).next().is_none() {
            return Some(Lack::Measured);
        }
        let trained = classes(false);
        match trained.first() {
            Some(only) if task == TaskKind::SingleLabel && trained.len() == 1 && !classes(true).is_subset(&trained) => {
                Some(Lack::OtherClasses((*only).clone()))
            }
            _ => None,
        }
    })
}

/// Why no split that keeps the groups or blocks of `valid` together leaves some of each class for training, and what to do;
/// `None` for splits that keep nothing together.
fn hindrance(valid: &Valid, rows: &[SourceRow]) -> Option<String> {
    let (part, advice, alone) = match valid {
        Valid::Grouped { .. } | Valid::Folds { dealing: Dealing::Grouped(_), .. } => {
            let groups = groups(rows);
            if are_classes(rows, &groups) {
                let stratified =
                    Valid::Stratified { share: SHARES[0], seed: Valid::default_seed(), fold: 0 }.in_short();
                return Some(format!(
                    "the groups are the classes, so that no split by them keeps some of each class for training: group by \
                     another column, or say `valid: {stratified}`"
                ));
            }
            ("group", "add images of other groups", of_one_part(rows, &groups))
        }
        Valid::Blocks { size, .. } | Valid::Folds { dealing: Dealing::Blocks(size), .. } => {
            let blocks = blocks(rows.len(), *size);
            ("block", "say smaller ones, or add images", of_one_part(rows, &blocks))
        }
        _ => return None,
    };
    Some(if alone.is_empty() {
        format!("no draw of {part}s that was tried keeps some of each class for training: {advice}")
    } else {
        format!(
            "all images of {} lie in one {part}{}, which is held out as a whole or not at all: {advice}",
            names(&alone, 5),
            if alone.len() == 1 { "" } else { " each" }
        )
    })
}

/// The groups or blocks of each class.
fn parts_of_classes<'a, P: Ord + Copy>(rows: &'a [SourceRow], parts: &[P]) -> BTreeMap<&'a str, BTreeSet<P>> {
    let mut found: BTreeMap<&str, BTreeSet<P>> = BTreeMap::new();
    for (row, part) in rows.iter().zip(parts) {
        for label in &row.labels {
            found.entry(label).or_default().insert(*part);
        }
    }
    found
}

/// The classes of which all images lie in one group or block.
fn of_one_part<'a, P: Ord + Copy>(rows: &'a [SourceRow], parts: &[P]) -> Vec<&'a str> {
    parts_of_classes(rows, parts).into_iter().filter(|(_, parts)| parts.len() == 1).map(|(class, _)| class).collect()
}

/// Whether each group holds all images of one class and no others.
fn are_classes(rows: &[SourceRow], groups: &[Option<&str>]) -> bool {
    let of_classes = parts_of_classes(rows, groups);
    let distinct: BTreeSet<Option<&str>> = groups.iter().copied().collect();
    rows.iter().all(|row| row.labels.len() == 1)
        && distinct.len() == of_classes.len()
        && of_classes.values().all(|groups| groups.len() == 1)
}

/// What is tried instead of a split, the nearest first.
fn candidates(valid: &Valid) -> Vec<Valid> {
    // Other draws of the same share come first.
    let shared = |share: f64, seed: u32, dealing: &Dealing| -> Vec<Valid> {
        let of_share = |share| draws(&Valid::Random { share, seed, fold: 0 }, dealing);
        [share].into_iter().chain(SHARES).flat_map(of_share).collect()
    };
    match valid {
        Valid::Grouped { column, share, seed, .. } => shared(*share, *seed, &Dealing::Grouped(column.clone())),
        Valid::Blocks { size, share, seed, .. } => {
            let smaller = [*size, *size / 2, *size / 4].into_iter().filter(|size| *size >= 2);
            smaller.flat_map(|size| shared(*share, *seed, &Dealing::Blocks(size))).collect()
        }
        Valid::Folds { count, seed, dealing, .. } => {
            let folds = |count: u32| Valid::Folds { count, seed: *seed, fold: None, dealing: dealing.clone() };
            let mut others: Vec<u32> = (2..=FOLDS).filter(|other| other != count).collect();
            others.sort_by_key(|other| other.abs_diff(*count));
            draws(&folds(*count), dealing).into_iter().chain(others.into_iter().map(folds)).collect()
        }
        _ => {
            SHARES.into_iter().map(|share| Valid::Stratified { share, seed: Valid::default_seed(), fold: 0 }).collect()
        }
    }
}

/// The splits of the same share or number of folds that deal images out like this, the recipe's own draw first and other draws
/// after it; none for a split that lists the held-out images.
pub(crate) fn draws(valid: &Valid, dealing: &Dealing) -> Vec<Valid> {
    match *valid {
        Valid::Random { share, seed, fold }
        | Valid::Stratified { share, seed, fold }
        | Valid::Blocks { share, seed, fold, .. }
        | Valid::Grouped { share, seed, fold, .. } => {
            let split = |fold| match dealing.clone() {
                Dealing::Stratified => Valid::Stratified { share, seed, fold },
                Dealing::Random => Valid::Random { share, seed, fold },
                Dealing::Blocks(size) => Valid::Blocks { size, share, seed, fold },
                Dealing::Grouped(column) => Valid::Grouped { column, share, seed, fold },
            };
            let others = (0..DRAWS.min(Valid::slices(share))).filter(|other| *other != fold);
            std::iter::once(fold).chain(others).map(split).collect()
        }
        Valid::Folds { count, seed, fold, .. } => {
            let seeds = (0..DRAWS).map(|more| seed.saturating_add(more));
            seeds.map(|seed| Valid::Folds { count, seed, fold, dealing: dealing.clone() }).collect()
        }
        _ => Vec::new(),
    }
}

/// The rows that a random split holds out, in each of its folds in turn; once for a split that has no folds.
pub(crate) fn turns(valid: &Valid, rows: &[SourceRow]) -> impl Iterator<Item = Vec<bool>> {
    let turns: Vec<Valid> = match valid.turns() {
        Some(count) => (0..count).filter_map(|fold| valid.fold_of(count, fold)).collect(),
        None => vec![valid.clone()],
    };
    turns.into_iter().map(move |valid| {
        let mut held_out = vec![false; rows.len()];
        drawn(&valid, rows).into_iter().for_each(|index| held_out[index] = true);
        settle(&valid, rows, &mut held_out);
        held_out
    })
}

/// Whether a split holds images out and leaves some for training, of each class if there are classes.
fn serves(task: TaskKind, held_out: &[bool], rows: &[SourceRow]) -> bool {
    let some = |side: bool| rows.iter().zip(held_out).any(|(row, held_out)| *held_out == side && !row.absent);
    some(true) && some(false) && (task == TaskKind::Regression || trains_all(rows, held_out))
}

/// Whether each class has an image that is not held out.
fn trains_all(rows: &[SourceRow], held_out: &[bool]) -> bool {
    let trained: HashSet<&str> = rows
        .iter()
        .zip(held_out)
        .filter(|(_, held_out)| !**held_out)
        .flat_map(|(row, _)| row.labels.iter().map(String::as_str))
        .collect();
    rows.iter().flat_map(|row| &row.labels).all(|label| trained.contains(label.as_str()))
}
