//! A split of the same kind that would do, where one holds nothing out or leaves nothing of a class for training.

use std::collections::HashSet;

use fastai_dsl::{Dealing, TaskKind, Valid};

use super::holdout::{deals_classes, drawn, keep_last, keep_together};
use crate::row::SourceRow;

/// Shares that are proposed. With the largest, a class of two images has one held out.
const SHARES: [f64; 7] = [0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75];
/// The seed of a split that names none.
const SEED: u32 = 42;
/// Draws of one share, or of one number of folds, that are tried.
const DRAWS: u32 = 5;
/// The most folds that are proposed.
const FOLDS: u32 = 20;

/// Where `valid` holds nothing out, or all images of a class: a split that holds images out and leaves some of each class for
/// training. It keeps the groups or blocks of `valid` together; for images that nothing holds together it is `stratified`. None
/// where no such split was found.
pub(crate) fn better_split(task: TaskKind, valid: &Valid, rows: &[SourceRow], held_out: &[bool]) -> Option<Valid> {
    if task == TaskKind::Regression || trains_all(rows, held_out) && held_out.contains(&true) {
        return None;
    }
    candidates(valid).into_iter().find(|candidate| serves(candidate, rows))
}

/// The split as a recipe writes it, without what is the default.
pub(crate) fn written(valid: &Valid) -> String {
    let mut more = String::new();
    let (name, seed, fold) = match valid {
        Valid::Stratified { share, seed, fold } => (format!("stratified({share:?}"), *seed, *fold),
        Valid::Blocks { size, share, seed, fold } => (format!("blocks({size}, share = {share:?}"), *seed, *fold),
        Valid::Grouped { column, share, seed, fold } => {
            (format!("grouped({column:?}, share = {share:?}"), *seed, *fold)
        }
        Valid::Folds { count, seed, fold: None, dealing } => {
            match dealing {
                Dealing::Stratified | Dealing::Random => {}
                Dealing::Blocks(size) => more = format!(", blocks = {size}"),
                Dealing::Grouped(column) => more = format!(", grouped = {column:?}"),
            }
            (format!("folds({count}"), *seed, 0)
        }
        other => return other.to_string(),
    };
    let seed = if seed == SEED { String::new() } else { format!(", seed = {seed}") };
    let fold = if fold == 0 { String::new() } else { format!(", fold = {fold}") };
    format!("{name}{seed}{fold}{more})")
}

/// What is tried instead of a split, the nearest first.
fn candidates(valid: &Valid) -> Vec<Valid> {
    // Other draws of the same share come first.
    let draws = |share: f64| {
        let folds = move |share: f64| (0..DRAWS.min((1.0 / share) as u32)).map(move |fold| (share, fold));
        [share].into_iter().chain(SHARES).flat_map(folds)
    };
    match valid {
        Valid::Grouped { column, share, seed, .. } => draws(*share)
            .map(|(share, fold)| Valid::Grouped { column: column.clone(), share, seed: *seed, fold })
            .collect(),
        Valid::Blocks { size, share, seed, .. } => {
            let smaller = [*size, *size / 2, *size / 4].into_iter().filter(|size| *size >= 2);
            let of_size =
                |size: u32| draws(*share).map(move |(share, fold)| Valid::Blocks { size, share, seed: *seed, fold });
            smaller.flat_map(of_size).collect()
        }
        Valid::Folds { count, seed, dealing, .. } => {
            let folds = |count: u32, seed: u32| Valid::Folds { count, seed, fold: None, dealing: dealing.clone() };
            let reseeded = (0..DRAWS).map(|more| folds(*count, seed.saturating_add(more)));
            let mut others: Vec<u32> = (2..=FOLDS).filter(|other| other != count).collect();
            others.sort_by_key(|other| other.abs_diff(*count));
            reseeded.chain(others.into_iter().map(|count| folds(count, *seed))).collect()
        }
        _ => SHARES.into_iter().map(|share| Valid::Stratified { share, seed: SEED, fold: 0 }).collect(),
    }
}

/// Whether a split holds images out and leaves some of each class for training, in each of its folds.
fn serves(candidate: &Valid, rows: &[SourceRow]) -> bool {
    let turns: Vec<Valid> = match candidate.turns() {
        Some(count) => (0..count).filter_map(|fold| candidate.fold_of(count, fold)).collect(),
        None => vec![candidate.clone()],
    };
    turns.iter().all(|valid| {
        let mut held_out = vec![false; rows.len()];
        drawn(valid, rows).into_iter().for_each(|index| held_out[index] = true);
        keep_together(rows, &mut held_out);
        if deals_classes(valid) {
            keep_last(rows, &mut held_out);
        }
        let measures = rows.iter().zip(&held_out).any(|(row, held_out)| *held_out && !row.absent);
        measures && trains_all(rows, &held_out)
    })
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
