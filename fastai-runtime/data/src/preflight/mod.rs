//! Checks every image once before anything expensive starts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastai_dsl::{Corrupt, Data, Duplicates, Extent, Recipe, TaskKind};
use rayon::prelude::*;

use self::known::{Known, Sound, Stamp};
use self::left_out::LeftOut;
use self::looks::Looks;
use crate::finding::{Finding, FindingKind};
use crate::findings::Findings;
use crate::progress::{Progress, Silent, StopSignal};
use crate::random::{Stream, below};
use crate::{Dataset, DecodeError, Item, OpenError, OpenReached};

mod across_folds;
mod health;
mod health_notes;
mod known;
mod labels;
mod left_out;
mod looks;
mod nearby;
mod pairs;
mod sizes;
#[cfg(test)]
mod tests;
mod together;

pub use across_folds::AcrossFolds;
pub(crate) use health::SoundFile;
pub use health::{FoldsWithout, Health, Together, Truncated};
pub use labels::FarLabels;
pub use sizes::Sizes;

/// The description of every file that can be decoded, the other files with their errors, and the number of files that were
/// not known before.
type Decoded = (Described, Vec<(PathBuf, DecodeError)>, usize);

/// The descriptions of images, by path.
type Described = HashMap<PathBuf, Arc<Looks>>;

/// Whether training images that resemble a validation image are searched for, which is most of the work of comparing.
enum Near<'a> {
    /// Searched for. If there are some, a split that keeps them together is looked for in the data that the recipe describes;
    /// `None` for a data set of the program, which divided it.
    Search(Option<&'a Data>),
    Skip,
}

/// The settings of the check: every image of train, valid and test is decoded once, on all cores.
#[derive(Clone, Debug)]
pub struct Preflight<'a> {
    /// The policy for files that cannot be decoded. Even with `skip`, it is an error if more than half of the files are
    /// broken.
    pub corrupt: Corrupt,
    /// The policy for training images that equal a validation image.
    pub duplicates: Duplicates,
    /// Largest image side that the network sees, pixels; smaller images count as enlarged.
    pub size: u32,
    /// The bits that 16-bit images use, 8 to 16.
    pub bits: u32,
    /// Which images are examined; the others are kept unseen.
    pub extent: Extent,
    /// Keeps and checks only the first `limit` images of each part.
    pub limit: Option<usize>,
    /// The file that records valid images with their size, modification time and description, so that the next run checks
    /// only those. A missing or broken list is rebuilt; a list that cannot be written is a warning.
    pub known: Option<&'a Path>,
    /// What is the same for all folds, if the recipe's fold is one of a run that holds out each in turn.
    pub across: Option<&'a AcrossFolds>,
    /// Checked between images.
    pub stop: &'a StopSignal,
}

impl<'a> Preflight<'a> {
    /// The settings for a recipe: every image, at the largest size, without a list of known files.
    pub fn of(recipe: &Recipe, stop: &'a StopSignal) -> Self {
        let Data { corrupt, duplicates, .. } = *recipe.data();
        // Copies are made of what was examined.
        let extent = if recipe.data().resize_to.is_some() { Extent::All } else { recipe.data().preflight };
        let bits = recipe.transforms().bits;
        let size = recipe.largest_size();
        Preflight { corrupt, duplicates, size, bits, extent, limit: None, known: None, across: None, stop }
    }

    /// Opens the data set of a recipe and checks its images.
    ///
    /// # Errors
    /// All findings about the csv file, the folders, the images and the remaining split, in one report with the notes
    /// below; [`OpenError::Stopped`].
    pub fn open(
        &self,
        data: &Data,
        task: TaskKind,
        progress: &mut dyn Progress,
    ) -> Result<(Dataset, Health), OpenError> {
        self.open_but(data, task, |findings| findings, progress)
    }

    /// Like [`open`](Self::open), for measuring a model that was trained before: the images may be of one class, or have one
    /// label.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_to_measure(
        &self,
        data: &Data,
        task: TaskKind,
        progress: &mut dyn Progress,
    ) -> Result<(Dataset, Health), OpenError> {
        self.open_but(data, task, Findings::of_measuring, progress)
    }

    /// Like [`open`](Self::open), with only the findings that `kept` returns, before the images are looked at and after.
    fn open_but(
        &self,
        data: &Data,
        task: TaskKind,
        kept: fn(Findings) -> Findings,
        progress: &mut dyn Progress,
    ) -> Result<(Dataset, Health), OpenError> {
        let (mut dataset, findings) = Dataset::survey(data, task)?;
        let near = Near::Search(Some(data));
        let (health, findings) = self.look(&mut dataset, kept(findings), near, self.load(), progress)?;
        let health = kept(findings).or_with_notes(health, |health| notes(&dataset, health))?;
        Ok((dataset, health))
    }

    /// Like [`open`](Self::open), but returns the readable part beside all findings that would prevent a run, so that a
    /// broken data set can be inspected.
    ///
    /// # Errors
    /// If the folder does not exist; [`OpenError::Stopped`].
    pub fn survey(
        &self,
        data: &Data,
        task: TaskKind,
        progress: &mut dyn Progress,
    ) -> Result<(Dataset, Health, Vec<Finding>), OpenError> {
        let (mut dataset, findings) = Dataset::survey(data, task)?;
        let (health, findings) = self.look(&mut dataset, findings, Near::Search(Some(data)), self.load(), progress)?;
        Ok((dataset, health, findings.or(()).err().map_or_else(Vec::new, |error| error.findings)))
    }

    /// Returns the result of [`check`](Self::check) if it is known without decoding an image: if all images are recorded as
    /// valid and unchanged, and there are no findings. What makes the split a poor test is not looked for: images that show
    /// nearly the same on both sides, and classes without a validation image.
    pub fn recall(&self, mut dataset: Dataset) -> Option<(Dataset, Health)> {
        let known = Known::load(self.known?);
        let is_known = |item: &&Item| {
            let sound = item.path.to_str().and_then(|name| known.files.get(name));
            sound.is_some_and(|sound| sound.bits == self.bits && Stamp::of(&item.path) == Some(sound.stamp))
        };
        if !self.examined(&dataset).par_iter().all(is_known) {
            return None;
        }
        let (health, findings) = self.look(&mut dataset, Findings::default(), Near::Skip, known, &mut Silent).ok()?;
        findings.or((dataset, health)).ok()
    }

    /// Checks the images of a data set and leaves out those that the policies exclude.
    ///
    /// # Errors
    /// All broken images at once: the first 20 with path and reason, the number of the others, and the remedy; parts and
    /// classes that are left empty; [`OpenError::Stopped`].
    pub fn check(&self, dataset: &mut Dataset, progress: &mut dyn Progress) -> Result<Health, OpenError> {
        let (health, findings) = self.look(dataset, Findings::default(), Near::Search(None), self.load(), progress)?;
        Ok(findings.or_with_notes(health, |health| notes(dataset, health))?)
    }

    /// The images that an earlier run found sound.
    fn load(&self) -> Known {
        self.known.map(Known::load).unwrap_or_default()
    }

    /// Checks all images. Those that cannot be decoded are left out, whether or not that is a finding.
    fn look(
        &self,
        dataset: &mut Dataset,
        mut findings: Findings,
        near: Near<'_>,
        known: Known,
        progress: &mut dyn Progress,
    ) -> Result<(Health, Findings), OpenError> {
        let is_whole = findings.is_empty();
        for part in [&mut dataset.train, &mut dataset.valid, &mut dataset.test] {
            part.truncate(self.limit.unwrap_or(usize::MAX));
            // A missing file was reported with its row and is not reported again.
            if !findings.is_empty() {
                part.retain(|item| item.path.exists());
            }
        }
        let mut seen = HashSet::new();
        let all = dataset.train.len() + dataset.valid.len() + dataset.test.len();
        let items = self.examined(dataset);
        let unseen = all - items.len();
        let paths: Vec<PathBuf> =
            items.into_iter().filter(|item| seen.insert(&item.path)).map(|item| item.path.clone()).collect();
        let mut health = Health { size: self.size, unseen, ..Health::default() };
        let (looks, broken, decoded) = self.decode(&paths, &dataset.root, known, &mut health, progress)?;
        (health.images, health.decoded) = (paths.len() - broken.len(), decoded);
        let mut left_out = LeftOut::default();
        let too_many = 2 * broken.len() > paths.len();
        if self.corrupt == Corrupt::Skip && !too_many {
            left_out.broken(dataset, &broken);
            health.skipped = broken;
        } else if !broken.is_empty() {
            let absent: HashSet<&Path> = broken.iter().map(|(path, _)| path.as_path()).collect();
            for part in [&mut dataset.train, &mut dataset.valid, &mut dataset.test] {
                part.retain(|item| !absent.contains(item.path.as_path()));
            }
            let advice = match self.corrupt {
                Corrupt::Skip => "more than half, which `corrupt: skip` does not bear with",
                Corrupt::Deny => {
                    "replace each of these files, or remove it (and its row in the csv file), or say `corrupt: skip`"
                }
            };
            let advice = format!("{} of {} images cannot be decoded: {advice}", broken.len(), paths.len());
            let count = FindingKind::Unusable { count: broken.len(), of: paths.len() };
            let finding = |(path, reason): &(PathBuf, DecodeError)| Finding::broken_image(path, reason);
            findings.extend("broken images", broken.iter().map(finding).collect());
            findings.push(count, advice);
        }
        pairs::twins_of_valid(dataset, &looks, self.duplicates, &mut health, &mut left_out);
        pairs::twins(dataset, &looks, &mut health);
        left_out.check(dataset, self.limit.is_some(), &mut health, &mut findings);
        // What a part of the rows says of their labels may not hold for all.
        if self.limit.is_none() && findings.all_read() {
            labels::check(dataset, &mut findings);
            health.far_labels = FarLabels::of(dataset);
        }
        measure(dataset, &looks, &mut health);
        if let Near::Search(data) = near {
            self.compare(data, dataset, &looks, &findings, &mut health);
        }
        if !is_whole {
            // The findings keep images out, and the sizes of the others say little.
            health.enlarged = 0;
        }
        if self.stop.requested() {
            return Err(OpenError::Stopped(OpenReached::Checked));
        }
        Ok((health, findings))
    }

    /// Looks for what makes the split a poor test: images that show nearly the same on both sides of it, and classes that nothing
    /// measures. Where each fold is held out in turn, it is that of all folds, unless there are findings.
    fn compare(
        &self,
        data: Option<&Data>,
        dataset: &Dataset,
        looks: &Described,
        findings: &Findings,
        health: &mut Health,
    ) {
        // What part of the images shows says nothing of a split of all.
        let is_whole = self.limit.is_none() && health.unseen == 0;
        let in_turn = data.and_then(|data| across_folds::in_turn(data, self.across.is_some()));
        if let Some(data) = in_turn.as_ref().filter(|_| findings.is_empty()) {
            let find = |skipped: &[(PathBuf, DecodeError)]| {
                across_folds::find(data, dataset, skipped, (looks, is_whole), self.stop)
            };
            self.across.unwrap_or(&AcrossFolds::default()).fill(find, health);
            return;
        }
        pairs::compare_parts(dataset, looks, self.stop, health);
        // A row that was not read may hold an image of the class out, and so may another fold.
        if findings.all_read() && in_turn.is_none() {
            health.unmeasured = unmeasured(dataset);
        }
        if let Some(data) = data.filter(|_| findings.is_empty() && is_whole) {
            together::survey(data, dataset, looks, health, self.stop);
        }
    }

    /// Decodes the files that are not known `before`, and updates the list of known ones.
    fn decode(
        &self,
        paths: &[PathBuf],
        root: &Path,
        mut before: Known,
        health: &mut Health,
        progress: &mut dyn Progress,
    ) -> Result<Decoded, OpenError> {
        let mut known = Known::default();
        let mut looks = HashMap::with_capacity(paths.len());
        let mut unknown = Vec::new();
        // Read before decoding, so that a file that changes meanwhile differs from the record.
        let stamps: Vec<Option<Stamp>> = paths.par_iter().map(|path| Stamp::of(path)).collect();
        for (path, stamp) in paths.iter().zip(stamps) {
            match path.to_str().and_then(|name| before.files.remove_entry(name)) {
                Some((name, sound)) if Some(sound.stamp) == stamp && sound.bits == self.bits => {
                    health.sound(path, &sound.looks, stamp);
                    health.remark(path, sound.remark);
                    looks.insert(path.clone(), Arc::clone(&sound.looks));
                    known.files.insert(name, sound);
                }
                _ => unknown.push((path, stamp)),
            }
        }
        let mut broken = Vec::new();
        if unknown.is_empty() {
            return Ok((looks, broken, 0));
        }
        progress.begin("images checked", unknown.len() as u64);
        let mut done = 0;
        for chunk in unknown.chunks(32 * rayon::current_num_threads()) {
            if self.stop.requested() {
                break;
            }
            let results: Vec<_> = chunk.par_iter().map(|(path, _)| Looks::of(path, self.bits)).collect();
            for ((path, stamp), result) in chunk.iter().zip(results) {
                match result {
                    Err(reason) => broken.push(((*path).clone(), reason)),
                    Ok((found, remark)) => {
                        let found = Arc::new(found);
                        health.sound(path, &found, *stamp);
                        health.remark(path, remark);
                        if let (Some(name), Some(stamp)) = (path.to_str(), stamp) {
                            let (stamp, bits, looks) = (*stamp, self.bits, Arc::clone(&found));
                            known.files.insert(name.into(), Sound { stamp, bits, remark, looks });
                        }
                        looks.insert((*path).clone(), found);
                    }
                }
            }
            done += chunk.len();
            progress.advance(done as u64, "");
        }
        progress.finish();
        if let Some(file) = self.known {
            // Several data sets may share one list; for this one, only existing files are kept.
            let complete = done == unknown.len() && self.limit.is_none() && self.extent == Extent::All;
            let others =
                before.files.into_iter().filter(|(path, _)| !complete || !Path::new(&**path).starts_with(root));
            known.files.extend(others);
            if let Err(error) = known.save(file) {
                progress.warn(&format!("the images will be checked again next time: {error}"));
            }
        }
        if done < unknown.len() {
            return Err(OpenError::Stopped(OpenReached::Checking { done, of: unknown.len() }));
        }
        Ok((looks, broken, done))
    }
}

impl Preflight<'_> {
    /// The images that are examined: all, or a random sample of each part, which the seed of the shuffle does not affect.
    fn examined<'d>(&self, dataset: &'d Dataset) -> Vec<&'d Item> {
        let parts = [&dataset.train, &dataset.valid, &dataset.test];
        let Extent::Sample(most) = self.extent else { return parts.into_iter().flatten().collect() };
        let of_part = |(number, items): (usize, &'d Vec<Item>)| {
            let draws = Stream::new(0, "preflight");
            let mut rng = draws.at(&[number as u64]);
            let mut places: Vec<usize> = (0..items.len()).collect();
            let count = items.len().min(most as usize);
            for place in 0..count {
                places.swap(place, place + below(&mut rng, (items.len() - place) as u64) as usize);
            }
            places.truncate(count);
            places.sort_unstable();
            places.into_iter().map(|place| &items[place]).collect::<Vec<_>>()
        };
        parts.into_iter().enumerate().flat_map(of_part).collect()
    }
}

/// Returns the notes that are not findings.
fn notes(dataset: &Dataset, health: &Health) -> Vec<String> {
    [dataset.notes.clone(), health.notes(&dataset.root, &dataset.split)].concat()
}

/// Records image sizes.
fn measure(dataset: &Dataset, looks: &Described, health: &mut Health) {
    let mut seen = HashSet::new();
    health.sizes = [&dataset.train, &dataset.valid, &dataset.test].map(|items| {
        let mut sizes: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        let mut here = HashSet::new();
        for item in items {
            let Some(looks) = looks.get(&item.path).filter(|_| here.insert(&item.path)) else { continue };
            *sizes.entry((looks.width, looks.height)).or_default() += 1;
            let small = looks.width.min(looks.height) < health.size;
            health.enlarged += usize::from(small && seen.insert(&item.path));
        }
        Sizes(sizes.into_iter().map(|((width, height), count)| [width, height, count]).collect())
    });
}

/// The classes without a validation image, if there are classes and validation images.
fn unmeasured(dataset: &Dataset) -> Vec<String> {
    if dataset.valid.is_empty() || dataset.task == TaskKind::Regression {
        return Vec::new();
    }
    let classes = dataset.classes.iter().zip(dataset.measured());
    classes.filter(|(_, measured)| !measured).map(|(name, _)| name.clone()).collect()
}
