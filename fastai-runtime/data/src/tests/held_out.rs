//! Which images the key `valid` of a recipe holds out.

use std::collections::HashSet;

use super::*;

#[test]
fn the_random_split_is_fastais_and_keeps_the_order_of_the_file() {
    let names: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
    let root = rows(&in_turn(&names));
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
    let root = rows(&in_turn(&names));
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
    assert!(findings[0].text.ends_with("valid.txt:2: no image is called \"d\""), "{findings:?}");
    assert!(findings[1].text.ends_with("valid.txt:4: no image is called \"e\""), "{findings:?}");
    assert!(only_finding(&list("a\nb\nc\n")).starts_with("all 4 images are held out"));
    assert!(only_finding(&list("\n")).contains("holds out none of 4 images"));
}

#[test]
fn a_file_that_is_no_list_of_images_is_one_finding() {
    let root = rows(&[("a", "x", "1"), ("b", "y", "0"), ("c", "x", "0"), ("d", "y", "0")]);
    let said = |name: &str, text: Option<&str>| {
        let file = root.path().join(name);
        text.into_iter().for_each(|text| std::fs::write(&file, text).unwrap());
        let finding = only_finding(&data(root.path(), csv(), Valid::Indices(name.to_string())));
        finding.strip_prefix(&format!("{}: ", file.display())).unwrap_or(&finding).to_string()
    };
    let wanted = "and `valid: indices(..)` names a list of the images to hold out, one a line, such as \"a\"";
    let labels = said("labels.csv", None);
    let draws = "`valid: random(0.2)` draws a fifth of the images";
    assert_eq!(labels, format!("this is the table of the labels, {wanted}; {draws}"));
    let table = said("valid.csv", Some("label;id\nx;\"b\"\ny;c.jpg\n"));
    assert_eq!(table, format!("this is a table, {wanted}: keep its column 2 alone"));
    let numbers = said("valid.txt", Some("3\n0\n"));
    let positions = "positions, from 0, stand in the recipe: `valid: rows([3, 0])`";
    assert_eq!(numbers, format!("these are numbers, {wanted}; {positions}"));
    let others = said("valid.txt", Some("x/1.png\nx/2.png\n7\n"));
    assert_eq!(others, format!("none of its 3 lines names an image, the first says \"x/1.png\", {wanted}"));
}

#[test]
fn a_column_of_held_out_images() {
    let flagged = |flags: [&str; 3]| {
        let root = rows(&[("a", "x", flags[0]), ("b", "y", flags[1]), ("c", "x", flags[2]), ("d", "y", "0")]);
        let dataset = single(&data(root.path(), csv(), Valid::Column("flag".to_string())));
        dataset.map(|d| ids(&d.valid).join(" ")).map_err(|e| e.to_string())
    };
    assert_eq!(flagged(["0", "TRUE", "1"]).unwrap(), "b c");
    assert!(flagged(["0", "maybe", "1"]).unwrap_err().contains("labels.csv:3: \"maybe\" says neither yes nor no"));
}

#[test]
fn a_folder_of_held_out_images_beside_a_csv() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "y", "")]);
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
fn a_class_that_is_only_held_out_is_named() {
    let root = rows(&[("a", "x", "0"), ("b", "y", "0"), ("c", "z", "1")]);
    let finding = only_finding(&data(root.path(), csv(), Valid::Column("flag".to_string())));
    assert!(finding.starts_with("`valid: column(\"flag\")` holds out all images of \"z\""), "{finding}");
    // Nobody chose what a drawn share holds out.
    let dataset = single(&data(root.path(), csv(), Valid::Random { share: 0.34, seed: 42, fold: 0 })).unwrap();
    assert_eq!(dataset.classes, ["x", "y", "z"]);
    assert_eq!(dataset.notes.len(), 1);
    assert!(dataset.notes[0].starts_with("1 of 3 classes has no training image"), "{}", dataset.notes[0]);
    assert!(dataset.notes[0].contains("each image is the only one of its class"), "{}", dataset.notes[0]);
}

#[test]
fn one_class_is_nothing_to_learn() {
    // A drawn share that takes all images of the other class.
    let root = rows(&[("a", "x", ""), ("b", "x", ""), ("c", "y", "")]);
    let drawn = |fold| single(&data(root.path(), csv(), Valid::Random { share: 0.34, seed: 42, fold }));
    let refused = (0..3).filter_map(|fold| drawn(fold).err()).flat_map(|error| error.findings);
    let refused: Vec<String> = refused.map(|finding| finding.text).collect();
    assert_eq!(
        refused,
        ["`valid: random(0.34, fold = 2)` leaves only images of \"x\" to train on, and a classifier needs at \
             least two classes; `valid: stratified(0.4)` keeps some of each class for training"]
    );

    let root = rows(&[("a", "x", ""), ("b", "x", "")]);
    let finding = only_finding(&data(root.path(), csv(), Valid::None));
    assert_eq!(finding, "all 2 images have the label \"x\": a classifier needs at least two classes");
    // A model that knows more classes can be measured on them.
    let measured = Dataset::open_to_measure(&data(root.path(), csv(), Valid::None), TaskKind::SingleLabel).unwrap();
    assert_eq!((measured.classes, measured.train.len()), (vec!["x".to_string()], 2));
}

#[test]
fn nothing_held_out_is_an_error_unless_wanted() {
    let root = rows(&[("a", "x", ""), ("b", "y", "")]);
    assert!(only_finding(&data(root.path(), csv(), RANDOM)).ends_with("none of 2 images; give a larger part"));
    let dataset = single(&data(root.path(), csv(), Valid::None)).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len()), (2, 0));
    assert_eq!(dataset.facts().valid, Some(0));
}

#[test]
fn groups_of_a_column_stay_together() {
    let names: Vec<String> = (0..60).map(|i| format!("{i}")).collect();
    let places: Vec<String> = (0..60).map(|i| format!("place {}", i * 7 % 12)).collect();
    let table: Vec<_> = (0..60).map(|i| (&names[i], ["x", "y"][i % 2], &places[i])).collect();
    let root = rows(&table);
    let place_of = |item: &Item| places[item.id.parse::<usize>().unwrap()].clone();
    let mut held_out = Vec::new();
    for fold in 0..4 {
        let valid = Valid::Grouped { column: "flag".to_string(), share: 0.25, seed: 42, fold };
        let dataset = single(&data(root.path(), csv(), valid)).unwrap();
        let sides = [&dataset.train, &dataset.valid].map(|s| s.iter().map(place_of).collect::<HashSet<_>>());
        assert!(sides[0].is_disjoint(&sides[1]) && sides[1].len() == 3);
        held_out.extend(ids(&dataset.valid).into_iter().map(String::from));
    }
    assert_eq!(held_out.iter().collect::<HashSet<_>>().len(), 60, "every image is held out in one fold");
    let valid = Valid::Grouped { column: "place".to_string(), share: 0.25, seed: 42, fold: 0 };
    assert!(
        only_finding(&data(root.path(), csv(), valid)).contains("no column \"place\" (valid: grouped(\"place\"));")
    );
}
