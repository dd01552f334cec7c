//! What preflight finds on images, and what is left when it leaves some out.

use std::sync::Arc;

use fastai_dsl::{Dealing, Stats, TransformSet, Transforms};
use image::{Rgb, RgbImage};

use super::*;
use crate::random::{Stream, unit};
use crate::{Budget, DecodeError, FindingKind, ImageExamples, ImageSet, Preparation, Traversal};

/// A picture like no other: 6 x 6 fields of random colours.
pub(super) fn picture(seed: u64) -> RgbImage {
    let mut rng = Stream::new(seed, "fields").at(&[]);
    let colors: Vec<[u8; 3]> = (0..36).map(|_| [0; 3].map(|_: u8| (255.0 * unit(&mut rng)) as u8)).collect();
    RgbImage::from_fn(48, 48, |x, y| Rgb(colors[(y / 8 * 6 + x / 8) as usize]))
}

/// A folder with these pictures by number; no picture is a file of text.
fn pictures(files: &[(&str, Option<u64>)]) -> TempDir {
    let folder = folder(&files.iter().map(|(name, _)| (*name, "no image")).collect::<Vec<_>>());
    for (name, seed) in files {
        if let Some(seed) = seed {
            picture(*seed).save(folder.path().join(name)).unwrap();
        }
    }
    folder
}

pub(super) fn open(data: &Data, task: TaskKind) -> Result<(Dataset, Health), OpenError> {
    preflight(data.corrupt, data.duplicates, 32, &StopSignal::default()).open(data, task, &mut Silent)
}

/// `data: folders` with its `valid` folder and the policy for broken files.
fn parted(root: &Path, corrupt: Corrupt) -> Data {
    Data { corrupt, ..data(root, folders(), Valid::Folder("valid".to_string())) }
}

/// The error of a data set that must not open.
fn refused(data: &Data) -> DataError {
    match open(data, TaskKind::SingleLabel) {
        Err(OpenError::Data(error)) => error,
        other => panic!("expected findings, got {other:?}"),
    }
}

pub(super) fn assert_parts(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "{part}\nis not in\n{text}"));
}

#[test]
fn a_validation_side_of_broken_images_is_an_error_that_names_them() {
    let broken = ["valid/x/0.png", "valid/x/1.png", "valid/x/2.png", "valid/y/3.png", "valid/y/4.png"];
    let sound = ["train/x/5.png", "train/x/6.png", "train/x/7.png", "train/y/8.png", "train/y/9.png", "train/y/a.png"];
    let files: Vec<(&str, Option<u64>)> = broken
        .iter()
        .map(|name| (*name, None))
        .chain(sound.iter().zip(0..).map(|(name, i)| (*name, Some(i))))
        .collect();
    let root = pictures(&files);
    let error = refused(&parted(root.path(), Corrupt::Skip));
    assert_eq!(error.findings.len(), 1, "{error}");
    assert_parts(
        &error.findings[0].text,
        &[
            "no image is left to measure with: all 5 that `valid: folder(\"valid\")` holds out are left out",
            "5 cannot be decoded (`corrupt: skip`): valid/x/0.png: not an image",
            "; and 2 more; replace them, or hold out others",
        ],
    );
    // The note that lists them stands below.
    assert_parts(&error.notes.join("\n"), &["5 images cannot be decoded and are left out: valid/x/0.png"]);
    // One that is sound is enough.
    picture(90).save(root.path().join("valid/y/4.png")).unwrap();
    let (dataset, health) = open(&parted(root.path(), Corrupt::Skip), TaskKind::SingleLabel).unwrap();
    assert_eq!((dataset.valid.len(), health.skipped.len(), health.unmeasured), (1, 4, vec!["x".to_string()]));
}

#[test]
fn a_drawn_split_is_named_as_a_recipe_says_it() {
    let names = ["train/x/0.png", "train/x/1.png", "train/x/2.png", "train/y/3.png", "train/y/4.png", "train/y/5.png"];
    let files: Vec<(&str, Option<u64>)> = names.into_iter().zip((0..).map(Some)).collect();
    for (fold, named) in [(0, "`valid: stratified(0.34)`"), (1, "`valid: stratified(0.34, fold = 1)`")] {
        let root = pictures(&files);
        let split = Valid::Stratified { share: 0.34, seed: Valid::default_seed(), fold };
        let data = Data { corrupt: Corrupt::Skip, ..data(root.path(), folders(), split) };
        let (dataset, _) = open(&data, TaskKind::SingleLabel).unwrap();
        dataset.valid.iter().for_each(|item| std::fs::write(&item.path, "no image").unwrap());
        let error = refused(&data);
        assert_parts(&error.findings[0].text, &["no image is left to measure with: all 2 that", named]);
    }
}

#[test]
fn a_data_set_of_the_program_names_the_folds_that_it_can_be() {
    let split = |fold| Valid::Folds { count: 4, seed: 7, fold, dealing: Dealing::Grouped("patient".to_string()) };
    let said = |valid: &Valid| Dataset::from_files([("a.png", "x")], valid).unwrap_err().to_string();
    let each = "`folds(4, seed = 7, grouped = \"patient\")` is a split for each fold";
    assert_parts(&said(&split(None)), &[each, "from `fold: Some(0)` to `fold: Some(3)`"]);
    let drawn = Valid::Grouped { column: "patient".to_string(), share: 0.2, seed: Valid::default_seed(), fold: 0 };
    assert_parts(&said(&drawn), &["`grouped(\"patient\", share = 0.2)` needs a csv file or a folder"]);
}

#[test]
fn a_validation_folder_that_is_a_copy_of_the_training_folder_is_told_as_such() {
    let root = pictures(&[
        ("train/x/0.png", Some(0)),
        ("train/x/1.png", Some(1)),
        ("train/y/2.png", Some(2)),
        ("valid/x/other.png", Some(0)),
        ("valid/x/names.png", Some(1)),
        ("valid/y/here.png", Some(2)),
    ]);
    let error = refused(&parted(root.path(), Corrupt::Deny));
    assert_eq!(error.findings.len(), 1, "{error}");
    assert_parts(
        &error.findings[0].text,
        &[
            "no training image is left: 3 have the very bytes of a validation image (`duplicates: drop`): \
             train/x/0.png and valid/x/other.png; train/x/1.png and valid/x/names.png; train/y/2.png and",
            "`duplicates: keep`",
        ],
    );
    assert_parts(&error.notes.join("\n"), &["3 training images have the very bytes of a validation image"]);
    let keep = Data { duplicates: Duplicates::Keep, ..parted(root.path(), Corrupt::Deny) };
    let (dataset, health) = open(&keep, TaskKind::SingleLabel).unwrap();
    assert_eq!((dataset.train.len(), health.kept.len()), (3, 3));
    // One image alone trains no network either.
    picture(7).save(root.path().join("train/y/new.png")).unwrap();
    let error = refused(&parted(root.path(), Corrupt::Deny));
    assert_parts(&error.findings[0].text, &["one training image alone is left: 3 have the very bytes"]);
}

#[test]
fn a_class_that_loses_all_its_training_images_is_named() {
    let files = |of_y: bool| {
        let mut files = vec![
            ("train/x/0.png", Some(0)),
            ("train/x/1.png", Some(1)),
            ("train/y/2.png", None),
            ("train/y/3.png", Some(3)),
            ("train/z/4.png", Some(4)),
            ("valid/x/5.png", Some(5)),
            // A copy of the one image of y that is sound.
            ("valid/x/6.png", Some(3)),
        ];
        if of_y {
            files.push(("valid/y/7.png", Some(7)));
        }
        pictures(&files)
    };
    let error = refused(&parted(files(true).path(), Corrupt::Skip));
    assert_eq!(error.findings.len(), 1, "{error}");
    assert_parts(
        &error.findings[0].text,
        &[
            "no training image is left of \"y\", which `valid: folder(\"valid\")` measures",
            "1 cannot be decoded (`corrupt: skip`): train/y/2.png: not an image",
            "1 have the very bytes of a validation image (`duplicates: drop`): train/y/3.png and valid/x/6.png",
        ],
    );
    assert_parts(
        &error.notes.join("\n"),
        &["has the same bytes and different labels: train/y/3.png and valid/x/6.png"],
    );
    // Nothing measures it: it is a note.
    let root = files(false);
    let (dataset, health) = open(&parted(root.path(), Corrupt::Skip), TaskKind::SingleLabel).unwrap();
    assert_eq!(health.untrained, ["y"]);
    assert_parts(
        &health.notes(root.path(), &dataset.split).join("\n"),
        &["1 class cannot be learned, as all its training images are left out: \"y\""],
    );
    // Of two classes one alone is none to tell apart.
    std::fs::remove_dir_all(root.path().join("train/z")).unwrap();
    let error = refused(&parted(root.path(), Corrupt::Skip));
    assert_parts(&error.findings[0].text, &["only images of \"x\" are left to train on", "train/y/2.png"]);
}

#[test]
fn held_out_rows_without_images_are_told_as_such() {
    let root = rows(&[("a", "x", "0"), ("b", "y", "0"), ("c", "x", "1"), ("d", "y", "0")]);
    std::fs::remove_file(root.path().join("img/c.jpg")).unwrap();
    let data = Data { corrupt: Corrupt::Skip, ..data(root.path(), csv(), Valid::Column("flag".to_string())) };
    let error = single(&data).unwrap_err();
    assert_eq!(error.findings.len(), 1, "{error}");
    assert_parts(&error.findings[0].text, &["holds out 1 row, and none has an image", "; hold out others"]);
    assert_parts(&error.to_string(), &["\nnote: 1 of 4 rows has no image and is left out"]);
}

#[test]
fn findings_come_with_everything_else_that_was_found() {
    let root = pictures(&[
        ("train/x/0.png", Some(0)),
        ("train/x/1.png", None),
        ("train/y/2.png", Some(2)),
        ("train/y/3.png", Some(0)),
        ("valid/x/4.png", Some(4)),
    ]);
    // The same at another size and a little lighter.
    let mut near = picture(2);
    near.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| level.saturating_add(3)));
    image::imageops::resize(&near, 24, 24, image::imageops::FilterType::Triangle)
        .save(root.path().join("valid/x/5.png"))
        .unwrap();
    let error = refused(&parted(root.path(), Corrupt::Deny));
    let said = error.texts().collect::<Vec<_>>().join("\n");
    assert_parts(&said, &["train/x/1.png: not an image", "1 of 6 images cannot be decoded"]);
    assert_parts(
        &error.notes.join("\n"),
        &[
            "1 pair of images has the same bytes and different labels: train/x/0.png and train/y/3.png",
            "1 pair of a training and a validation image shows nearly the same",
            "train/y/2.png and valid/x/5.png",
            "1 class has no validation image",
            "1 of 5 images has a shorter side below 32 pixels",
        ],
    );
    // That the labels differ says that the bytes are equal.
    assert!(!error.notes.iter().any(|note| note.contains("has the same bytes:")), "{:?}", error.notes);
}

#[test]
fn sizes_are_not_told_beside_what_keeps_rows_out() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "", ""), ("d", "x", "")]);
    for (name, seed) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        picture(seed).save_with_format(root.path().join(format!("img/{name}.jpg")), image::ImageFormat::Png).unwrap();
    }
    let small = |task| {
        let data = data(root.path(), csv(), Valid::None);
        let opened =
            preflight(data.corrupt, data.duplicates, 64, &StopSignal::default()).open(&data, task, &mut Silent);
        match opened {
            Ok((dataset, health)) => health.notes(&dataset.root, &dataset.split).concat(),
            Err(OpenError::Data(error)) => error.notes.concat(),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!small(TaskKind::SingleLabel).contains("enlarged"), "a row has no label");
    assert!(small(TaskKind::MultiLabel).contains("all 4 images have a shorter side below 64 pixels and are enlarged"));
}

#[test]
fn one_file_with_two_labels_contradicts_itself() {
    let table = [("a", "x", ""), ("b", "y", ""), ("a", "y", ""), ("./a", "y", ""), ("c", "x", ""), ("c", "x", "")];
    let root = rows(&table);
    for (name, seed) in [("a", 0), ("b", 1), ("c", 2)] {
        picture(seed).save_with_format(root.path().join(format!("img/{name}.jpg")), image::ImageFormat::Png).unwrap();
    }
    let (dataset, health) = open(&data(root.path(), csv(), Valid::None), TaskKind::SingleLabel).unwrap();
    assert_eq!(dataset.train.len(), 6);
    let a = root.path().join("img/a.jpg");
    assert_eq!((health.contradictory.len(), health.identical.len()), (1, 0));
    assert_eq!(health.contradictory[0], [a.clone(), a.clone()]);
    let notes = health.notes(root.path(), &dataset.split);
    assert_eq!(notes, ["1 pair of images has the same bytes and different labels: img/a.jpg, listed twice"]);
    // A copy of it under another name says y as well: two matters.
    std::fs::copy(&a, root.path().join("img/b.jpg")).unwrap();
    let (_, health) = open(&data(root.path(), csv(), Valid::None), TaskKind::SingleLabel).unwrap();
    assert_eq!((health.contradictory.len(), health.identical.len()), (2, 0));
}

#[test]
fn lists_that_are_cut_say_so() {
    let pair = || [PathBuf::from("r/a"), PathBuf::from("r/b")];
    let lists = |cut| Health { identical: vec![pair(); 3], near: vec![pair(); 4], cut, ..Health::default() };
    let notes = lists(Truncated::default()).notes(Path::new("r"), &RANDOM).join("\n");
    assert_parts(&notes, &["3 pairs of images", "4 pairs of a training"]);
    assert!(!notes.contains("at least"));
    let cut = lists(Truncated { identical: true, near: true, contradictory: false });
    assert_parts(
        &cut.notes(Path::new("r"), &RANDOM).join("\n"),
        &["at least 3 pairs of images", "at least 4 pairs of a training"],
    );
    let titles: Vec<String> = cut.pairs(Path::new("r")).into_iter().map(|(title, _)| title).collect();
    assert!(titles.iter().all(|title| title.ends_with("the first")), "{titles:?}");
}

#[test]
fn images_of_few_bits_are_noted_and_scaled_on_request() {
    let root = pictures(&[("train/a/1.png", Some(1)), ("train/b/1.png", Some(2)), ("valid/a/1.png", Some(3))]);
    // Twelve bits in sixteen, as sensors store them.
    let mut rng = Stream::new(7, "levels").at(&[]);
    let levels: Vec<u16> = (0..3 * 40 * 40).map(|_| (4095.0 * unit(&mut rng)) as u16).collect();
    let dark = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_raw(40, 40, levels).unwrap();
    dark.save(root.path().join("train/a/dark.png")).unwrap();
    let data = Data { valid: Valid::Folder("valid".to_string()), ..data(root.path(), folders(), Valid::None) };
    let (dataset, health) = open(&data, TaskKind::SingleLabel).unwrap();
    assert_eq!(health.dark.len(), 1);
    let notes = health.notes(&dataset.root, &dataset.split).join("\n");
    let expected = [
        "1 16-bit image uses at most 12 of its bits",
        "`bits: 12` in `transforms` scales them",
        "train/a/dark.png (12 bits)",
    ];
    assert_parts(&notes, &expected);
    let mean = |bits: u32| {
        let demand = crate::Demand { bits, ..crate::Demand::FULL };
        let picture = crate::decode_as(&root.path().join("train/a/dark.png"), demand).unwrap().into_pixels();
        picture.as_raw().iter().map(|level| f64::from(*level)).sum::<f64>() / picture.as_raw().len() as f64
    };
    assert!(mean(16) < 10.0 && (120.0..135.0).contains(&mean(12)), "{} and {}", mean(16), mean(12));
}

#[test]
fn an_image_that_is_replaced_between_two_epochs_is_named() {
    let root = pictures(&[("0.png", Some(0)), ("1.png", Some(1)), ("2.png", Some(2)), ("3.png", Some(3))]);
    let path = |i: usize| root.path().join(format!("{i}.png"));
    let mut dataset = Dataset::from_files((0..4).map(|i| (path(i), ["x", "y"][i % 2])), &Valid::None).unwrap();
    let health = check(&mut dataset, Corrupt::Deny, Duplicates::Keep, 8).unwrap();
    let examples = |health: &Health, budget: usize| {
        let set = ImageSet::within(&dataset.train, &Arc::new(Budget::new(budget))).validated().unchanged_since(health);
        let transforms = Transforms::new(TransformSet::None, 8);
        ImageExamples::new(set, Preparation { transforms, stats: Stats::IMAGENET, batch: 4, workers: 2, seed: 1 })
    };
    let tried = |examples: &ImageExamples, epoch: u64| -> Result<usize, DataError> {
        let batches = examples.load(&Traversal::Shuffled { stage: 0, epoch }, 0)?;
        batches.map(|batch| batch.map(|batch| batch.indices.len())).sum()
    };
    let epoch = |examples: &ImageExamples, epoch: u64| tried(examples, epoch).unwrap();
    // One reads the files in every epoch, one has all pictures in memory after the first, and one knows nothing of the files.
    let (read, kept, unseen) = (examples(&health, 0), examples(&health, 1 << 20), examples(&Health::default(), 0));
    assert_eq!((epoch(&read, 0), epoch(&kept, 0), epoch(&unseen, 0)), (4, 4, 4));
    // The same content, written anew.
    std::fs::write(path(1), std::fs::read(path(1)).unwrap()).unwrap();
    assert_eq!(epoch(&read, 1), 4);
    let was = std::fs::read(path(2)).unwrap();
    RgbImage::from_pixel(30, 20, Rgb([9, 8, 7])).save(path(2)).unwrap();
    let error = tried(&read, 2).unwrap_err();
    let changed = FindingKind::BrokenImage { path: path(2), reason: DecodeError::Changed };
    assert_eq!((error.findings.len(), &error.findings[0].kind), (2, &changed), "{error}");
    let named = format!("{}: has changed since the images were checked", path(2).display());
    assert_parts(&error.to_string(), &[&named, "put them back and go on with `--resume`, or start again"]);
    assert_eq!((epoch(&kept, 2), epoch(&unseen, 2)), (4, 4));
    std::fs::write(path(2), was).unwrap();
    assert_eq!(epoch(&read, 3), 4);
    // What is gone is told as before.
    std::fs::remove_file(path(3)).unwrap();
    assert_parts(&tried(&read, 4).unwrap_err().to_string(), &["3.png: cannot be read", "or their disk fails"]);
}
