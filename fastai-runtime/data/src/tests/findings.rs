//! What a program can act on in findings, their kinds and fields, and what people read.

use super::*;
use crate::{DataKey, DataPart, Finding, FindingKind, OpenReached, RowFault};

fn kinds(error: DataError) -> Vec<FindingKind> {
    error.findings.into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn all_findings_come_at_once_by_fault_file_and_line() {
    let root = folder(&[("labels.csv", "id,label\na,x\n,y\nb,\n../c,z\nd, y\n"), ("img/a.jpg", "")]);
    let mut data = data(root.path(), csv(), Valid::Indices("held_out.txt".to_string()));
    data.test = Some("test".to_string());
    let found = single(&data).unwrap_err().findings;
    let path = |name: &str| root.path().join(name);
    let rows = |fault, line, count| FindingKind::Rows { file: path("labels.csv"), fault, line, count };
    let place = |key, name| FindingKind::Place { key, path: path(name) };
    for (kind, text) in [
        (rows(RowFault::NoName, 3, 1), "labels.csv:3: the image name is empty".to_string()),
        (rows(RowFault::NoLabel, 4, 1), "labels.csv:4: the label is empty".to_string()),
        (rows(RowFault::Spaced, 6, 1), "labels.csv:6: white space around the label \" y\"".to_string()),
        (rows(RowFault::NoImage, 4, 2), format!("labels.csv:4: no image {}", path("img/b.jpg").display())),
        (rows(RowFault::NoImage, 4, 2), "nor the images of 1 more row (line 6)".to_string()),
        (rows(RowFault::Outside, 5, 1), "labels.csv:5: the image name \"../c\" leads out".to_string()),
        (place(DataKey::Test, "test"), format!("cannot list {}", path("test").display())),
        (place(DataKey::Valid, "held_out.txt"), format!("cannot read {}", path("held_out.txt").display())),
    ] {
        let told = found.iter().any(|finding| finding.kind == kind && finding.text.contains(&text));
        assert!(told, "{kind:?}: {text}\nis not in\n{found:#?}");
    }
}

#[test]
fn a_missing_place_is_told_by_its_key() {
    let mut lost = data(Path::new("no/such/folder"), folders(), RANDOM);
    let path = std::env::current_dir().unwrap().join("no/such/folder");
    assert_eq!(kinds(single(&lost).unwrap_err()), [FindingKind::Place { key: DataKey::Root, path }]);
    let root = folder(&[]);
    lost.root = Some(root.path().to_str().unwrap().to_string());
    let path = root.path().join("train");
    assert_eq!(kinds(single(&lost).unwrap_err()), [FindingKind::Place { key: DataKey::Train, path }]);
    let root = folder(&[("labels.csv", "name,labels\na,x\n"), ("img/a.jpg", "")]);
    let column = |key| FindingKind::Column { file: root.path().join("labels.csv"), key };
    let found = kinds(single(&data(root.path(), csv(), RANDOM)).unwrap_err());
    assert_eq!(found, [column(DataKey::Id), column(DataKey::Label)]);
}

#[test]
fn a_list_of_held_out_images_names_those_that_are_not_there() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", "")]);
    let file = root.path().join("valid.txt");
    let of = |list: &str| {
        std::fs::write(&file, list).unwrap();
        kinds(single(&data(root.path(), csv(), Valid::Indices("valid.txt".to_string()))).unwrap_err())
    };
    let name = "d".to_string();
    assert_eq!(of("a\nd\n"), [FindingKind::UnknownImage { file: file.clone(), line: 2, name }]);
    assert_eq!(of("a\nb\nc\n"), [FindingKind::TooFew { part: DataPart::Train }]);
    assert_eq!(of("\n"), [FindingKind::TooFew { part: DataPart::Valid }]);
}

#[test]
fn classes_are_told_by_name() {
    let root = folder(&[("train/cat/1.jpg", ""), ("train/dog/1.jpg", ""), ("valid/Dogs/1.jpg", "")]);
    let valid = Valid::Folder("valid".to_string());
    let found = single(&data(root.path(), folders(), valid)).unwrap_err().findings;
    assert!(found.len() == 1 && found[0].text.contains("did you mean \"dog\"?"), "{found:?}");
    assert_eq!(found[0].kind, FindingKind::UnknownClass { class: "Dogs".to_string() });
    let root = rows(&[("a", "x", ""), ("b", "x", "")]);
    let found = kinds(single(&data(root.path(), csv(), Valid::None)).unwrap_err());
    assert_eq!(found, [FindingKind::OneClass { class: "x".to_string() }]);
    let root = rows(&[("a", "sea land", "0"), ("b", "land", "0"), ("c", "sea boat", "1")]);
    let tags = Dataset::open(&data(root.path(), csv(), Valid::Column("flag".to_string())), TaskKind::MultiLabel);
    assert_eq!(kinds(tags.unwrap_err()), [FindingKind::Untrained { classes: vec!["boat".to_string()] }]);
    let root = rows(&[("a", "", ""), ("b", "", "")]);
    let bare = Dataset::open(&data(root.path(), csv(), Valid::None), TaskKind::MultiLabel);
    assert_eq!(kinds(bare.unwrap_err()), [FindingKind::NoTags]);
}

#[test]
fn given_images_are_told_by_number_and_file() {
    let root = rows(&[("a", "", ""), ("b", "", "")]);
    let file = |name: &str| root.path().join(format!("img/{name}.jpg"));
    let files = [(file("z"), Label::from("x")), (file("a"), Label::from(1.0)), (file("b"), Label::from(" "))];
    let found = kinds(Dataset::from_files(files, &Valid::Folder("valid".to_string())).unwrap_err());
    let wanted = [
        FindingKind::Recipe,
        FindingKind::MissingImage { path: file("z") },
        FindingKind::GivenLabel { image: 1 },
        FindingKind::GivenLabel { image: 2 },
    ];
    assert_eq!(found, wanted);
    let parts = Dataset::from_parts([(file("a"), "x"), (file("b"), "y")], [(file("a"), "x")]);
    let found = kinds(parts.unwrap_err());
    assert!(found.contains(&FindingKind::BothParts { path: file("a") }), "{found:?}");
}

#[test]
fn a_stop_says_how_far_it_got() {
    let reached = [
        (OpenReached::Checked, "all images were checked; nothing was trained"),
        (OpenReached::Checking { done: 3, of: 9 }, "3 of 9 images were checked; nothing was trained"),
        (OpenReached::CheckingCopies { done: 8, of: 28 }, "8 of 28 copies checked; the next run goes on from there"),
        (OpenReached::Scaling { done: 16, of: 28 }, "16 of 28 images scaled; the next run goes on from there"),
    ];
    for (reached, text) in reached {
        assert_eq!(OpenError::Stopped(reached).to_string(), format!("stopped: {text}"));
    }
}

#[test]
fn a_text_without_a_kind_is_a_finding_all_the_same() {
    let error = DataError::one("something else");
    assert_eq!(error.findings, [Finding::new(FindingKind::Other, "something else")]);
    assert_eq!(error.texts().collect::<Vec<_>>(), ["something else"]);
}
