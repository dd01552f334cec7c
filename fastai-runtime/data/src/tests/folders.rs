//! Folders as people have them.

use super::*;

#[test]
fn files_of_systems_and_other_files_are_left_out_and_folders_within_a_class_are_its_own() {
    let root = folder(&[
        ("train/cats/1.jpg", ""),
        ("train/cats/more/2.jpg", ""),
        ("train/cats/more/deep/3.jpg", ""),
        ("train/cats/thumbs.db", ""),
        ("train/cats/ehthumbs_vista.db", ""),
        ("train/cats/Icon\r", ""),
        ("train/cats/notes.txt", "a note"),
        ("train/cats/@eaDir/1.jpg/x", ""),
        ("train/dogs/1.jpg", ""),
        ("train/dogs/without_suffix", "\u{89}PNG"),
        ("train/__MACOSX/cats/._1.jpg", ""),
        ("test/1.jpg", ""),
        ("test/__MACOSX/x", ""),
        ("test/readme.md", ""),
    ]);
    std::fs::write(root.path().join("train/dogs/without_suffix"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    let mut data = data(root.path(), folders(), Valid::None);
    data.test = Some("test".to_string());
    let dataset = single(&data).unwrap();
    assert_eq!(dataset.classes, ["cats", "dogs"]);
    assert_eq!(
        ids(&dataset.train),
        [
            "train/cats/1.jpg",
            "train/cats/more/2.jpg",
            "train/cats/more/deep/3.jpg",
            "train/dogs/1.jpg",
            "train/dogs/without_suffix"
        ]
    );
    assert_eq!(ids(&dataset.test), ["1"]);
    let notes = dataset.notes.join("\n");
    for part in
        ["2 images in ", "are read as theirs: \"cats/more\"", "1 file in ", "\"cats/notes.txt\"", "\"readme.md\""]
    {
        assert!(notes.contains(part), "{part}\nis not in\n{notes}");
    }
}

#[test]
fn what_is_there_instead_of_a_missing_folder_is_named() {
    let hint = |files: &[(&str, &str)], valid: Valid| {
        let root = folder(files);
        let error = single(&data(root.path(), folders(), valid)).unwrap_err();
        error.texts().collect::<Vec<_>>().join("\n").replace(root.path().to_str().unwrap(), "ROOT")
    };
    let valid = || Valid::Folder("valid".to_string());
    for (files, expected) in [
        (&[("Train/a/1.jpg", ""), ("Train/b/1.jpg", "")][..], "\"Train\" is there: say `train: \"Train\"`"),
        (
            &[("a/1.jpg", ""), ("b/1.jpg", "")],
            "the classes lie directly in ROOT (\"a\", \"b\"): say `train: \".\", valid: stratified(0.2)`",
        ),
        (&[("train.zip", "")], "\"train.zip\" is there: unpack it"),
        (&[("pets/train/a/1.jpg", "")], "say `root: \"ROOT/pets\"`"),
        (
            &[("train/a/1.jpg", ""), ("train/b/1.jpg", ""), ("val/a/1.jpg", "")],
            "\"val\" is there: say `valid: \"val\"`",
        ),
        (&[("train/a/1.jpg", ""), ("train/b/1.jpg", ""), ("Validation/a/1.jpg", "")], "say `valid: \"Validation\"`"),
        (&[("train/a/1.jpg", ""), ("train/b/1.jpg", "")], "`valid: stratified(0.2)` holds out a fifth"),
    ] {
        let found = hint(files, valid());
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
    let root = folder(&[("dogs/train/a/1.jpg", "")]);
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_string();
    let at = |root: String| only_finding(&Data { root: Some(root), ..data(Path::new("x"), folders(), Valid::None) });
    assert!(at("~/no/such".to_string()).contains("`~` is not replaced in a recipe"));
    assert!(at(path("Dogs")).contains(&format!("say `root: {:?}`", path("dogs"))));
    assert!(at(path("dogs").replace("/dogs", "\\dogs")).contains(&format!("say `root: {:?}`", path("dogs"))));
}

#[test]
fn labelled_images_that_a_split_leaves_out_are_noted() {
    let files = ["train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "valid/a/3.jpg", "valid/b/4.jpg", "valid/c/5.jpg"];
    let root = folder(&files.map(|file| (file, "")));
    let notes = |data: Data| single(&data).unwrap().notes;
    let drawn = |source: Source| data(root.path(), source, Valid::Rows(vec![0]));
    for split in [Valid::Rows(vec![0]), Valid::None] {
        let said = notes(data(root.path(), folders(), split)).join("\n");
        let valid = root.path().join("valid");
        assert!(said.contains(&format!("2 labelled images in {} are in neither part", valid.display())), "{said}");
        assert!(said.contains("say `valid: \"valid\"`") && said.contains("move them into \"train\""), "{said}");
    }
    let test = Data { test: Some("valid/".to_string()), ..drawn(folders()) };
    let all = drawn(Source::Folders { train: "./".to_string() });
    std::fs::remove_dir_all(root.path().join("valid/c")).unwrap();
    for data in [data(root.path(), folders(), Valid::Folder("valid".to_string())), test, all] {
        assert!(!notes(data.clone()).iter().any(|note| note.contains("neither part")), "{data:?}");
    }
}

#[test]
fn stratified_keeps_the_last_image_of_a_class() {
    let files: Vec<(String, &str)> = (0..40)
        .map(|i| (format!("train/{}/{i:02}.jpg", ["many", "more"][i % 2]), ""))
        .chain([("train/alone/1.jpg".to_string(), ""), ("train/zz/1.jpg".to_string(), "")])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let root = folder(&files);
    for (share, seed) in [(0.05, 42), (0.2, 42), (0.2, 7), (0.5, 3), (0.9, 1)] {
        let dataset = single(&data(root.path(), folders(), Valid::Stratified { share, seed, fold: 0 })).unwrap();
        assert!(dataset.class_counts().iter().all(|count| *count > 0), "{share} {seed}");
        assert!(!dataset.valid.is_empty());
        assert_eq!(dataset.notes[0], "2 of 4 classes have a single image, which the split leaves for training");
    }
}

#[test]
fn what_is_there_instead_of_classes_is_named() {
    let finding = |files: &[(&str, &str)], source: Source, valid: Valid, test: Option<&str>| {
        let root = folder(files);
        let mut data = data(root.path(), source, valid);
        data.test = test.map(str::to_string);
        let error = single(&data).unwrap_err();
        error.findings[0].text.replace(root.path().to_str().unwrap(), "ROOT")
    };
    let two = &[("train/a/1.jpg", ""), ("train/b/1.jpg", "")][..];
    let with = |more: &[(&'static str, &'static str)]| [two, more].concat();
    let valid = || Valid::Folder("valid".to_string());
    for (files, valid, test, expected) in [
        (
            vec![("train/train/a/1.jpg", ""), ("train/train/b/1.jpg", "")],
            Valid::None,
            None,
            "has one sub-folder, \"train\", and the classes lie in that (\"a\", \"b\"): say `train: \"train/train\"`",
        ),
        (
            vec![("train/cat.0.jpg", ""), ("train/cat.1.jpg", ""), ("train/dog.0.jpg", ""), ("train/dog.1.jpg", "")],
            Valid::None,
            None,
            "begin with \"cat\", \"dog\": if those are the classes, move the files into folders (`mkdir train/cat; mv \
             train/cat?*.* train/cat/`",
        ),
        (
            vec![("images/a/1.jpg", ""), ("images/b/1.jpg", "")],
            Valid::None,
            None,
            "the folders in \"images\" hold images: if they are the classes, say `train: \"images\"`",
        ),
        (with(&[("Validation Set/a/1.jpg", "")]), valid(), None, "say `valid: \"Validation Set\"`"),
        (with(&[("valid_set/a/1.jpg", "")]), valid(), None, "say `valid: \"valid_set\"`"),
        (with(&[("test/a/1.jpg", ""), ("test/b/1.jpg", "")]), valid(), None, "`valid: \"test\"` measures on \"test\""),
        (
            with(&[("test/unknown/1.jpg", ""), ("test/unknown/2.jpg", "")]),
            Valid::None,
            Some("test"),
            "one sub-folder, \"unknown\", which is no class: if it holds the test images, say `test: \"test/unknown\"`",
        ),
    ] {
        let found = finding(&files, folders(), valid, test);
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
    for (files, expected) in [
        (vec![("img/a.jpg", ""), ("labels.xlsx", "")], "\"labels.xlsx\" is there: save the sheet as csv"),
        (vec![("img/a.jpg", ""), ("labels.csv.gz", "")], "\"labels.csv.gz\" is there: unpack it"),
        (vec![("img/a.jpg", ""), ("tables/labels.csv", "")], "say `labels: \"tables/labels.csv\"`"),
        (vec![("img/a.jpg", ""), ("train_labels.csv", "")], "say `labels: \"train_labels.csv\"`"),
    ] {
        let found = finding(&files, csv(), Valid::None, None);
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
    let root = folder(&[("labels.csv", "id,label\n"), ("data/img/a.jpg", "")]);
    let found = only_finding(&data(&root.path().join("data"), csv(), Valid::None));
    assert!(found.contains("say `labels: \"../labels.csv\"`"), "{found}");
}

#[test]
fn images_that_are_not_read_are_no_other_files() {
    let root = folder(&[
        ("train/a/1.jpg", ""),
        ("train/a/2.HEIC", ""),
        ("train/a/3.txt", "text"),
        ("train/b/4", "P3 2 2 255"),
        ("train/b/1.jpg", ""),
        ("train/b/~$2.docx", "x"),
        ("train/Network Trash Folder/1.jpg", ""),
        ("train/#snapshot/1.jpg", ""),
    ]);
    let dataset = single(&data(root.path(), folders(), Valid::None)).unwrap();
    assert_eq!(dataset.classes, ["a", "b"]);
    let notes = dataset.notes.join("\n");
    for part in [
        "2 images of kinds that are not read",
        "\"a/2.HEIC\", \"b/4\"; convert them",
        "1 file in ",
        "is no image",
        "\"a/3.txt\"",
    ] {
        assert!(notes.contains(part), "{part}\nis not in\n{notes}");
    }
    assert!(!notes.contains("docx"), "{notes}");
}

#[test]
fn a_folder_with_images_whose_name_begins_with_a_dot_is_no_class_and_is_noted() {
    let files = |dotted: &[&'static str]| {
        let classes = ["train/a/1.jpg", "train/b/1.jpg", "valid/a/2.jpg", "valid/b/2.jpg"];
        classes.iter().chain(dotted).map(|name| (*name, "")).collect::<Vec<_>>()
    };
    let notes = |dotted: &[&'static str]| {
        let root = folder(&files(dotted));
        let dataset = single(&data(root.path(), folders(), Valid::Folder("valid".to_string()))).unwrap();
        assert_eq!(dataset.classes, ["a", "b"]);
        dataset.notes.into_iter().filter(|note| note.contains("with a dot")).collect::<Vec<_>>()
    };
    let found = notes(&["train/.net/1.jpg", "train/.c/1.png", "valid/.net/2.jpg", "train/.empty/x.txt"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("2 folders with images in "), "{found:?}");
    assert!(found[0].ends_with("is that of no class: \".c\", \".net\"; rename them if they are classes"), "{found:?}");
    assert!(
        found[1].contains("valid is left out, since a name that begins with a dot is that of no class"),
        "{found:?}"
    );
    assert!(found[1].ends_with("\".net\"; rename it if it is a class"), "{found:?}");
    let programs =
        notes(&["train/.thumbnails/1.jpg", "train/.Trash-1000/1.jpg", "train/__MACOSX/a/1.jpg", "train/.x.jpg"]);
    assert!(programs.is_empty(), "{programs:?}");
}

#[test]
fn an_empty_class_folder_is_no_second_class() {
    let root = folder(&[("train/cats/1.jpg", ""), ("train/cats/2.jpg", ""), ("valid/cats/3.jpg", "")]);
    let finding = |valid: Valid| {
        let error = single(&data(root.path(), folders(), valid)).unwrap_err();
        assert_eq!(error.findings.len(), 1, "{error}");
        error
    };
    let held_out = || Valid::Folder("valid".to_string());
    let expected = "all 3 images have the label \"cats\": a classifier needs at least two classes";
    assert_eq!(finding(held_out()).findings[0].text, expected);
    for empty in ["train/dogs", "valid/dogs"] {
        std::fs::create_dir(root.path().join(empty)).unwrap();
    }
    let error = finding(held_out());
    assert_eq!(error.findings[0].text, expected);
    assert!(error.notes.iter().any(|note| note.starts_with("class \"dogs\" has no images in ")), "{error}");
    assert!(finding(Valid::None).findings[0].text.starts_with("all 2 images have the label \"cats\""));
    // Two classes with images are enough.
    for name in ["train/birds/4.jpg", "valid/birds/5.jpg"] {
        std::fs::create_dir(root.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(root.path().join(name), "").unwrap();
    }
    assert_eq!(single(&data(root.path(), folders(), held_out())).unwrap().class_counts(), [1, 2, 0]);
    // The rows of a class may be left out too.
    let root = rows(&[("a", "x", ""), ("b", "x", ""), ("c", "y", "")]);
    std::fs::remove_file(root.path().join("img/c.jpg")).unwrap();
    let skip = Data { corrupt: Corrupt::Skip, ..data(root.path(), csv(), Valid::None) };
    assert!(only_finding(&skip).starts_with("all 2 images have the label \"x\""));
}

#[test]
fn images_below_the_root_itself_have_no_dot_in_their_names() {
    let root = folder(&[
        ("a/1.jpg", ""),
        ("a/2.jpg", ""),
        ("b/3.jpg", ""),
        ("b/4.jpg", ""),
        ("v.txt", "./a/2.jpg\nb/3.jpg\n"),
    ]);
    for train in [".", "./"] {
        let source = Source::Folders { train: train.to_string() };
        let dataset = single(&data(root.path(), source, Valid::Indices("v.txt".to_string()))).unwrap();
        assert_eq!(
            (ids(&dataset.train), ids(&dataset.valid)),
            (vec!["a/1.jpg", "b/4.jpg"], vec!["a/2.jpg", "b/3.jpg"])
        );
        assert!(!dataset.train[0].path.display().to_string().contains("/./"), "{}", dataset.train[0].path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_that_it_lies_in_is_named() {
    let root = folder(&[("train/cats/1.jpg", ""), ("train/dogs/1.jpg", "")]);
    std::os::unix::fs::symlink(root.path().join("train"), root.path().join("train/cats/again")).unwrap();
    let error = single(&data(root.path(), folders(), Valid::None)).unwrap_err().to_string();
    assert!(error.contains("again is a link to a folder that it lies in: remove the link"), "{error}");
}
