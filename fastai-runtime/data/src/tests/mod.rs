//! Data sets from files, as recipes open them.

use std::path::{Path, PathBuf};

use fastai_dsl::{Column, Corrupt, Data, Duplicates, Sampler, Source, TaskKind, Valid};
use tempfile::TempDir;

use super::{DataError, Dataset, Health, Item, Label, Preflight, Target, Truncated, cv_indices};
use crate::OpenError;
use crate::progress::{Silent, StopSignal};

mod csv;
mod cures;
mod findings;
mod folders;
mod given;
mod held_out;
mod lookalikes;
mod preflight;
mod splits;

const RANDOM: Valid = Valid::Random { share: 0.2, seed: 42, fold: 0 };

/// A folder with these files; every image is an empty file, as opening decodes nothing.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn data(root: &Path, source: Source, valid: Valid) -> Data {
    Data {
        root: Some(root.to_str().unwrap().to_string()),
        source,
        valid,
        test: None,
        batch: 4,
        workers: None,
        corrupt: Corrupt::Deny,
        duplicates: Duplicates::Drop,
        sampler: Sampler::Shuffle,
        resize_to: None,
        preflight: fastai_dsl::Extent::All,
    }
}

fn folders() -> Source {
    Source::Folders { train: "train".to_string() }
}

fn csv() -> Source {
    csv_of("labels.csv", "img", ["id", "label"].map(|name| Column::Name(name.to_string())))
}

fn csv_of(labels: &str, images: &str, [id, label]: [Column; 2]) -> Source {
    Source::Csv {
        labels: labels.to_string(),
        images: images.to_string(),
        suffix: vec![".jpg".to_string()],
        id,
        label,
        separator: " ".to_string(),
        header: true,
        columns: Vec::new(),
        delimiter: ',',
        encoding: fastai_dsl::Encoding::Utf8,
    }
}

/// A csv data set of this table and of these files in `img`.
fn table(text: impl AsRef<[u8]>, images: &[impl AsRef<str>]) -> TempDir {
    let root = TempDir::new().unwrap();
    std::fs::write(root.path().join("labels.csv"), text).unwrap();
    for name in images {
        let path = root.path().join("img").join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    root
}

/// A csv data set of `rows` (id, label, flag) with an image for each row.
fn rows(rows: &[(impl AsRef<str>, impl AsRef<str>, impl AsRef<str>)]) -> TempDir {
    let texts = || rows.iter().map(|(id, label, flag)| (id.as_ref(), label.as_ref(), flag.as_ref()));
    let text: String = texts().map(|(id, label, flag)| format!("{id},{label},{flag}\n")).collect();
    let images: Vec<String> = texts().map(|(id, ..)| format!("{id}.jpg")).collect();
    table(format!("id,label,flag\n{text}"), &images)
}

/// A row for each name, of the classes `x` and `y` in turn.
fn in_turn<S>(names: impl IntoIterator<Item = S>) -> Vec<(S, &'static str, &'static str)> {
    names.into_iter().zip(["x", "y"].into_iter().cycle()).map(|(name, class)| (name, class, "")).collect()
}

/// The check of all images with these policies.
pub(crate) fn preflight(corrupt: Corrupt, duplicates: Duplicates, size: u32, stop: &StopSignal) -> Preflight<'_> {
    let extent = fastai_dsl::Extent::All;
    Preflight { corrupt, duplicates, size, bits: 16, extent, limit: None, known: None, across: None, stop }
}

pub(crate) fn check(
    dataset: &mut Dataset,
    corrupt: Corrupt,
    duplicates: Duplicates,
    size: u32,
) -> Result<Health, OpenError> {
    preflight(corrupt, duplicates, size, &StopSignal::default()).check(dataset, &mut Silent)
}

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

fn single(data: &Data) -> Result<Dataset, DataError> {
    Dataset::open(data, TaskKind::SingleLabel)
}

/// The only finding of a data set that must not open.
fn only_finding(data: &Data) -> String {
    let mut findings = single(data).unwrap_err().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0).text
}

#[test]
fn folders_are_classes_in_byte_order() {
    let root = folder(&[
        ("train/dog/2.jpg", ""),
        ("train/dog/10.jpg", ""),
        ("train/Cat/1.jpg", ""),
        ("train/Cat/.DS_Store", ""),
        ("valid/dog/7.jpg", ""),
        ("test/b.jpg", ""),
        ("test/a.jpg", ""),
    ]);
    let mut data = data(root.path(), folders(), Valid::Folder("valid".to_string()));
    data.test = Some("test".to_string());
    let dataset = single(&data).unwrap();
    assert_eq!(dataset.classes, ["Cat", "dog"]);
    assert_eq!(ids(&dataset.train), ["train/Cat/1.jpg", "train/dog/10.jpg", "train/dog/2.jpg"]);
    assert_eq!(dataset.train[1].path, root.path().join("train/dog/10.jpg"));
    // `valid` has no Cat folder: its dogs are class 1 all the same.
    assert_eq!(dataset.valid[0].target, Target::Class(1));
    assert_eq!(ids(&dataset.test), ["a", "b"]);
    assert_eq!(dataset.test[0].target, Target::Unlabelled);
    let facts = dataset.facts();
    assert_eq!((facts.train, facts.valid, facts.test, facts.classes), (Some(3), Some(1), Some(2), Some(2)));
    assert_eq!(dataset.class_counts(), [1, 2]);
}

#[test]
fn a_missing_root_is_named_absolutely_with_the_working_directory() {
    let mut data = data(Path::new("no/such/folder"), folders(), RANDOM);
    let here = std::env::current_dir().unwrap();
    let finding = only_finding(&data);
    assert!(finding.contains(&format!("{} does not exist", here.join("no/such/folder").display())), "{finding}");
    assert!(finding.ends_with(&format!("working directory {}", here.display())), "{finding}");
    data.root = Some(here.join("Cargo.toml").to_str().unwrap().to_string());
    assert!(only_finding(&data).ends_with("Cargo.toml is no folder"));
}

#[test]
fn a_missing_csv_does_not_hide_a_missing_folder() {
    let root = folder(&[]);
    let text = single(&data(root.path(), csv(), Valid::Folder("held".to_string()))).unwrap_err().to_string();
    for expected in ["cannot open", "the folder of images", "the folder of held-out images"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_missing_column_lists_the_headers() {
    let root = folder(&[("labels.csv", "name,labels\na,x\n"), ("img/a.jpg", "")]);
    let findings = single(&data(root.path(), csv(), RANDOM)).unwrap_err().findings;
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings[0].text.contains("no column \"id\"") && findings[0].text.contains("\"name\", \"labels\""));
    assert!(findings[1].text.contains("no column \"label\"") && findings[1].text.ends_with("did you mean \"labels\"?"));
}

#[test]
fn columns_by_position_without_a_header() {
    let root = folder(&[("labels.csv", "x,a\ny,b\n"), ("img/a.jpg", ""), ("img/b.jpg", "")]);
    let by_position = |id, header| {
        let mut source = csv();
        if let Source::Csv { id: own_id, label, header: own_header, .. } = &mut source {
            (*own_id, *label, *own_header) = (Column::Position(id), Column::Position(0), header);
        }
        data(root.path(), source, Valid::None)
    };
    let dataset = single(&by_position(1, false)).unwrap();
    assert_eq!(ids(&dataset.train), ["a", "b"]);
    assert!(only_finding(&by_position(2, false)).contains("no column 2 (id: 2, counted from 0)"));
}

#[test]
fn tags_are_sorted_numbers_without_repetitions() {
    let root = rows(&[("a", "sea land sea", ""), ("b", "", ""), ("c", "land  sky", "")]);
    let dataset = Dataset::open(&data(root.path(), csv(), Valid::None), TaskKind::MultiLabel).unwrap();
    assert_eq!(dataset.classes, ["land", "sea", "sky"]);
    let tags: Vec<&Target> = dataset.train.iter().map(|item| &item.target).collect();
    assert_eq!(tags, [&Target::Tags(vec![0, 1]), &Target::Tags(vec![]), &Target::Tags(vec![0, 2])]);
    assert_eq!(dataset.notes.len(), 1, "{:?}", dataset.notes);
    // A single label may hold a space.
    let dataset = single(&data(rows(&[("a", "golden retriever", ""), ("b", "pug", "")]).path(), csv(), Valid::None));
    assert_eq!(dataset.unwrap().classes, ["golden retriever", "pug"]);
}

#[test]
fn empty_test_folders_are_findings() {
    let root = rows(&[("a", "x", ""), ("b", "y", "")]);
    std::fs::create_dir_all(root.path().join("test/x")).unwrap();
    let mut data = data(root.path(), csv(), Valid::None);
    data.test = Some("test".to_string());
    assert!(only_finding(&data).starts_with("no images in any sub-folder"));
    data.test = Some("test/x".to_string());
    assert!(only_finding(&data).ends_with("is empty"));
}

#[test]
fn the_globe_example_opens_and_every_image_decodes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/globe");
    let source = csv_of("train_v2.csv", "train-jpg", [0, 1].map(Column::Position));
    let data = data(&root, source, Valid::Indices("valid.txt".to_string()));
    let dataset = Dataset::open(&data, TaskKind::MultiLabel).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len()), (828, 307));
    assert_eq!(dataset.classes, ["coast", "habitation", "inland_water", "land", "lowland", "mountain", "ocean"]);
    let mut dataset = dataset;
    let health = check(&mut dataset, Corrupt::Deny, Duplicates::Drop, 64).unwrap();
    assert_eq!((health.images, health.enlarged), (1135, 0));
    // Dozens of chips of the open sea look alike, and none is a copy of another.
    assert_eq!(health.near, Vec::<[PathBuf; 2]>::new());
}

#[test]
fn numbers_are_a_regression() {
    let root = rows(&[("a", "1.5", ""), ("b", "-2", ""), ("c", " 3e1", "")]);
    let open = |root: &Path| Dataset::open(&data(root, csv(), Valid::None), TaskKind::Regression);
    let dataset = open(root.path()).unwrap();
    assert_eq!(dataset.classes, ["label"]);
    let values: Vec<&Target> = dataset.train.iter().map(|item| &item.target).collect();
    assert_eq!(values, [&Target::Value(1.5), &Target::Value(-2.0), &Target::Value(30.0)]);
    let findings = open(rows(&[("a", "1", ""), ("b", "x", ""), ("c", "inf", "")]).path()).unwrap_err().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let expected = "labels.csv:3: the label \"x\" is no finite number; and so in 1 more row (line 4)";
    assert!(findings[0].text.ends_with(expected), "{findings:?}");
    let folders = folder(&[("train/a/1.jpg", ""), ("train/b/1.jpg", "")]);
    let data = data(folders.path(), self::folders(), Valid::None);
    let error = Dataset::open(&data, TaskKind::Regression).unwrap_err();
    assert!(error.findings[0].text.contains("needs `data: csv`"), "{error}");
}

#[test]
fn rows_without_a_file_may_be_left_out_and_move_no_other() {
    let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
    let root = rows(&in_turn(&names));
    let whole = single(&data(root.path(), csv(), RANDOM)).unwrap();
    let lost = ["03", "17", "40"];
    lost.iter().for_each(|name| std::fs::remove_file(root.path().join(format!("img/{name}.jpg"))).unwrap());
    assert!(only_finding(&data(root.path(), csv(), RANDOM)).contains("nor the images of 2 more rows"));
    let skip = |root: &Path| Data { corrupt: Corrupt::Skip, ..data(root, csv(), RANDOM) };
    let rest = single(&skip(root.path())).unwrap();
    let without = |items: &[Item]| -> Vec<String> {
        ids(items).into_iter().filter(|id| !lost.contains(id)).map(String::from).collect()
    };
    assert_eq!(ids(&rest.train), without(&whole.train));
    assert_eq!(ids(&rest.valid), without(&whole.valid));
    assert!(rest.notes[0].starts_with("3 of 50 rows have no image and are left out"), "{:?}", rest.notes);
    names[..30].iter().for_each(|name| drop(std::fs::remove_file(root.path().join(format!("img/{name}.jpg")))));
    let findings = single(&skip(root.path())).unwrap_err().findings;
    assert!(findings[0].text.contains("more than half of the rows have no image"), "{findings:?}");
}

/// Four classes of two images; number 7 has the bytes of number 2.
fn with_twins() -> (TempDir, Dataset) {
    let folder = TempDir::new().unwrap();
    let file = |i: u8| {
        let path = folder.path().join(format!("{i}.png"));
        let shade = if i == 7 { 2 } else { i };
        image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x as u8).wrapping_mul(shade), y as u8 * shade, 9 * shade])
        })
        .save(&path)
        .unwrap();
        (path, ["x", "y"][usize::from(i % 2)])
    };
    let files: Vec<_> = (0..8).map(file).collect();
    let dataset = Dataset::from_parts(files[3..].to_vec(), files[..3].to_vec()).unwrap();
    (folder, dataset)
}

#[test]
fn a_twin_of_a_validation_image_is_not_trained_on_unless_said() {
    let (folder, dataset) = with_twins();
    let mut dropped = dataset.clone();
    let health = check(&mut dropped, Corrupt::Deny, Duplicates::Drop, 32).unwrap();
    let pair = [folder.path().join("7.png"), folder.path().join("2.png")];
    assert_eq!((&health.dropped, health.kept.len()), (&vec![pair.clone()], 0));
    assert_eq!(
        (ids(&dropped.train), ids(&dropped.valid)),
        (vec!["3.png", "4.png", "5.png", "6.png"], ids(&dataset.valid))
    );
    // Number 7 said y, number 2 says x.
    assert_eq!(health.contradictory, std::slice::from_ref(&pair));
    assert_eq!((health.images, health.enlarged), (8, 7));
    assert_eq!(health.sizes.map(|sizes| sizes.0), [vec![[40, 30, 4]], vec![[40, 30, 3]], vec![]]);
    let mut kept = dataset.clone();
    let health = check(&mut kept, Corrupt::Deny, Duplicates::Keep, 30).unwrap();
    assert_eq!((health.kept.clone(), kept.train.len(), health.enlarged), (vec![pair], 5, 0));
    let notes = health.notes(folder.path(), &kept.split);
    assert!(notes[0].contains("7.png and 2.png") && notes[0].contains("duplicates: keep"), "{notes:#?}");
}

#[test]
fn broken_images_may_be_left_out_but_not_most_of_them() {
    let (folder, dataset) = with_twins();
    let spoil = |i: u8| std::fs::write(folder.path().join(format!("{i}.png")), "no image").unwrap();
    spoil(0);
    spoil(4);
    let mut rest = dataset.clone();
    let health = check(&mut rest, Corrupt::Skip, Duplicates::Drop, 30).unwrap();
    assert_eq!((ids(&rest.train), ids(&rest.valid)), (vec!["3.png", "5.png", "6.png"], vec!["1.png", "2.png"]));
    assert_eq!(health.skipped.len(), 2);
    assert!(health.notes(folder.path(), &rest.split)[0].starts_with("2 images cannot be decoded and are left out: "));
    (0..5).for_each(spoil);
    let error = check(&mut dataset.clone(), Corrupt::Skip, Duplicates::Drop, 30).unwrap_err().to_string();
    assert!(error.contains("5 of 8 images cannot be decoded: more than half"), "{error}");
}

#[test]
fn what_is_wrong_with_rows_and_with_images_is_one_report() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("d", "", "")]);
    std::fs::remove_file(root.path().join("img/b.jpg")).unwrap();
    let stop = StopSignal::default();
    let preflight = preflight(Corrupt::Deny, Duplicates::Drop, 8, &stop);
    let error = preflight.open(&data(root.path(), csv(), Valid::None), TaskKind::SingleLabel, &mut Silent).unwrap_err();
    let text = error.to_string();
    for expected in ["the label is empty", "no image", "a.jpg: the file is empty (0 bytes)", "c.jpg: the file is empty"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    stop.request();
    let root = rows(&[("a", "x", ""), ("b", "y", "")]);
    let stopped = preflight.open(&data(root.path(), csv(), Valid::None), TaskKind::SingleLabel, &mut Silent);
    assert!(matches!(stopped, Err(OpenError::Stopped(_))), "{stopped:?}");
}

#[test]
fn rare_classes_weigh_more_in_the_balanced_sampler() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "y", ""), ("d", "y", "")]);
    let dataset = single(&data(root.path(), csv(), Valid::None)).unwrap();
    assert_eq!(dataset.sampling_weights(Sampler::Shuffle), None);
    assert_eq!(dataset.sampling_weights(Sampler::Balanced).unwrap(), [1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    let root = rows(&[("a", "sea land", ""), ("b", "land", ""), ("c", "", ""), ("d", "", "")]);
    let dataset = Dataset::open(&data(root.path(), csv(), Valid::None), TaskKind::MultiLabel).unwrap();
    assert_eq!(dataset.sampling_weights(Sampler::Balanced).unwrap(), [1.0, 0.5, 0.5, 0.5]);
}
