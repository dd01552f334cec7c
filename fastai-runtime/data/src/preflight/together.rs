//! Looks for a split of the same images that keeps those on one side that show nearly the same.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use fastai_dsl::{Column, Data, Dealing, Source, TaskKind, Valid};

use super::health::{Health, Together};
use super::{Described, nearby, pairs};
use crate::progress::StopSignal;
use crate::row::SourceRow;
use crate::splits::{better, holdout};
use crate::{Dataset, first_rows, opening};

/// Sizes of blocks that are tried.
const BLOCKS: [u32; 7] = [10, 20, 50, 100, 200, 500, 1_000];
/// The most columns by which grouping is tried; the rows are read again for each.
const COLUMNS: usize = 8;
/// Rows of a csv file that show whether the cells of a column repeat.
const SAMPLES: usize = 2_000;

/// Returns the split that parts the fewest pairs of images that show nearly the same. `None` if it is not clearly better than
/// the recipe's, if the recipe lists the held-out images, or if the pairs are too many to count.
///
/// Splits by blocks and by columns of the csv file are tried, as far as these images allow them.
pub(super) fn propose(
    data: &Data,
    dataset: &Dataset,
    looks: &Described,
    health: &Health,
    stop: &StopSignal,
) -> Option<Together> {
    if health.near.is_empty() || health.cut.near || !can_deal(&data.valid) {
        return None;
    }
    let (task, root) = (dataset.task, dataset.root.as_path());
    // Read a second time, as few data sets need their rows again.
    let rows = opening::rows(data, task, root)?;
    // Another split may part images that are on one side now. Each pair is found from both of its images.
    let all = pairs::sights(dataset.train.iter().chain(&dataset.valid), looks);
    let (found, cut) = nearby::near(&all, &all, 2 * pairs::MOST, stop);
    if cut {
        return None;
    }
    let sorted = |mut pair: [PathBuf; 2]| {
        pair.sort_unstable();
        pair
    };
    let near: HashSet<[PathBuf; 2]> = found.into_iter().chain(health.near.iter().cloned()).map(sorted).collect();
    let near = places(&near, &rows);
    let now = Parts::of(&data.valid, task, &rows, &near);
    let mut best: Option<Together> = None;
    let groups = grouping_columns(data, root).into_iter().map(Dealing::Grouped);
    for dealing in groups.chain(BLOCKS.into_iter().map(Dealing::Blocks)) {
        let Some(split) = dealt(&data.valid, dealing).filter(|split| *split != data.valid) else { continue };
        let grouped = split.group().map(|_| opening::rows(&Data { valid: split.clone(), ..data.clone() }, task, root));
        let rows = match &grouped {
            None => &rows[..],
            Some(Some(grouped)) if grouped.len() == rows.len() => &grouped[..],
            Some(_) => continue,
        };
        if holdout::too_many_folds(&split, rows).is_some() {
            continue;
        }
        let parts = Parts::of(&split, task, rows, &near);
        let fewer = best.as_ref().map_or(2 * parts.pairs <= now.pairs, |best| parts.pairs < best.parted);
        if parts.serve && fewer && parts.measure_as(&now) {
            best = Some(Together { split, parted: parts.pairs, before: now.pairs });
        }
    }
    best
}

/// What a split does in all of its turns together.
struct Parts {
    /// Pairs of which it holds out one image alone.
    pairs: usize,
    /// Images that it holds out.
    held_out: usize,
    /// Whether each turn holds some out and trains what it has to.
    serve: bool,
}

impl Parts {
    /// `near` are the rows of the images of each pair.
    fn of(valid: &Valid, task: TaskKind, rows: &[SourceRow], near: &[[usize; 2]]) -> Parts {
        let mut parts = Parts { pairs: 0, held_out: 0, serve: true };
        for held_out in better::turns(valid, rows) {
            parts.pairs += near.iter().filter(|[a, b]| held_out[*a] != held_out[*b]).count();
            parts.held_out += rows.iter().zip(&held_out).filter(|(row, out)| **out && !row.absent).count();
            parts.serve &= better::serves(task, &held_out, rows);
        }
        parts
    }

    /// Whether about as many images are held out: a small part has few pairs because it is small.
    fn measure_as(&self, other: &Parts) -> bool {
        2 * self.held_out >= other.held_out && self.held_out <= 2 * other.held_out
    }
}

/// The first rows of the two images of each pair.
fn places(pairs: &HashSet<[PathBuf; 2]>, rows: &[SourceRow]) -> Vec<[usize; 2]> {
    let wanted: HashSet<&Path> = pairs.iter().flatten().map(PathBuf::as_path).collect();
    let mut first: HashMap<&Path, usize> = HashMap::with_capacity(wanted.len());
    for (place, row) in rows.iter().enumerate() {
        if wanted.contains(row.path.as_path()) {
            first.entry(&row.path).or_insert(place);
        }
    }
    let place = |path: &PathBuf| first.get(path.as_path()).copied();
    pairs.iter().filter_map(|[a, b]| Some([place(a)?, place(b)?])).collect()
}

/// Whether a split draws the images that it holds out, so that they can be dealt out otherwise.
fn can_deal(valid: &Valid) -> bool {
    dealt(valid, Dealing::Blocks(BLOCKS[0])).is_some()
}

/// The split of the same share or number of folds under the same seed that keeps blocks or groups together; `None` for one
/// that lists the held-out images.
fn dealt(valid: &Valid, dealing: Dealing) -> Option<Valid> {
    match *valid {
        Valid::Random { share, seed, fold }
        | Valid::Stratified { share, seed, fold }
        | Valid::Blocks { share, seed, fold, .. }
        | Valid::Grouped { share, seed, fold, .. } => match dealing {
            Dealing::Blocks(size) => Some(Valid::Blocks { size, share, seed, fold }),
            Dealing::Grouped(column) => Some(Valid::Grouped { column, share, seed, fold }),
            Dealing::Stratified | Dealing::Random => None,
        },
        Valid::Folds { count, seed, fold, .. } => Some(Valid::Folds { count, seed, fold, dealing }),
        Valid::Folder(_) | Valid::Indices(_) | Valid::Rows(_) | Valid::Column(_) | Valid::Given | Valid::None => None,
    }
}

/// The columns of a csv file whose cells repeat, so that they may name groups; not those of names and labels.
fn grouping_columns(data: &Data, root: &Path) -> Vec<String> {
    let Source::Csv { labels, id, label, columns, header: true, delimiter, encoding, .. } = &data.source else {
        return Vec::new();
    };
    let rows = first_rows(&root.join(labels), *delimiter, *encoding, SAMPLES + 1);
    let Some((header, rows)) = rows.split_first() else { return Vec::new() };
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    let is_read = |place: usize| {
        [id, label].into_iter().chain(columns).any(|column| match column {
            Column::Position(position) => *position as usize == place,
            Column::Name(name) => name == names[place],
        })
    };
    let repeats = |place: usize| {
        let distinct = rows.iter().filter_map(|row| row.get(place)).collect::<HashSet<_>>().len();
        1 < distinct && distinct < rows.len()
    };
    let groups = |place: &usize| !names[*place].is_empty() && !is_read(*place) && repeats(*place);
    (0..names.len()).filter(groups).take(COLUMNS).map(|place| names[place].to_string()).collect()
}
