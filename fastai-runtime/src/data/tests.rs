//! Data sets from files, as recipes open them.

use std::collections::HashSet;
use std::path::Path;

use fastai_dsl::{Column, Data, Source, TaskKind, Valid};
use tempfile::TempDir;

use super::{DataError, Dataset, Item, Target, cv_indices, preflight};
use crate::progress::Silent;

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
    Data { root: root.to_str().unwrap().to_string(), source, valid, test: None, batch: 4, workers: None }
}

fn folders() -> Source {
    Source::Folders { train: "train".to_string() }
}

fn csv() -> Source {
    Source::Csv {
        labels: "labels.csv".to_string(),
        images: "img".to_string(),
        suffix: ".jpg".to_string(),
        id: Column::Name("id".to_string()),
        label: Column::Name("label".to_string()),
        separator: " ".to_string(),
        header: true,
    }
}

/// A csv data set of `rows` (id, label, flag) with an image for each row.
fn rows(rows: &[(&str, &str, &str)]) -> TempDir {
    let text: String = rows.iter().map(|(id, label, flag)| format!("{id},{label},{flag}\n")).collect();
    let folder = folder(&[("labels.csv", &format!("id,label,flag\n{text}"))]);
    std::fs::create_dir(folder.path().join("img")).unwrap();
    for (id, ..) in rows {
        std::fs::write(folder.path().join(format!("img/{id}.jpg")), "").unwrap();
    }
    folder
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
    findings.remove(0)
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
fn a_class_of_the_valid_folder_must_be_a_training_class() {
    let root = folder(&[("train/cat/1.jpg", ""), ("train/dog/1.jpg", ""), ("valid/Dogs/1.jpg", "")]);
    let finding = only_finding(&data(root.path(), folders(), Valid::Folder("valid".to_string())));
    assert!(finding.contains("class \"Dogs\"") && finding.contains("did you mean \"dog\"?"), "{finding}");
}

#[test]
fn a_missing_root_is_named_absolutely_with_the_working_directory() {
    let mut data = data(Path::new("no/such/folder"), folders(), RANDOM);
    let here = std::env::current_dir().unwrap();
    let finding = only_finding(&data);
    assert!(finding.contains(&format!("{} does not exist", here.join("no/such/folder").display())), "{finding}");
    assert!(finding.ends_with(&format!("working directory {}", here.display())), "{finding}");
    data.root = here.join("Cargo.toml").to_str().unwrap().to_string();
    assert!(only_finding(&data).ends_with("Cargo.toml is no folder"));
}

#[test]
fn all_findings_come_at_once() {
    let root = folder(&[("labels.csv", "id,label\na,x\n,y\nb,\n../c,z\nd, y\n"), ("img/a.jpg", "")]);
    let mut data = data(root.path(), csv(), Valid::Indices("held_out.txt".to_string()));
    data.test = Some("test".to_string());
    let text = single(&data).unwrap_err().to_string();
    let csv = root.path().join("labels.csv");
    for expected in [
        format!("{}:3: the image name is empty", csv.display()),
        format!("{}:4: the label is empty", csv.display()),
        format!("{}:4: no image {}", csv.display(), root.path().join("img/b.jpg").display()),
        format!("{}:5: the image name \"../c\" leads out", csv.display()),
        format!("{}:6: no image", csv.display()),
        format!("{}:6: white space around the label \" y\"", csv.display()),
        format!("cannot list {}", root.path().join("test").display()),
        format!("cannot read {}", root.path().join("held_out.txt").display()),
    ] {
        assert!(text.contains(&expected), "{expected}\nis not in\n{text}");
    }
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
    assert!(findings[0].contains("no column \"id\"") && findings[0].contains("\"name\", \"labels\""));
    assert!(findings[1].contains("no column \"label\"") && findings[1].ends_with("did you mean \"labels\"?"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_header() {
    let root = folder(&[("labels.csv", "\u{feff}id,label\na,x\nb,y\n"), ("img/a.jpg", ""), ("img/b.jpg", "")]);
    assert_eq!(single(&data(root.path(), csv(), Valid::None)).unwrap().classes, ["x", "y"]);
}

#[test]
fn columns_by_position_without_a_header() {
    let root = folder(&[("labels.csv", "x,a\ny,b\n"), ("img/a.jpg", ""), ("img/b.jpg", "")]);
    let by_position = |id, header| {
        let Source::Csv { labels, images, suffix, separator, .. } = csv() else { unreachable!() };
        let (id, label) = (Column::Position(id), Column::Position(0));
        data(root.path(), Source::Csv { labels, images, suffix, id, label, separator, header }, Valid::None)
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
fn the_random_split_is_fastais_and_keeps_the_order_of_the_file() {
    let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
    let table: Vec<_> = names.iter().enumerate().map(|(i, n)| (n.as_str(), ["x", "y"][i % 2], "")).collect();
    let root = rows(&table);
    let dataset = single(&data(root.path(), csv(), RANDOM)).unwrap();
    let held_out: HashSet<usize> = cv_indices(50, 0.2, 42, 0).into_iter().collect();
    assert_eq!(held_out.len(), 10);
    let (valid, train): (Vec<_>, Vec<_>) = (0..50).partition(|i| held_out.contains(i));
    assert_eq!(ids(&dataset.valid), valid.iter().map(|i| names[*i].as_str()).collect::<Vec<_>>());
    assert_eq!(ids(&dataset.train), train.iter().map(|i| names[*i].as_str()).collect::<Vec<_>>());
}

#[test]
fn rows_of_one_image_never_straddle_the_split() {
    let names: Vec<String> = (0..60).map(|i| format!("{}{}", if i % 7 == 0 { "./" } else { "" }, i % 20)).collect();
    let table: Vec<_> = names.iter().enumerate().map(|(i, n)| (n.as_str(), ["x", "y"][i % 2], "")).collect();
    let root = rows(&table);
    for fold in 0..5 {
        let valid = Valid::Random { share: 0.2, seed: 42, fold };
        let dataset = single(&data(root.path(), csv(), valid)).unwrap();
        assert_eq!(dataset.train.len() + dataset.valid.len(), 60);
        let held_out: HashSet<&Path> = dataset.valid.iter().map(|item| item.path.as_path()).collect();
        assert!(dataset.train.iter().all(|item| !held_out.contains(item.path.as_path())), "fold {fold}");
    }
}

#[test]
fn a_list_of_held_out_images() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("a", "y", "")]);
    let list = |text: &str| {
        std::fs::write(root.path().join("valid.txt"), text).unwrap();
        data(root.path(), csv(), Valid::Indices("valid.txt".to_string()))
    };
    let dataset = single(&list("a\r\n\n")).unwrap();
    assert_eq!((ids(&dataset.train), ids(&dataset.valid)), (vec!["b", "c"], vec!["a", "a"]));
    assert_eq!(ids(&single(&list("b.jpg\n")).unwrap().valid), ["b"]);
    let findings = single(&list("b\nd\n\ne\n")).unwrap_err().findings;
    assert_eq!(findings.len(), 2);
    assert!(findings[0].ends_with("valid.txt:2: no image is called \"d\""), "{findings:?}");
    assert!(findings[1].ends_with("valid.txt:4: no image is called \"e\""), "{findings:?}");
    assert!(only_finding(&list("a\nb\nc\n")).starts_with("all 4 images are held out"));
    assert!(only_finding(&list("\n")).contains("holds out none of 4 images"));
}

#[test]
fn a_column_of_held_out_images() {
    let flagged = |flags: [&str; 3]| {
        let root = rows(&[("a", "x", flags[0]), ("b", "y", flags[1]), ("c", "x", flags[2])]);
        let dataset = single(&data(root.path(), csv(), Valid::Column("flag".to_string())));
        dataset.map(|d| ids(&d.valid).join(" ")).map_err(|e| e.to_string())
    };
    assert_eq!(flagged(["0", "TRUE", "1"]).unwrap(), "b c");
    assert!(flagged(["0", "maybe", "1"]).unwrap_err().contains("labels.csv:3: \"maybe\" says neither yes nor no"));
}

#[test]
fn a_folder_of_held_out_images_beside_a_csv() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", "")]);
    std::fs::create_dir(root.path().join("held")).unwrap();
    std::fs::rename(root.path().join("img/b.jpg"), root.path().join("held/b.jpg")).unwrap();
    let data = data(root.path(), csv(), Valid::Folder("held".to_string()));
    let dataset = single(&data).unwrap();
    assert_eq!((ids(&dataset.train), ids(&dataset.valid)), (vec!["a", "c"], vec!["b"]));
    assert_eq!(dataset.valid[0].path, root.path().join("held/b.jpg"));
    std::fs::write(root.path().join("img/b.jpg"), "").unwrap();
    assert!(only_finding(&data).contains("it would be trained and measured on"));
}

#[test]
fn a_class_that_is_only_held_out_is_a_note() {
    let root = rows(&[("a", "x", "0"), ("b", "y", "0"), ("c", "z", "1")]);
    let dataset = single(&data(root.path(), csv(), Valid::Column("flag".to_string()))).unwrap();
    assert_eq!(dataset.classes, ["x", "y", "z"]);
    assert_eq!(dataset.valid[0].target, Target::Class(2));
    assert_eq!(dataset.notes, ["1 of 3 classes have no training image and cannot be learned: \"z\""]);
}

#[test]
fn one_class_is_nothing_to_learn() {
    let root = rows(&[("a", "x", ""), ("b", "x", "")]);
    let finding = only_finding(&data(root.path(), csv(), Valid::None));
    assert_eq!(finding, "all 2 images have the label \"x\": a classifier needs at least two classes");
}

#[test]
fn nothing_held_out_is_an_error_unless_wanted() {
    let root = rows(&[("a", "x", ""), ("b", "y", "")]);
    assert!(only_finding(&data(root.path(), csv(), RANDOM)).ends_with("or say `valid: none`"));
    let dataset = single(&data(root.path(), csv(), Valid::None)).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len()), (2, 0));
    assert_eq!(dataset.facts().valid, Some(0));
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/globe");
    let source = Source::Csv {
        labels: "train_v2.csv".to_string(),
        images: "train-jpg".to_string(),
        suffix: ".jpg".to_string(),
        id: Column::Position(0),
        label: Column::Position(1),
        separator: " ".to_string(),
        header: true,
    };
    let data = data(&root, source, Valid::Indices("valid.txt".to_string()));
    let dataset = Dataset::open(&data, TaskKind::MultiLabel).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len()), (828, 307));
    assert_eq!(dataset.classes, ["coast", "habitation", "inland_water", "land", "lowland", "mountain", "ocean"]);
    preflight(&dataset, None, &mut Silent).unwrap();
}
