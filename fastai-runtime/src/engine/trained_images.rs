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

/// Fewer recognised images than these tell no share of the others.
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
    /// Ids and labels; the run did not read every file, or too few contents were compared to tell.
    Labels,
    /// Ids and labels, of files with other content.
    LabelsAlone,
}

/// Images of which the run trained on some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leak {
    by: Likeness,
    recognised: Recognised,
    /// The number of the images.
    of: usize,
    /// Whether they are those of the measured images that are not recognised by their contents.
    others: bool,
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

    /// What to say if the run trained on some of `images`, on which `predictor` is measured. Their labels are numbered by the
    /// model's classes, and their ids are those of the run's images without `below`, with which those begin. Reads their files
    /// if the run read all of its own.
    ///
    /// # Errors
    /// [`RunError::Stopped`].
    pub(super) fn remarks(
        &self,
        images: &[Item],
        below: &str,
        predictor: &Predictor,
        watch: Watch<'_>,
    ) -> Result<Vec<String>, RunError> {
        let contents = if self.content.is_empty() { None } else { Some(contents_of(images, watch)?) };
        let say = |leak: Leak| match leak.by {
            Likeness::Content if leak.recognised.found == images.len() => trained_on_these(predictor, images.len()),
            _ => leak.told(),
        };
        Ok(self.recognised(images, below, contents.as_deref()).into_iter().map(say).collect())
    }

    /// How many of `images` the run trained on, and by what they are recognised; empty if none is, or too few. Contents are
    /// evidence, names are a hint: other images may have them too.
    fn recognised(&self, images: &[Item], below: &str, contents: Option<&[[u8; 8]]>) -> Vec<Leak> {
        let of = images.len();
        let Some(contents) = contents else {
            let recognised = self.labels.recognise(images.iter().map(|item| labelled(below, item)));
            return Vec::from_iter(Leak { by: Likeness::Labels, recognised, of, others: false }.if_telling());
        };
        let same = self.content.recognise(contents.iter().copied());
        let copies = Leak { by: Likeness::Content, recognised: same, of, others: false }.if_telling();
        // Of a sample, that of the contents is not that of the names: which of the others are copies is not known.
        let is_exact = same.compared == of;
        if same.found > 0 && !is_exact {
            return Vec::from_iter(copies);
        }
        let is_other = |content: &[u8; 8]| self.content.recognise([*content]).found == 0;
        let others: Vec<&Item> =
            images.iter().zip(contents).filter(|(_, content)| is_other(content)).map(|(item, _)| item).collect();
        let Recognised { compared, .. } = self.labels.recognise(others.iter().map(|item| labelled(below, item)));
        let distinct = others.iter().filter(|item| !is_numbered(&item.id));
        let found = self.labels.recognise(distinct.map(|item| labelled(below, item))).found;
        // If as many were copies, the contents that were compared would show some.
        let differ = is_exact || found * same.compared >= ENOUGH_OF_ALL * compared;
        let by = if differ { Likeness::LabelsAlone } else { Likeness::Labels };
        let recognised = Recognised { compared, found };
        let named = Leak { by, recognised, of: others.len(), others: others.len() < of }.if_telling();
        copies.into_iter().chain(named).collect()
    }
}

/// What to say if the run of a model trained on all images that it is measured on, of which there are `images`.
pub(super) fn trained_on_these(predictor: &Predictor, images: usize) -> String {
    let instead = match predictor.folds().is_empty() {
        true => "",
        false => "; without `--data`, each is measured by the network that did not",
    };
    let these = if images == 1 { "this image" } else { "these images" };
    format!("the run trained on {these}, so this is no measure of new ones{instead}")
}

impl Leak {
    /// Whether every image was compared.
    fn is_exact(&self) -> bool {
        self.recognised.compared == self.of
    }

    /// Whether they are a part of the images that changes a score.
    fn is_considerable(&self) -> bool {
        self.recognised.found * ONE_OF >= self.recognised.compared
    }

    /// Whether what was compared tells the share of all.
    fn tells_share(&self) -> bool {
        let Recognised { compared, found } = self.recognised;
        found >= ENOUGH || found == compared && (self.is_exact() || found >= ENOUGH_OF_ALL)
    }

    /// These images, if enough of them are recognised. Each content that is recognised is certain.
    fn if_telling(self) -> Option<Self> {
        let is_telling = match self.by {
            Likeness::Content => self.is_exact() || self.is_considerable(),
            Likeness::Labels | Likeness::LabelsAlone => self.is_considerable() && self.tells_share(),
        };
        (self.recognised.found > 0 && is_telling).then_some(self)
    }

    /// What to say of them.
    fn told(&self) -> String {
        let Leak { by, recognised: Recognised { compared, found }, of, others } = *self;
        let one = found == 1 && (self.is_exact() || !self.tells_share());
        let these = if others { "the other" } else { "these" };
        let share = match of {
            1 if others => "the other image".to_string(),
            1 => "this image".to_string(),
            _ if self.is_exact() => format!("{found} of {these} {of} images"),
            _ if self.tells_share() => {
                let percent = 100.0 * found as f64 / compared as f64;
                format!("about {percent:.0} % ({found} of {compared} compared) of {these} {of} images")
            }
            _ => format!("at least {found} of {these} {of} images"),
        };
        let by = match (by, one) {
            (Likeness::Content, true) => "by its content",
            (Likeness::Content, false) => "by their contents",
            (Likeness::Labels, true) => "judging by its name and label",
            (Likeness::Labels, false) => "judging by their names and labels",
            (Likeness::LabelsAlone, _) => {
                let alike = match one {
                    true => "has the name and label of an image that the run trained on, but another content",
                    false => "have the names and labels of images that the run trained on, but other contents",
                };
                return format!("{share} {alike}: if they show the same, this is a poor measure of new ones");
            }
        };
        let so = if self.is_considerable() { ", so this is a poor measure of new ones" } else { "" };
        format!("the run trained on {share}, {by}{so}")
    }
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

    fn told_of(run: &TrainedImages, images: &[Item], contents: Option<&[[u8; 8]]>) -> Vec<String> {
        run.recognised(images, "", contents).iter().map(Leak::told).collect()
    }

    /// The one thing that there is to say.
    fn only(said: Vec<String>) -> String {
        <[String; 1]>::try_from(said).map(|[only]| only).unwrap_or_else(|said| panic!("{said:?}"))
    }

    fn leak(by: Likeness, compared: usize, found: usize, of: usize) -> Leak {
        Leak { by, recognised: Recognised { compared, found }, of, others: false }
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
        assert_eq!(said(50..200), [some], "a subset");
        assert!(only(said(0..1_000)).starts_with("the run trained on 200 of these 1000 images"), "a superset");
        let one = "the run trained on 1 of these 20 images, by its content, so this is a poor measure of new ones";
        assert_eq!(said(199..219), [one]);
        assert_eq!(
            said(199..220),
            ["the run trained on 1 of these 21 images, by its content"],
            "less than a twentieth"
        );
        let this = "the run trained on this image, by its content, so this is a poor measure of new ones";
        assert_eq!(said(7..8), [this]);
        assert!(said(200..400).is_empty(), "foreign");
        assert!(said(0..0).is_empty());
    }

    #[test]
    fn shares_of_large_data_are_estimated() {
        let run = trained("cat_", 0..20_000);
        let (images, contents) = (named("cat_", 10_000..30_000), contents(10_000..30_000));
        let found = run.recognised(&images, "", Some(&contents));
        let [found] = found[..] else { panic!("{found:?}") };
        let share = found.recognised.found as f64 / found.recognised.compared as f64;
        assert!(found.by == Likeness::Content && (share - 0.5).abs() < 0.1, "{found:?}");
        let said = leak(Likeness::Labels, 15, 12, 500).told();
        let wanted =
            "the run trained on about 80 % (12 of 15 compared) of these 500 images, judging by their names and labels";
        assert!(said.starts_with(wanted), "{said}");
        assert!(run.recognised(&images[10_000..], "", Some(&contents[10_000..])).is_empty(), "foreign");
        let telling = |compared, found| leak(Likeness::Labels, compared, found, 500).if_telling().is_some();
        assert!(!telling(2, 2) && telling(3, 3) && !telling(10, 7) && telling(10, 8) && !telling(161, 8));
        // A content that is recognised is certain, though it may not tell the share.
        let said = |compared, found| leak(Likeness::Content, compared, found, 500).if_telling().map(|leak| leak.told());
        assert!(
            said(5, 4).unwrap().starts_with("the run trained on at least 4 of these 500 images, by their contents")
        );
        assert!(said(2, 1).unwrap().starts_with("the run trained on at least 1 of these 500 images, by its content"));
        assert!(said(3, 3).unwrap().starts_with("the run trained on about 100 % (3 of 3 compared)"));
        assert_eq!(said(161, 8), None);
    }

    #[test]
    fn renamed_copies_and_images_of_another_format_are_recognised() {
        let run = trained("cat_", 0..100);
        let known = contents(0..100);
        let said = only(told_of(&run, &named("moved/dog_", 500..600), Some(&known)));
        assert!(said.starts_with("the run trained on 100 of these 100 images, by their contents"), "{said}");
        let other = contents(1_000..1_100);
        let said = only(told_of(&run, &named("cat_", 20..120), Some(&other)));
        let wanted =
            "80 of these 100 images have the names and labels of images that the run trained on, but other contents";
        assert!(said.starts_with(wanted), "{said}");
        let mut relabelled = named("cat_", 0..100);
        relabelled.iter_mut().for_each(|item| item.target = Target::Class(2));
        assert!(told_of(&run, &relabelled, Some(&other)).is_empty());
        let said = only(told_of(&run, &named("cat_", 20..21), Some(&other[..1])));
        assert!(
            said.starts_with("this image has the name and label of an image that the run trained on, but"),
            "{said}"
        );
    }

    #[test]
    fn copies_are_never_said_to_have_other_contents() {
        let run = trained("cat_", 0..100);
        // One copy among images of another format.
        let mut mixed = contents(1_000..1_100);
        mixed[..1].copy_from_slice(&contents(20..21));
        let said = told_of(&run, &named("cat_", 20..120), Some(&mixed));
        let [copy, others] = &said[..] else { panic!("{said:?}") };
        assert_eq!(copy, "the run trained on 1 of these 100 images, by its content");
        assert!(others.starts_with("79 of the other 99 images have the names and labels of images"), "{others}");
        // Copies of a part of large data, of which few are in the sample of the contents.
        let run = trained("cat_", 0..5_000);
        for few in (0..4_992).step_by(32).map(|first| first..first + 32) {
            let said = told_of(&run, &named("cat_", few.clone()), Some(&contents(few)));
            assert!(said.iter().all(|said| !said.contains("other content")), "{said:?}");
        }
        // None of many contents is the run's, so that those of the same name are others.
        let said = only(told_of(&run, &named("cat_", 0..5_000), Some(&contents(10_000..15_000))));
        assert!(said.starts_with("about 100 % (") && said.contains("but other contents"), "{said}");
    }

    #[test]
    fn numbers_for_names_count_only_where_no_content_tells() {
        let run = trained("cat/", 0..100);
        let (images, other) = (named("cat/", 0..100), contents(1_000..1_100));
        assert!(told_of(&run, &images, Some(&other)).is_empty());
        let said = only(told_of(&run, &images, None));
        assert!(said.starts_with("the run trained on 100 of these 100 images, judging by their names"), "{said}");
        let found = |images: &[Item]| run.recognised(images, "", None).first().map(|leak| leak.recognised.found);
        assert_eq!((found(&named("cat/", 93..113)), found(&named("cat/", 92..112))), (None, Some(8)));
        assert_eq!((found(&images[..1]), found(&named("", 0..100))), (Some(1), None));
        let below = run.recognised(&named("", 0..100), "cat/", None);
        assert_eq!(below, [leak(Likeness::Labels, 100, 100, 100)]);
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
