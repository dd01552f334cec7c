//! Looks for what keeps images that show nearly the same from lying on both sides of a split: a split of the same images that
//! keeps them together, or a few images to remove.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
/// The most images that are named to be removed.
const FEW: usize = 5;
/// A split is proposed if it parts so many times fewer pairs, or none: blocks of images that are sorted merely move the border
/// between the sides.
const HARDLY: usize = 10;
/// Rows of a csv file that show whether the cells of a column repeat.
const SAMPLES: usize = 2_000;

/// Says of a data set with images that show nearly the same what would help: fills in [`Health::removable`] or, where more than
/// a few images would have to go, [`Health::together`]. For a split that holds out each fold in turn, fills in [`Health::near`]
/// for all folds too.
///
/// Splits by blocks and by columns of the csv file are tried, as far as these images allow them. None is tried if the recipe
/// lists the held-out images, or if the pairs are too many to count.
pub(super) fn survey(data: &Data, dataset: &Dataset, looks: &Described, health: &mut Health, stop: &StopSignal) {
    let in_turn = data.valid.turns().is_some();
    if health.cut.near || health.near.is_empty() && !in_turn {
        return;
    }
    if !can_deal(&data.valid) {
        health.removable = training_images(&data.valid, &health.near);
        return;
    }
    let (task, root) = (dataset.task, dataset.root.as_path());
    // Read a second time, as few data sets need their rows again.
    let Some(rows) = opening::rows(data, task, root) else { return };
    // Another split may part images that are on one side now, and so may another fold. Each pair is found from both of its
    // images.
    let all = match in_turn {
        true => pairs::sights(rows.iter().map(|row| row.path.as_path()), looks),
        false => pairs::sights(dataset.train.iter().chain(&dataset.valid).map(|item| item.path.as_path()), looks),
    };
    let (found, cut) = nearby::near(&all, &all, 2 * pairs::MOST, stop);
    if cut {
        return;
    }
    let sorted = |mut pair: [PathBuf; 2]| {
        pair.sort_unstable();
        pair
    };
    // Folds in turn say the same, whichever one asks.
    let of_split = health.near.iter().filter(|_| !in_turn).cloned();
    let found: BTreeSet<[PathBuf; 2]> = found.into_iter().chain(of_split).map(sorted).collect();
    let near = places(&found, &rows);
    let now = parted(&data.valid, &rows, &near);
    if in_turn {
        let pair = |[a, b]: &[usize; 2]| [rows[*a].path.clone(), rows[*b].path.clone()];
        let pairs = near.iter().zip(&now).filter(|(_, parted)| **parted).map(|(places, _)| pair(places));
        health.near = pairs.take(pairs::MOST).collect();
        health.cut.near = count(&now) > pairs::MOST;
    }
    if count(&now) == 0 {
        return;
    }
    // Without an image, all others are dealt out anew.
    let trained = dataset.train.iter().filter(|_| !in_turn);
    let trained: HashSet<&Path> = trained.map(|item| item.path.as_path()).collect();
    let paths: Vec<[&Path; 2]> = found.iter().map(|pair| pair.each_ref().map(PathBuf::as_path)).collect();
    health.removable = few_of(paths, &trained);
    if health.removable.is_empty() {
        health.together = propose((data, task, root), &rows, &near, count(&now));
    }
}

/// The split that holds out each fold of the recipe's in turn; `None` for another kind of split.
pub(super) fn all_folds(data: &Data) -> Option<Data> {
    let mut whole = data.clone();
    match &mut whole.valid {
        Valid::Folds { fold, .. } => *fold = None,
        _ => return None,
    }
    Some(whole)
}

/// Returns the split that parts the fewest pairs, `near`; `None` if it parts more than hardly any of the `now` pairs that the
/// recipe's does.
fn propose(
    (data, task, root): (&Data, TaskKind, &Path),
    rows: &[SourceRow],
    near: &[[usize; 2]],
    now: usize,
) -> Option<Together> {
    let own = TurnSides::of(&data.valid, task, rows);
    let mut best: Option<Together> = None;
    let groups = grouping_columns(data, root).into_iter().map(Dealing::Grouped);
    for dealing in groups.chain(BLOCKS.into_iter().map(Dealing::Blocks)) {
        let Some(split) = dealt(&data.valid, dealing).filter(|split| *split != data.valid) else { continue };
        let grouped = split.group().map(|_| opening::rows(&Data { valid: split.clone(), ..data.clone() }, task, root));
        let rows = match &grouped {
            None => rows,
            Some(Some(grouped)) if grouped.len() == rows.len() => &grouped[..],
            Some(_) => continue,
        };
        if holdout::too_many_folds(&split, rows).is_some() {
            continue;
        }
        let parted = count(&parted(&split, rows, near));
        let fewer = best.as_ref().map_or(HARDLY * parted <= now, |best| parted < best.parted);
        if fewer && TurnSides::of(&split, task, rows).serve_as(&own) {
            best = Some(Together { split, parted });
        }
    }
    best
}

/// For each pair, whether the split holds out one image alone in some of its turns. `near` are the rows of the images of each.
fn parted(valid: &Valid, rows: &[SourceRow], near: &[[usize; 2]]) -> Vec<bool> {
    let mut parted = vec![false; near.len()];
    for held_out in better::turns(valid, rows) {
        parted.iter_mut().zip(near).for_each(|(parted, [a, b])| *parted |= held_out[*a] != held_out[*b]);
    }
    parted
}

/// How many of the pairs are parted.
fn count(parted: &[bool]) -> usize {
    parted.iter().filter(|parted| **parted).count()
}

/// What a split leaves on its two sides, in all of its turns together.
struct TurnSides<'a> {
    /// Images that it holds out.
    held_out: usize,
    /// Whether each turn holds some out and trains what it has to.
    serve: bool,
    /// For each class, the turns that train on none of its images, and those that hold none out; empty for numbers.
    lacking: HashMap<&'a str, [usize; 2]>,
}

impl<'a> TurnSides<'a> {
    fn of(valid: &Valid, task: TaskKind, rows: &'a [SourceRow]) -> TurnSides<'a> {
        let labels = |row: &'a SourceRow| row.labels.iter().map(String::as_str);
        let there = rows.iter().filter(|row| task != TaskKind::Regression && !row.absent);
        let lacking = there.flat_map(labels).map(|class| (class, [0; 2])).collect();
        let mut sides = TurnSides { held_out: 0, serve: true, lacking };
        for held_out in better::turns(valid, rows) {
            sides.held_out += rows.iter().zip(&held_out).filter(|(row, out)| **out && !row.absent).count();
            sides.serve &= better::serves(task, &held_out, rows);
            for (side, is_out) in [false, true].into_iter().enumerate() {
                let here = rows.iter().zip(&held_out).filter(|(row, out)| !row.absent && **out == is_out);
                let here: HashSet<&str> = here.flat_map(|(row, _)| labels(row)).collect();
                for (class, turns) in &mut sides.lacking {
                    turns[side] += usize::from(!here.contains(*class));
                }
            }
        }
        sides
    }

    /// Whether about as many images are held out, as a small part has few pairs because it is small, and no class is missing on
    /// a side in more turns.
    fn serve_as(&self, own: &TurnSides<'_>) -> bool {
        let keeps = |(class, turns): (&&str, &[usize; 2])| {
            own.lacking.get(*class).is_some_and(|own| turns[0] <= own[0] && turns[1] <= own[1])
        };
        self.serve
            && 2 * self.held_out >= own.held_out
            && self.held_out <= 2 * own.held_out
            && self.lacking.iter().all(keeps)
    }
}

/// At most [`FEW`] images of which each pair has one, those that are trained on first; none if more are needed.
fn few_of(mut pairs: Vec<[&Path; 2]>, trained: &HashSet<&Path>) -> Vec<PathBuf> {
    let mut few = Vec::new();
    while few.len() < FEW {
        let mut counts: BTreeMap<&Path, usize> = BTreeMap::new();
        pairs.iter().flatten().for_each(|path| *counts.entry(*path).or_default() += 1);
        let most = counts.into_iter().max_by_key(|(path, count)| (*count, trained.contains(path)));
        let Some((most, _)) = most else { break };
        pairs.retain(|pair| !pair.contains(&most));
        few.push(most.to_path_buf());
    }
    if pairs.is_empty() { few } else { Vec::new() }
}

/// The training images of pairs that a split which lists the held-out images parts, if they are at most [`FEW`] and the list says
/// the same without them.
fn training_images(valid: &Valid, near: &[[PathBuf; 2]]) -> Vec<PathBuf> {
    let images: BTreeSet<&PathBuf> = near.iter().map(|[train, _]| train).collect();
    match valid {
        Valid::Folder(_) | Valid::Indices(_) | Valid::Column(_) if images.len() <= FEW => {
            images.into_iter().cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// The first rows of the two images of each pair.
fn places(pairs: &BTreeSet<[PathBuf; 2]>, rows: &[SourceRow]) -> Vec<[usize; 2]> {
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
