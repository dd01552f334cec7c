//! The images that a run trained on, and how many of other images are among them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use rayon::prelude::*;

use super::data_digest::{content_of_file, labelled};
use super::trained_record::TrainedRecord;
use crate::RunError;
use crate::data::Item;
use crate::error::Reached;
use crate::predict::{Predictor, fold_folder};
use crate::progress::Watch;
use crate::report::Summary;

/// Fewer images with the names and labels of the run's may be others, unless all have them.
const ENOUGH: usize = 8;
/// Fewer images than one of so many hardly change a score.
const ONE_OF: usize = 20;
/// Data sets commonly name their images by numbers below this.
const NUMBERED: u32 = 1_000_000;
/// Files that are read before the next look at the stop signal.
const AT_A_TIME: usize = 1024;

/// Digests of all images that a run trained on.
#[derive(Default)]
pub(super) struct TrainedImages {
    /// Of their ids and labels.
    labels: HashSet<[u8; 8]>,
    /// Of the files' contents; `None` unless the run read all of them.
    contents: Option<HashSet<[u8; 8]>>,
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

/// Images of which the run trained on some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leak {
    by: Likeness,
    /// How many of them are recognised.
    found: usize,
    /// The number of the images.
    of: usize,
    /// Whether they are those of the measured images that are not recognised by their contents.
    others: bool,
}

impl TrainedImages {
    /// Those of the run in the folder `run`, of which `predictor` is a model, or of all folds of an ensemble; `None` if the run
    /// did not record them.
    ///
    /// # Errors
    /// A summary that is broken or was edited; a record that is damaged or of another run.
    pub(super) fn of(run: &Path, predictor: &Predictor) -> Result<Option<Self>, RunError> {
        let folders = match predictor.networks().len() {
            1 => vec![run.to_path_buf()],
            folds => (1..=folds).map(|number| fold_folder(run, number)).collect(),
        };
        let mut all = TrainedImages { contents: Some(HashSet::new()), ..TrainedImages::default() };
        for folder in folders {
            let Some(data) = Summary::read(&folder)?.data else { return Ok(None) };
            let Some(record) = TrainedRecord::read(&folder, &data.train)? else { return Ok(None) };
            all.labels.extend(record.labels);
            if record.contents.is_empty() {
                all.contents = None;
            }
            if let Some(contents) = &mut all.contents {
                contents.extend(record.contents);
            }
        }
        Ok(Some(all))
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
        let contents = self.contents.as_ref().map(|_| contents_of(images, watch)).transpose()?;
        let say = |leak: Leak| match leak.by {
            Likeness::Content if leak.found == images.len() => trained_on_these(predictor, images.len()),
            _ => leak.told(),
        };
        Ok(self.recognised(images, below, contents.as_deref()).into_iter().map(say).collect())
    }

    /// How many of `images` the run trained on, and by what they are recognised; empty if none is, or too few. Contents are
    /// evidence, names are a hint: other images may have them too.
    fn recognised(&self, images: &[Item], below: &str, contents: Option<&[[u8; 8]]>) -> Vec<Leak> {
        let of = images.len();
        let is_named = |item: &Item| self.labels.contains(&labelled(below, item));
        let (Some(trained), Some(contents)) = (&self.contents, contents) else {
            let found = images.iter().filter(|item| is_named(item)).count();
            return Vec::from_iter(Leak { by: Likeness::Labels, found, of, others: false }.if_telling());
        };
        let is_other = |content: &[u8; 8]| !trained.contains(content);
        let others: Vec<&Item> =
            images.iter().zip(contents).filter(|(_, content)| is_other(content)).map(|(item, _)| item).collect();
        let same = of - others.len();
        let found = others.iter().filter(|item| !is_numbered(&item.id) && is_named(item)).count();
        let copies = Leak { by: Likeness::Content, found: same, of, others: false };
        let named = Leak { by: Likeness::LabelsAlone, found, of: others.len(), others: same > 0 };
        [copies, named].into_iter().filter_map(Leak::if_telling).collect()
    }
}

/// What to say if the run of a model trained on all images that it is measured on, of which there are `images`.
fn trained_on_these(predictor: &Predictor, images: usize) -> String {
    let instead = match predictor.folds().is_empty() {
        true => "",
        false => "; without `--data`, each is measured by the network that did not",
    };
    let these = if images == 1 { "this image" } else { "these images" };
    format!("the run trained on {these}, so this is no measure of new ones{instead}")
}

impl Leak {
    /// Whether they are a part of the images that changes a score.
    fn is_considerable(&self) -> bool {
        self.found * ONE_OF >= self.of
    }

    /// These images, if there are any, and what recognises them is certain or recognises many.
    fn if_telling(self) -> Option<Self> {
        let is_telling = match self.by {
            Likeness::Content => true,
            Likeness::Labels | Likeness::LabelsAlone => {
                self.is_considerable() && (self.found >= ENOUGH || self.found == self.of)
            }
        };
        (self.found > 0 && is_telling).then_some(self)
    }

    /// What to say of them.
    fn told(&self) -> String {
        let Leak { by, found, of, others } = *self;
        let share = match (of, others) {
            (1, true) => "the other image".to_string(),
            (1, false) => "this image".to_string(),
            (_, true) => format!("{found} of the other {of} images"),
            (_, false) => format!("{found} of these {of} images"),
        };
        let by = match (by, found) {
            (Likeness::Content, 1) => "by its content",
            (Likeness::Content, _) => "by their contents",
            (Likeness::Labels, 1) => "judging by its name and label",
            (Likeness::Labels, _) => "judging by their names and labels",
            (Likeness::LabelsAlone, _) => {
                let alike = match found {
                    1 => "has the name and label of an image that the run trained on, but another content",
                    _ => "have the names and labels of images that the run trained on, but other contents",
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

    /// What is known of a run on images with these numbers.
    fn trained(prefix: &str, numbers: Range<u32>) -> TrainedImages {
        let labels = named(prefix, numbers.clone()).iter().map(|item| labelled("", item)).collect();
        TrainedImages { labels, contents: Some(contents(numbers).into_iter().collect()) }
    }

    fn told_of(run: &TrainedImages, images: &[Item], contents: Option<&[[u8; 8]]>) -> Vec<String> {
        run.recognised(images, "", contents).iter().map(Leak::told).collect()
    }

    /// The one thing that there is to say.
    fn only(said: Vec<String>) -> String {
        <[String; 1]>::try_from(said).map(|[only]| only).unwrap_or_else(|said| panic!("{said:?}"))
    }

    #[test]
    fn parts_of_the_data_and_what_is_added_are_counted() {
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
    fn a_few_copies_in_large_data_are_counted() {
        let run = trained("cat_", 0..50_000);
        let (images, known) = (named("dog_", 49_997..69_997), contents(49_997..69_997));
        let said = told_of(&run, &images, Some(&known));
        assert_eq!(said, ["the run trained on 3 of these 20000 images, by their contents"]);
        assert!(told_of(&run, &images[3..], Some(&known[3..])).is_empty(), "foreign");
        let of_names = |of, found| Leak { by: Likeness::Labels, found, of, others: false }.if_telling().is_some();
        assert!(!of_names(10, 7) && of_names(10, 8) && of_names(160, 8) && !of_names(161, 8) && of_names(2, 2));
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
    }

    #[test]
    fn numbers_for_names_count_only_where_no_content_tells() {
        let run = trained("cat/", 0..100);
        let (images, other) = (named("cat/", 0..100), contents(1_000..1_100));
        assert!(told_of(&run, &images, Some(&other)).is_empty());
        let run = TrainedImages { contents: None, ..run };
        let said = only(told_of(&run, &images, None));
        assert!(said.starts_with("the run trained on 100 of these 100 images, judging by their names"), "{said}");
        let found = |images: &[Item]| run.recognised(images, "", None).first().map(|leak| leak.found);
        assert_eq!((found(&named("cat/", 93..113)), found(&named("cat/", 92..112))), (None, Some(8)));
        assert_eq!((found(&images[..1]), found(&named("", 0..100))), (Some(1), None));
        let below = run.recognised(&named("", 0..100), "cat/", None);
        assert_eq!(below, [Leak { by: Likeness::Labels, found: 100, of: 100, others: false }]);
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
