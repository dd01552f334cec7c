//! The check of every image, with and without the list of images that are known.

use fastai_dsl::Valid;
use image::RgbImage;
use tempfile::TempDir;

use super::*;
use crate::{DataError, Target};

fn check(dataset: &mut Dataset, known: Option<&Path>, progress: &mut dyn Progress) -> Result<Health, OpenError> {
    let stop = StopSignal::default();
    let all = crate::tests::preflight(Corrupt::Deny, Duplicates::Drop, 8, &stop);
    Preflight { known, ..all }.check(dataset, progress)
}

fn findings(result: Result<Health, OpenError>) -> DataError {
    match result {
        Err(OpenError::Data(error)) => error,
        other => panic!("expected findings, got {other:?}"),
    }
}

fn dataset(folder: &TempDir, images: usize) -> Dataset {
    let item = |i: usize| {
        let path = folder.path().join(format!("{i}.png"));
        RgbImage::from_pixel(8, 8, image::Rgb([5 * i as u8, 0, 0])).save(&path).unwrap();
        Item { id: i.to_string(), path, target: Target::Class(0) }
    };
    let mut train: Vec<Item> = (0..images).map(item).collect();
    let test = train.split_off(images - 1);
    let valid = train.split_off(images / 2);
    let classes = vec!["a".to_string(), "b".to_string()];
    let root = folder.path().to_path_buf();
    Dataset { root, classes, task: TaskKind::SingleLabel, train, valid, test, split: Valid::None, notes: Vec::new() }
}

/// Counts what the bar was told.
#[derive(Default)]
struct Counts {
    total: u64,
    done: u64,
    warnings: Vec<String>,
}

impl Progress for Counts {
    fn warn(&mut self, line: &str) {
        self.warnings.push(line.to_string());
    }
    fn begin(&mut self, _: &str, total: u64) {
        self.total = total;
    }
    fn advance(&mut self, done: u64, _: &str) {
        self.done = done;
    }
}

#[test]
fn all_broken_images_are_named_in_one_error() {
    let folder = TempDir::new().unwrap();
    let mut dataset = dataset(&folder, 40);
    for i in 10..40 {
        std::fs::write(folder.path().join(format!("{i}.png")), b"nothing").unwrap();
    }
    let error = findings(check(&mut dataset, None, &mut Silent));
    assert_eq!(error.findings.len(), 22);
    assert!(error.findings[0].text.contains("10.png: not an image"), "{error}");
    let (path, reason) = (folder.path().join("10.png"), DecodeError::UnknownFormat);
    assert_eq!(error.findings[0].kind, FindingKind::BrokenImage { path, reason });
    assert_eq!(error.findings[20].text, "and 10 more broken images");
    assert!(error.findings[21].text.starts_with("30 of 40 images cannot be decoded"), "{error}");
    assert_eq!(error.findings[21].kind, FindingKind::Unusable { count: 30, of: 40 });
}

#[test]
fn a_second_run_only_decodes_what_changed() {
    let folder = TempDir::new().unwrap();
    let dataset = dataset(&folder, 6);
    let list = folder.path().join("cache/verified.bin");
    let run = || {
        let mut counts = Counts::default();
        let result = check(&mut dataset.clone(), Some(&list), &mut counts);
        assert_eq!(counts.total, counts.done);
        (counts.total, result.is_ok())
    };
    assert_eq!(run(), (6, true));
    assert_eq!(run(), (0, true));
    std::fs::write(&dataset.valid[0].path, b"x").unwrap();
    assert_eq!(run(), (1, false));
    assert_eq!(run(), (1, false));
    RgbImage::new(9, 9).save(&dataset.valid[0].path).unwrap();
    assert_eq!(run(), (1, true));
    for broken in [&b"{\"version\": 2, \"fil"[..], b"", b"{\"version\": 0, \"files\": {}}"] {
        std::fs::write(&list, broken).unwrap();
        assert_eq!(run(), (6, true));
        assert_eq!(run(), (0, true));
    }
}

/// The training images of [`dataset`] with these labels, and a validation image with the last one.
fn measured(folder: &TempDir, labels: &[f32]) -> Dataset {
    let mut dataset = dataset(folder, labels.len() + 1);
    dataset.train.append(&mut dataset.valid);
    let items = dataset.train.iter_mut().zip(labels);
    items.for_each(|(item, label)| item.target = Target::Value(*label));
    dataset.valid.extend(dataset.train.pop());
    Dataset { task: TaskKind::Regression, classes: vec!["year".to_string()], ..dataset }
}

#[test]
fn labels_far_from_0_or_far_from_a_deviation_of_1_are_noted_with_what_helps() {
    let folder = TempDir::new().unwrap();
    let note = |labels: &[f32]| {
        let health = check(&mut measured(&folder, labels), None, &mut Silent).unwrap();
        let notes = health.notes(folder.path(), &Valid::None);
        notes.into_iter().find(|note| note.starts_with("the labels, `year`, lie around "))
    };
    // The mean is 1980, the deviation the root of 200.
    let years = note(&[1960.0, 1970.0, 1980.0, 1990.0, 2000.0]).unwrap();
    assert!(years.contains("around 1980.0 with a deviation of 14.1,"), "{years}");
    assert!(years.contains("`(year - 1980.0) / 14.1`") && years.contains("`prediction * 14.1 + 1980.0`"), "{years}");
    let below = note(&[-1960.0, -1970.0, -1980.0, -1990.0, -2000.0]).unwrap();
    assert!(below.contains("around -1980.0 with") && below.contains("`(year + 1980.0) / 14.1`"), "{below}");
    assert!(below.contains("`prediction * 14.1 - 1980.0`"), "{below}");
    for (labels, is_noted) in [
        ([-50.0, 50.0, -50.0, 50.0], true),
        ([-0.02, 0.02, -0.02, 0.02], true),
        ([-29.0, 29.0, -29.0, 29.0], false),
        ([-0.04, 0.04, -0.04, 0.04], false),
        ([3.9, 5.9, 3.9, 5.9], false),
        ([4.1, 6.1, 4.1, 6.1], true),
    ] {
        assert_eq!(note(&labels).is_some(), is_noted, "{labels:?}");
    }
}

#[test]
fn a_label_that_stands_out_is_named_in_place_of_a_column_that_scales_it() {
    let folder = TempDir::new().unwrap();
    let note = |labels: &[f32]| {
        let dataset = measured(&folder, labels);
        let health = check(&mut dataset.clone(), None, &mut Silent).unwrap();
        let notes = health.notes(folder.path(), &Valid::None);
        let of_labels = notes.into_iter().find(|note| note.contains("`year`"));
        (of_labels, dataset.train[3].id.clone())
    };
    let mut labels: Vec<f32> = (0..20).map(|label| label as f32).collect();
    assert_eq!(note(&labels).0, None);
    labels[3] = 1e9;
    let (said, id) = note(&labels);
    // Without the 3: the mean is 187 / 19.
    let wanted = format!(
        "1 label of `year` stands far apart from the others, which lie around 9.84 with a deviation of 5.71: 1000000000 of \
         {id:?}; "
    );
    assert!(
        said.as_ref().is_some_and(|said| said.starts_with(&wanted) && !said.contains("write a column")),
        "{said:?}"
    );
    // Two of twenty are a part of the data, and so is a label other than most, which are equal.
    labels[4] = 1e9;
    assert!(note(&labels).0.unwrap().contains("write a column"));
    let mut equal = vec![0.0; 20];
    equal[3] = 1e9;
    assert!(note(&equal).0.unwrap().contains("write a column"));
}

#[test]
fn one_label_for_all_training_images_of_a_regression_is_an_error() {
    let folder = TempDir::new().unwrap();
    let found = |labels: &[f32]| findings(check(&mut measured(&folder, labels), None, &mut Silent)).findings;
    let all = found(&[0.5; 4]);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].kind, FindingKind::OneValue { value: 0.5 });
    assert_eq!(all[0].text, "all 3 training images have the label 0.5: a regression needs labels that differ");
    let held_out = found(&[0.5, 0.5, 0.5, 2.0]);
    assert_eq!(held_out[0].kind, FindingKind::OneValue { value: 0.5 });
    assert!(held_out[0].text.contains("leaves only images with the label 0.5 to train on"), "{held_out:?}");
    assert!(check(&mut measured(&folder, &[0.5, 0.5, 1.0, 0.5]), None, &mut Silent).is_ok());
}

#[test]
fn a_list_that_cannot_be_written_is_a_warning() {
    let folder = TempDir::new().unwrap();
    let mut dataset = dataset(&folder, 2);
    let blocked = folder.path().join("0.png").join("verified.bin");
    let mut counts = Counts::default();
    check(&mut dataset, Some(&blocked), &mut counts).unwrap();
    assert_eq!(counts.warnings.len(), 1);
    assert!(counts.warnings[0].contains("0.png"), "{}", counts.warnings[0]);
}

#[test]
fn lists_of_several_data_sets_live_in_one_file() {
    let (a, b, c) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let list = c.path().join("verified.bin");
    let mut one = dataset(&a, 4);
    check(&mut one, Some(&list), &mut Silent).unwrap();
    one.train.pop();
    std::fs::write(&one.train[0].path, b"changed").unwrap();
    check(&mut dataset(&b, 3), Some(&list), &mut Silent).unwrap();
    assert_eq!(Known::load(&list).files.len(), 7);
    assert!(check(&mut one, Some(&list), &mut Silent).is_err());
    assert_eq!(Known::load(&list).files.len(), 3 + 2);
}
