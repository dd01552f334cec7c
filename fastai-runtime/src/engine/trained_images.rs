//! The images that a run trained on, as its summary tells them, and how many of other images are among them.

use std::ffi::OsStr;
use std::path::Path;

use rayon::prelude::*;

use super::data_digest::{content_of_file, labelled};
use crate::RunError;
use crate::data::Item;
use crate::error::Reached;
use crate::predict::{Predictor, fold_folder};
use crate::progress::Watch;
use crate::report::{Recognised, Sketch, Summary};

/// Fewer recognised images than these tell nothing of the others.
const ENOUGH: usize = 8;
/// The same, where every image that was compared is recognised.
const ENOUGH_OF_ALL: usize = 3;
/// Fewer recognised images than one of so many that were compared hardly change a score.
const ONE_OF: usize = 20;
/// Data sets commonly name their images by numbers below this.
const NUMBERED: u32 = 1_000_000;
/// Files that are read before the next look at the stop signal.
const AT_A_TIME: usize = 1024;

/// Sketches of the images that a run trained on.
pub(super) struct TrainedImages {
    /// Of their ids and labels.
    labels: Sketch,
    /// Of the files' contents; empty unless the run read all of them.
    content: Sketch,
}

/// By what images are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Content,
    /// Ids and labels; the run did not read every file.
    Labels,
    /// Ids and labels, of files with other content.
    LabelsAlone,
}

impl TrainedImages {
    /// Those of the run in the folder `run`, of which `predictor` is a model; `None` if an earlier version ran it.
    ///
    /// # Errors
    /// A summary that is broken or was edited.
    pub(super) fn of(run: &Path, predictor: &Predictor) -> Result<Option<Self>, RunError> {
        let first = Self::recorded(run)?;
        let is_ensemble = !predictor.folds().is_empty();
        // The run records what its first fold trained on. What that one holds out, the second trained on.
        let second = if is_ensemble { Self::recorded(&fold_folder(run, 2))? } else { None };
        Ok(match (first, second) {
            (Some(one), Some(two)) => {
                Some(TrainedImages { labels: one.labels.with(two.labels), content: one.content.with(two.content) })
            }
            (first, _) => first,
        })
    }

    fn recorded(run: &Path) -> Result<Option<Self>, RunError> {
        let train = Summary::read(run)?.data.map(|data| data.train).filter(|train| !train.labels_sketch.is_empty());
        Ok(train.map(|train| TrainedImages { labels: train.labels_sketch, content: train.content_sketch }))
    }

    /// What to say if the run trained on several of `images`, on which `predictor` is measured. Their labels are numbered by the
    /// model's classes, and their ids are those of the run's images without `below`, with which those begin. Reads their files
    /// if the run read all of its own.
    ///
    /// # Errors
    /// [`RunError::Stopped`].
    pub(super) fn remark(
        &self,
        images: &[Item],
        below: &str,
        predictor: &Predictor,
        watch: Watch<'_>,
    ) -> Result<Option<String>, RunError> {
        let contents = if self.content.is_empty() { None } else { Some(contents_of(images, watch)?) };
        let recognised = self.recognised(images, below, contents.as_deref());
        Ok(recognised.map(|(by, recognised)| match by {
            Likeness::Content if recognised.found == images.len() => trained_on_these(predictor),
            _ => told(by, recognised, images.len()),
        }))
    }

    /// How many of `images` the run trained on, and by what they are recognised; `None` of none, or too few. Contents are
    /// evidence, names are a hint: other images may have them too.
    fn recognised(&self, images: &[Item], below: &str, contents: Option<&[[u8; 8]]>) -> Option<(Likeness, Recognised)> {
        let telling = |by, recognised| is_telling(by, recognised, images.len()).then_some((by, recognised));
        let named = self.labels.recognise(images.iter().map(|item| labelled(below, item)));
        let Some(contents) = contents else { return telling(Likeness::Labels, named) };
        let same = self.content.recognise(contents.iter().copied());
        telling(Likeness::Content, same).or_else(|| {
            let distinct = images.iter().filter(|item| !is_numbered(&item.id));
            let found = self.labels.recognise(distinct.map(|item| labelled(below, item))).found;
            telling(Likeness::LabelsAlone, Recognised { found, ..named })
        })
    }
}

/// What to say if the run of a model trained on all images that it is measured on.
pub(super) fn trained_on_these(predictor: &Predictor) -> String {
    let instead = match predictor.folds().is_empty() {
        true => "",
        false => "; without `--data`, each is measured by the network that did not",
    };
    format!("the run trained on these images, so this is no measure of new ones{instead}")
}

/// Whether enough of so many images are recognised.
fn is_telling(by: Likeness, recognised: Recognised, images: usize) -> bool {
    let Recognised { compared, found } = recognised;
    let is_exact = compared == images;
    let is_enough = found >= ENOUGH
        || is_exact && by == Likeness::Content
        || found == compared && (is_exact || found >= ENOUGH_OF_ALL);
    found > 0 && found * ONE_OF >= compared && is_enough
}

/// What to say of so many images, of which some are recognised.
fn told(by: Likeness, recognised: Recognised, images: usize) -> String {
    let Recognised { compared, found } = recognised;
    let share = match compared == images {
        true => format!("{found} of these {images} images"),
        false => {
            let percent = 100.0 * found as f64 / compared as f64;
            format!("about {percent:.0} % ({found} of {compared} compared) of these {images} images")
        }
    };
    let by = match by {
        Likeness::Content => "by their contents",
        Likeness::Labels => "judging by their names and labels",
        Likeness::LabelsAlone => {
            return format!(
                "{share} have the names and labels of images that the run trained on, but other contents: if they show the \
                 same, this is a poor measure of new ones"
            );
        }
    };
    format!("the run trained on {share}, {by}, so this is a poor measure of new ones")
}

/// Whether the name of an image is a short number, which images of another data set have, too.
fn is_numbered(id: &str) -> bool {
    let stem = Path::new(id).file_stem().and_then(OsStr::to_str);
    stem.and_then(|stem| stem.parse::<u32>().ok()).is_some_and(|number| number < NUMBERED)
}

/// The digests of the files' contents.
fn contents_of(images: &[Item], watch: Watch<'_>) -> Result<Vec<[u8; 8]>, RunError> {
    let Watch { progress, stop } = watch;
    progress.begin("images compared with those of the run", images.len() as u64);
    let mut contents = Vec::with_capacity(images.len());
    for some in images.chunks(AT_A_TIME) {
        if stop.requested() {
            return Err(RunError::Stopped(Reached::Batch));
        }
        contents.par_extend(some.par_iter().map(content_of_file));
        progress.advance(contents.len() as u64, "");
    }
    progress.finish();
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::data::Target;
    use crate::progress::{Silent, StopSignal};

    /// Images with names of these numbers, half of each class.
    fn named(prefix: &str, numbers: Range<u32>) -> Vec<Item> {
        let item = |n: u32| Item { id: format!("{prefix}{n}.jpg"), path: "".into(), target: Target::Class(n % 2) };
        numbers.map(item).collect()
    }

    /// The contents of images with these numbers.
    fn contents(numbers: Range<u32>) -> Vec<[u8; 8]> {
        numbers.map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap()).collect()
    }

    /// What a run keeps of images with these numbers.
    fn trained(prefix: &str, numbers: Range<u32>) -> TrainedImages {
        let images = named(prefix, numbers.clone());
        let labels = Sketch::of(images.iter().map(|item| labelled("", item)));
        TrainedImages { labels, content: Sketch::of(contents(numbers)) }
    }

    fn told_of(run: &TrainedImages, images: &[Item], contents: Option<&[[u8; 8]]>) -> Option<String> {
        run.recognised(images, "", contents).map(|(by, recognised)| told(by, recognised, images.len()))
    }

    #[test]
    fn parts_of_small_data_and_what_is_added_are_counted() {
        let run = trained("cat_", 0..200);
        let said = |numbers: Range<u32>| {
            let known = contents(numbers.clone());
            told_of(&run, &named("cat_", numbers), Some(&known))
        };
        let some =
            "the run trained on 150 of these 150 images, by their contents, so this is a poor measure of new ones";
        assert_eq!(said(50..200).as_deref(), Some(some), "a subset");
        assert!(said(0..1_000).unwrap().starts_with("the run trained on 200 of these 1000 images"), "a superset");
        assert!(said(199..219).unwrap().starts_with("the run trained on 1 of these 20 images"));
        assert_eq!(said(199..220), None, "less than a twentieth");
        assert_eq!(said(200..400), None, "foreign");
        assert_eq!(said(0..0), None);
    }

    #[test]
    fn shares_of_large_data_are_estimated() {
        let run = trained("cat_", 0..20_000);
        let (images, known) = (named("cat_", 10_000..30_000), contents(10_000..30_000));
        let (by, found) = run.recognised(&images, "", Some(&known)).unwrap();
        let share = found.found as f64 / found.compared as f64;
        assert!(by == Likeness::Content && (share - 0.5).abs() < 0.1, "{found:?}");
        let said = told(Likeness::Labels, Recognised { compared: 15, found: 12 }, 500);
        let wanted =
            "the run trained on about 80 % (12 of 15 compared) of these 500 images, judging by their names and labels";
        assert!(said.starts_with(wanted), "{said}");
        assert_eq!(run.recognised(&images[10_000..], "", Some(&known[10_000..])), None, "foreign");
        let telling = |compared, found| is_telling(Likeness::Content, Recognised { compared, found }, 500);
        assert!(!telling(2, 2) && telling(3, 3) && !telling(10, 7) && telling(10, 8) && !telling(161, 8));
    }

    #[test]
    fn renamed_copies_and_images_of_another_format_are_recognised() {
        let run = trained("cat_", 0..100);
        let known = contents(0..100);
        let said = told_of(&run, &named("moved/dog_", 500..600), Some(&known)).unwrap();
        assert!(said.starts_with("the run trained on 100 of these 100 images, by their contents"), "{said}");
        let other = contents(1_000..1_100);
        let said = told_of(&run, &named("cat_", 20..120), Some(&other)).unwrap();
        let wanted =
            "80 of these 100 images have the names and labels of images that the run trained on, but other contents";
        assert!(said.starts_with(wanted), "{said}");
        let mut relabelled = named("cat_", 0..100);
        relabelled.iter_mut().for_each(|item| item.target = Target::Class(2));
        assert_eq!(told_of(&run, &relabelled, Some(&other)), None);
    }

    #[test]
    fn numbers_for_names_count_only_where_no_content_tells() {
        let run = trained("cat/", 0..100);
        let (images, other) = (named("cat/", 0..100), contents(1_000..1_100));
        assert_eq!(told_of(&run, &images, Some(&other)), None);
        let said = told_of(&run, &images, None).unwrap();
        assert!(said.starts_with("the run trained on 100 of these 100 images, judging by their names"), "{said}");
        let found = |images: &[Item]| run.recognised(images, "", None).map(|(_, recognised)| recognised.found);
        assert_eq!((found(&named("cat/", 93..113)), found(&named("cat/", 92..112))), (None, Some(8)));
        assert_eq!((found(&images[..1]), found(&named("", 0..100))), (Some(1), None));
        let below = run.recognised(&named("", 0..100), "cat/", None);
        assert_eq!(below, Some((Likeness::Labels, Recognised { compared: 100, found: 100 })));
        for (id, is) in [("cat/0001.jpg", true), ("17", true), ("cat/IMG_1.jpg", false), ("3482938.png", false)] {
            assert_eq!(is_numbered(id), is, "{id}");
        }
    }

    #[test]
    fn contents_are_those_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut images = named("", 0..3);
        for (item, content) in images.iter_mut().zip(["a", "b"]) {
            item.path = folder.path().join(&item.id);
            std::fs::write(&item.path, content).unwrap();
        }
        let stop = StopSignal::default();
        let read = || contents_of(&images, Watch { progress: &mut Silent, stop: &stop });
        let digest = |content: &str| *blake3::hash(content.as_bytes()).as_bytes().first_chunk::<8>().unwrap();
        assert_eq!(read().unwrap(), [digest("a"), digest("b"), [0; 8]], "the last file is missing");
        stop.request();
        assert!(matches!(read(), Err(RunError::Stopped(Reached::Batch))));
    }
}
