//! Looks for what keeps images that show nearly the same from lying on both sides of a split: a split of the same images that
//! keeps them together, or a few images to remove.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use fastai_dsl::{Column, Data, Dealing, Source, TaskKind, Valid};

use super::health::{Health, Together};
use super::{Described, nearby, pairs};
use crate::progress::StopSignal;
use crate::row::SourceRow;
use crate::sources::csv;
use crate::splits::{better, drawn, holdout};
use crate::{Dataset, opening};

/// Sizes of blocks that are tried.
const BLOCKS: [u32; 7] = [10, 20, 50, 100, 200, 500, 1_000];
/// The most columns by which grouping is tried.
const COLUMNS: usize = 8;
/// The most images that are named to be removed.
const FEW: usize = 5;
/// By how much of what is asked a proposed split may hold out fewer or more images of a class. One image is always borne with.
const TOLERANCE: f64 = 1.0 / 3.0;
/// A split is proposed if it parts so many times fewer pairs, or none: blocks of images that are sorted merely move the border
/// between the sides.
const HARDLY: usize = 10;
/// Rows of a csv file that show whether the cells of a column repeat.
const SAMPLES: usize = 2_000;

/// Says of a data set with images that show nearly the same on both sides of its split what would help: fills in
/// [`Health::removable`] or, where more than a few images would have to go, [`Health::together`].
///
/// Splits by blocks and by columns of the csv file are tried, as far as these images allow them. None is tried if the recipe
/// lists the held-out images, or if the pairs are too many to count.
pub(super) fn survey(data: &Data, dataset: &Dataset, looks: &Described, health: &mut Health, stop: &StopSignal) {
    if health.cut.near || health.near.is_empty() {
        return;
    }
    if share(&data.valid).is_none() {
        health.removable = training_images(&data.valid, &health.near);
        return;
    }
    // Read a second time, as few data sets need their rows again.
    let Some(rows) = opening::rows(data, dataset.task, &dataset.root) else { return };
    // Another split may part images that are on one side now.
    let all = dataset.train.iter().chain(&dataset.valid).map(|item| item.path.as_path());
    let mut lookalikes = Lookalikes::among(all, looks, stop);
    if lookalikes.cut {
        return;
    }
    lookalikes.pairs.extend(health.near.iter().cloned().map(sorted));
    let images = Images::new(dataset.task, rows, &lookalikes);
    let own = images.divided(&data.valid);
    // Without an image, all others are dealt out anew.
    let trained: HashSet<&Path> = dataset.train.iter().map(|item| item.path.as_path()).collect();
    images.help(data, &dataset.root, &own, &trained, health);
}

/// The same for a split that holds out each fold in turn, of data with these `rows`; fills in [`Health::near`] too. Nothing is
/// proposed unless the images that `looks` describes `are_all`.
pub(super) fn survey_folds(
    data: &Data,
    dataset: &Dataset,
    rows: Vec<SourceRow>,
    (looks, are_all): (&Described, bool),
    health: &mut Health,
    stop: &StopSignal,
) {
    let lookalikes = Lookalikes::among(rows.iter().map(|row| row.path.as_path()), looks, stop);
    let cut = lookalikes.cut;
    let images = Images::new(dataset.task, rows, &lookalikes);
    let own = images.divided(&data.valid);
    let parted = images.pairs.iter().zip(&own.parted).filter(|(_, parted)| **parted);
    health.near = parted.map(|(pair, _)| images.paths(pair).map(Path::to_path_buf)).take(pairs::MOST).collect();
    health.cut.near = cut || own.count() > pairs::MOST;
    if are_all && !cut {
        images.help(data, &dataset.root, &own, &HashSet::new(), health);
    }
}

/// Images that show nearly the same, wherever they are.
struct Lookalikes {
    pairs: BTreeSet<[PathBuf; 2]>,
    /// Whether these are only some of the pairs.
    cut: bool,
}

impl Lookalikes {
    fn among<'a>(paths: impl Iterator<Item = &'a Path>, looks: &'a Described, stop: &StopSignal) -> Self {
        let all = pairs::sights(paths, looks);
        // Each pair is found from both of its images.
        let (found, cut) = nearby::near(&all, &all, 2 * pairs::MOST, stop);
        Lookalikes { pairs: found.into_iter().map(sorted).collect(), cut }
    }
}

fn sorted(mut pair: [PathBuf; 2]) -> [PathBuf; 2] {
    pair.sort_unstable();
    pair
}

/// The images of a data set, by which splits of them are compared.
struct Images {
    rows: Vec<SourceRow>,
    /// The rows of the two images of each pair that shows nearly the same.
    pairs: Vec<[usize; 2]>,
    /// Each row that has its image, once for each of its classes, with the number of the class; class 0 is that of all.
    members: Vec<(usize, usize)>,
    /// The number of such rows of each class.
    sizes: Vec<usize>,
}

/// What a split does to the images.
struct Division {
    /// For each pair, whether some turn holds out one of its images alone.
    parted: Vec<bool>,
    /// For each class, its images that each turn holds out, the fewest first.
    held_out: Vec<Vec<usize>>,
}

impl Division {
    /// The number of pairs that are parted.
    fn count(&self) -> usize {
        self.parted.iter().filter(|parted| **parted).count()
    }
}

impl Images {
    fn new(task: TaskKind, rows: Vec<SourceRow>, lookalikes: &Lookalikes) -> Self {
        let (pairs, (members, sizes)) = (places(&lookalikes.pairs, &rows), members(task, &rows));
        Images { rows, pairs, members, sizes }
    }

    fn paths(&self, pair: &[usize; 2]) -> [&Path; 2] {
        pair.map(|row| self.rows[row].path.as_path())
    }

    fn divided(&self, split: &Valid) -> Division {
        let (pairs, classes) = (self.pairs.len(), self.sizes.len());
        let mut division = Division { parted: vec![false; pairs], held_out: vec![Vec::new(); classes] };
        for held_out in better::turns(split, &self.rows) {
            let pairs = division.parted.iter_mut().zip(&self.pairs);
            pairs.for_each(|(parted, [a, b])| *parted |= held_out[*a] != held_out[*b]);
            let mut counts = vec![0; classes];
            self.members.iter().for_each(|(row, class)| counts[*class] += usize::from(held_out[*row]));
            division.held_out.iter_mut().zip(counts).for_each(|(turns, count)| turns.push(count));
        }
        division.held_out.iter_mut().for_each(|turns| turns.sort_unstable());
        division
    }

    /// Whether a split that is to hold out this `share` deals the images of each class, and all of them, out as [`Together`]
    /// says, in each turn, where the recipe's own does as `own`.
    fn deals_evenly(&self, split: &Division, own: &Division, share: f64) -> bool {
        self.sizes.iter().enumerate().all(|(class, all)| {
            let asked = share * *all as f64;
            let slack = (TOLERANCE * asked).max(1.0);
            split.held_out[class].iter().zip(&own.held_out[class]).all(|(held_out, own)| {
                let within = asked.min(*own as f64) - slack..=asked.max(*own as f64) + slack;
                let measures = *held_out > 0 || [0, *all].contains(own);
                within.contains(&(*held_out as f64)) && held_out < all && measures
            })
        })
    }

    /// Fills in what would help, if the recipe's split, which does as `own`, parts any pair. `trained` are images that are
    /// trained on throughout.
    fn help(mut self, data: &Data, root: &Path, own: &Division, trained: &HashSet<&Path>, health: &mut Health) {
        if own.count() == 0 {
            return;
        }
        health.removable = few_of(self.pairs.iter().map(|pair| self.paths(pair)).collect(), trained);
        if health.removable.is_empty() {
            health.together = self.propose(data, root, own);
        }
    }

    /// Returns the split that parts the fewest pairs of those that deal the images out evenly, the first of several; `None` if it
    /// parts more than hardly any of the pairs that the recipe's own does.
    fn propose(&mut self, data: &Data, root: &Path, own: &Division) -> Option<Together> {
        let share = share(&data.valid)?;
        let columns = groupings(data, root, self.rows.len());
        let groups = columns.into_iter().map(|(name, numbers)| (Dealing::Grouped(name), numbers));
        let blocks = BLOCKS.into_iter().map(|size| (Dealing::Blocks(size), Vec::new()));
        let mut best: Option<Together> = None;
        for (dealing, numbers) in groups.chain(blocks) {
            // Nothing parts fewer than none.
            if best.as_ref().is_some_and(|best| best.parted == 0) {
                break;
            }
            self.rows.iter_mut().zip(numbers).for_each(|(row, number)| row.group = Some(number.to_string()));
            for split in better::draws(&data.valid, &dealing) {
                if split == data.valid || holdout::too_many_folds(&split, &self.rows).is_some() {
                    continue;
                }
                let division = self.divided(&split);
                let parted = division.count();
                // Blocks or groups that part what looks alike under one draw do so under others.
                if best.as_ref().map_or(HARDLY * parted > own.count(), |best| parted >= best.parted) {
                    break;
                }
                if self.deals_evenly(&division, own, share) {
                    best = Some(Together { split, parted });
                    break;
                }
            }
        }
        best
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

/// Each row that has its image, with class 0 and with each of its classes, and the number of such rows of each class.
fn members(task: TaskKind, rows: &[SourceRow]) -> (Vec<(usize, usize)>, Vec<usize>) {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut members = Vec::with_capacity(2 * rows.len());
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| !row.absent) {
        members.push((place, 0));
        for label in row.labels.iter().filter(|_| task != TaskKind::Regression) {
            let next = numbers.len() + 1;
            members.push((place, *numbers.entry(label).or_insert(next)));
        }
    }
    let mut sizes = vec![0; numbers.len() + 1];
    members.iter().for_each(|(_, class)| sizes[*class] += 1);
    (members, sizes)
}

/// The share of the images that a split draws in each turn; `None` for one that lists the held-out images, so that they cannot be
/// dealt out otherwise.
fn share(valid: &Valid) -> Option<f64> {
    match *valid {
        Valid::Random { share, .. }
        | Valid::Stratified { share, .. }
        | Valid::Blocks { share, .. }
        | Valid::Grouped { share, .. } => Some(share),
        Valid::Folds { count, .. } => Some(1.0 / f64::from(count)),
        Valid::Folder(_) | Valid::Indices(_) | Valid::Rows(_) | Valid::Column(_) | Valid::Given | Valid::None => None,
    }
}

/// The columns of a csv file of so many rows whose cells repeat, so that they may name groups, with the number of each row's
/// group; not the columns of names and labels.
fn groupings(data: &Data, root: &Path, rows: usize) -> Vec<(String, Vec<usize>)> {
    let Source::Csv { labels, id, label, columns, header: true, delimiter, encoding, .. } = &data.source else {
        return Vec::new();
    };
    let path = root.join(labels);
    // Read anew for each column, so that the cells of a large file are never in memory together.
    let records = || {
        let reader = csv::open(&path, *delimiter, *encoding).into_iter();
        reader.flat_map(|reader| reader.into_records().map_while(Result::ok))
    };
    let first: Vec<::csv::StringRecord> = records().take(SAMPLES + 1).collect();
    let [header, samples @ ..] = &first[..] else { return Vec::new() };
    let narrower = |(count, cells): (usize, usize), record: ::csv::StringRecord| (count + 1, cells.min(record.len()));
    let (count, narrowest) = records().fold((0, usize::MAX), narrower);
    // Fewer or more if the file has changed.
    if count != rows + 1 {
        return Vec::new();
    }
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    let is_read = |place: usize| {
        [id, label].into_iter().chain(columns).any(|column| match column {
            Column::Position(position) => *position as usize == place,
            Column::Name(name) => name == names[place],
        })
    };
    let is_clear = |name: &str| !name.is_empty() && names.iter().filter(|other| **other == name).count() == 1;
    let repeats = |place: usize| {
        let distinct = samples.iter().filter_map(|row| row.get(place)).collect::<HashSet<_>>().len();
        1 < distinct && distinct < samples.len()
    };
    let groups = |place: &usize| is_clear(names[*place]) && !is_read(*place) && repeats(*place);
    let cells = |place: usize| records().skip(1).map(move |record| record.get(place).unwrap_or_default().to_string());
    let numbers = |place: usize| drawn::numbered(cells(place)).0;
    let places = (0..names.len().min(narrowest)).filter(groups).take(COLUMNS);
    places.map(|place| (names[place].to_string(), numbers(place))).collect()
}
