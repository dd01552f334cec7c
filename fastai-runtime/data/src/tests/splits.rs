//! Which images are held out, by source and split, and what is refused.

use std::collections::BTreeSet;

use fastai_dsl::{Dealing, Stats, TransformSet, Transforms};
use image::{ImageFormat, Rgb, RgbImage};

use super::*;
use crate::{ImageExamples, ImageSet, Preparation, Traversal};

fn tags(data: &Data) -> Result<Dataset, DataError> {
    Dataset::open(data, TaskKind::MultiLabel)
}

#[test]
fn a_tag_that_only_chosen_validation_images_have_is_named() {
    let root = rows(&[("a", "sea land", "0"), ("b", "land", "0"), ("c", "sea boat", "1"), ("d", "", "0")]);
    std::fs::write(root.path().join("list.txt"), "c\n").unwrap();
    std::fs::create_dir(root.path().join("held")).unwrap();
    let refused = |valid: Valid| {
        let text = valid.to_string();
        let findings = tags(&data(root.path(), csv(), valid)).unwrap_err().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        let start = format!("`valid: {text}` holds out all images with the tag \"boat\": a tag that is never trained");
        assert!(findings[0].text.starts_with(&start), "{findings:?}");
    };
    refused(Valid::Column("flag".to_string()));
    refused(Valid::Indices("list.txt".to_string()));
    std::fs::rename(root.path().join("img/c.jpg"), root.path().join("held/c.jpg")).unwrap();
    refused(Valid::Folder("held".to_string()));
    std::fs::rename(root.path().join("held/c.jpg"), root.path().join("img/c.jpg")).unwrap();
    // A drawn share was chosen by nobody: some fold holds `c` out, and that is a note.
    let drawn = |valid: fn(u32) -> Valid| {
        let opened = (0..4).map(|fold| tags(&data(root.path(), csv(), valid(fold))).unwrap());
        let of_c = opened.filter(|dataset| ids(&dataset.valid) == ["c"]).collect::<Vec<_>>();
        assert_eq!(of_c.len(), 1);
        of_c[0].notes.iter().find(|note| note.contains("no training image")).unwrap().clone()
    };
    let note = drawn(|fold| Valid::Random { share: 0.25, seed: 42, fold });
    assert!(note.contains("\"boat\"; `valid: stratified(0.25)` holds out a share of each set of tags"), "{note}");
    let proposed = tags(&data(root.path(), csv(), Valid::Stratified { share: 0.25, seed: 42, fold: 0 })).unwrap();
    assert!(proposed.valid.len() == 1 && proposed.class_counts().iter().all(|count| *count > 0));
    // `stratified` leaves each tag an image to train on, and says if nothing is left to hold out.
    for fold in 0..4 {
        match tags(&data(root.path(), csv(), Valid::Stratified { share: 0.25, seed: 42, fold })) {
            Ok(dataset) => assert!(dataset.class_counts().iter().all(|count| *count > 0), "fold {fold}"),
            Err(error) => assert!(error.findings[0].text.contains("holds out none of 4 images"), "{error}"),
        }
    }
}

#[test]
fn a_stratified_split_takes_tags_as_a_set() {
    let names: Vec<String> = (0..60).map(|i| format!("{i:02}")).collect();
    let cells = |turned: bool| -> Vec<&str> {
        (0..60)
            .map(|i| match (i % 4, turned && i % 8 < 4) {
                (0, false) => "sea land",
                (0, true) => "land sea",
                (1, false) => "land cloud haze",
                (1, true) => "haze land cloud",
                (2, _) => "sea",
                _ => "",
            })
            .collect()
    };
    let split = |cells: &[&str], task| {
        let root = rows(&names.iter().zip(cells).map(|(name, cell)| (name, cell, "")).collect::<Vec<_>>());
        let valid = Valid::Stratified { share: 0.2, seed: 42, fold: 1 };
        let dataset = Dataset::open(&data(root.path(), csv(), valid), task).unwrap();
        ids(&dataset.valid).into_iter().map(String::from).collect::<Vec<_>>()
    };
    let plain = split(&cells(false), TaskKind::MultiLabel);
    assert_eq!(plain, split(&cells(true), TaskKind::MultiLabel));
    // A fifth of each of the four sets of 15.
    for set in 0..4 {
        assert_eq!(plain.iter().filter(|id| id.parse::<usize>().unwrap() % 4 == set).count(), 3);
    }
    // Of one label each it is what it always was: the rows in the permutation's order, sorted by class.
    let classes: Vec<&str> = (0..60).map(|i| ["x", "y", "z z"][i % 3]).collect();
    let expected = super::super::stratified_indices(&classes, 0.2, 42, 1);
    let expected: Vec<&str> = expected.into_iter().map(|row| names[row].as_str()).collect();
    assert_eq!(split(&classes, TaskKind::SingleLabel), expected);
}

#[test]
fn a_held_out_folder_may_lie_inside_of_the_images() {
    let root = rows(&[("a", "x", ""), ("b", "y", "")]);
    let text = "id,label\na,x\nb,y\nkept/c,x\n./kept/d,y\nelse/e,x\n";
    std::fs::write(root.path().join("labels.csv"), text).unwrap();
    for name in ["kept/c", "kept/d", "else/e"] {
        std::fs::create_dir_all(root.path().join("img").join(name).parent().unwrap()).unwrap();
        std::fs::write(root.path().join(format!("img/{name}.jpg")), "").unwrap();
    }
    for folder in ["img/kept", "img/kept/", "./img/kept"] {
        let dataset = single(&data(root.path(), csv(), Valid::Folder(folder.to_string()))).unwrap();
        assert_eq!((ids(&dataset.train), ids(&dataset.valid)), (vec!["a", "b", "else/e"], vec!["kept/c", "./kept/d"]));
    }
    // Paths are below the root.
    let findings = single(&data(root.path(), csv(), Valid::Folder("kept".to_string()))).unwrap_err().findings;
    assert!(findings[0].text.ends_with("did you mean `folder(\"img/kept\")`?"), "{findings:?}");
    // All images are no part of them.
    assert!(only_finding(&data(root.path(), csv(), Valid::Folder("img".to_string()))).starts_with("all 5 images"));
    std::fs::remove_file(root.path().join("img/kept/c.jpg")).unwrap();
    let finding = only_finding(&data(root.path(), csv(), Valid::Folder("img/kept".to_string())));
    assert!(finding.contains("labels.csv:4: no image ") && finding.ends_with("img/kept/c.jpg"), "{finding}");
}

#[test]
fn a_summary_counts_the_held_out_folder_of_a_csv() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("d", "y", "")]);
    std::fs::create_dir(root.path().join("held")).unwrap();
    std::fs::rename(root.path().join("img/d.jpg"), root.path().join("held/d.jpg")).unwrap();
    let text = format!(
        "Held {{ task: single_label,
            data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"img\", suffix: \".jpg\", valid: folder(\"held\") }},
            transforms: side_on {{ size: 64 }}, model: squeezenet1_1, metrics: [accuracy],
            train: {{ fit(1e-2, 1); }}, }}",
        root.path()
    );
    let recipe = fastai_dsl::source::RecipeText::new("held", &text, &[]).result.unwrap().recipe;
    let (summary, _) = crate::summarise(&recipe).unwrap();
    assert_eq!((summary.train, summary.valid, summary.split.as_str()), (3, 1, "folder(\"held\")"));
    assert_eq!(summary.classes["y"], (1, 1));
    assert_eq!(summary.facts(&recipe).valid, Some(1));
}

#[test]
fn images_without_a_row_are_found_where_rows_lie() {
    let root = folder(&[
        ("labels.csv", "id,label\na,x\ncats/1,x\ndogs/1,y\n"),
        ("img/a.jpg", ""),
        ("img/b.jpg", ""),
        ("img/cats/1.jpg", ""),
        ("img/cats/2.jpg", ""),
        ("img/cats/2.txt", ""),
        ("img/dogs/1.jpg", ""),
        ("img/birds/1.jpg", ""),
        ("img/birds/far/1.jpg", ""),
        ("img/test/1.jpg", ""),
    ]);
    let mut data = data(root.path(), csv(), Valid::None);
    data.test = Some("img/test".to_string());
    let dataset = single(&data).unwrap();
    assert_eq!(dataset.notes.len(), 1, "{:?}", dataset.notes);
    let note = &dataset.notes[0];
    assert!(
        note.starts_with("3 files in ") && note.ends_with(": \"b.jpg\", \"birds/1.jpg\", \"cats/2.jpg\""),
        "{note}"
    );
    // Where no row lies in a folder, folders are another's.
    std::fs::write(root.path().join("labels.csv"), "id,label\na,x\nb,y\n").unwrap();
    assert_eq!(single(&data).unwrap().notes, Vec::<String>::new());
    // A held-out folder is looked at too.
    std::fs::create_dir(root.path().join("held")).unwrap();
    std::fs::rename(root.path().join("img/b.jpg"), root.path().join("held/b.jpg")).unwrap();
    std::fs::write(root.path().join("held/z.jpg"), "").unwrap();
    std::fs::write(root.path().join("img/c.jpg"), "").unwrap();
    std::fs::write(root.path().join("labels.csv"), "id,label\na,x\nb,y\nc,y\n").unwrap();
    let dataset = single(&Data { valid: Valid::Folder("held".to_string()), ..data }).unwrap();
    assert_eq!(ids(&dataset.valid), ["b"]);
    assert!(dataset.notes[0].ends_with("left out: \"z.jpg\""), "{:?}", dataset.notes);
}

#[test]
fn a_labelled_test_folder_speaks_the_training_classes() {
    let root = rows(&[("a", "cat", ""), ("b", "horse", "")]);
    for name in ["test/cat/1.jpg", "test/horse/2.jpg"] {
        std::fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(root.path().join(name), "").unwrap();
    }
    let data = Data { test: Some("test".to_string()), ..data(root.path(), csv(), Valid::None) };
    let dataset = single(&data).unwrap();
    let targets: Vec<&Target> = dataset.test.iter().map(|item| &item.target).collect();
    assert_eq!(targets, [&Target::Class(0), &Target::Class(1)]);
    let findings = tags(&data).unwrap_err().findings;
    assert!(findings[0].text.contains("`task: multi_label` gives an image no class"), "{findings:?}");
    std::fs::write(root.path().join("labels.csv"), "id,label\na,1\nb,2\n").unwrap();
    let findings = Dataset::open(&data, TaskKind::Regression).unwrap_err().findings;
    assert!(findings[0].text.contains("`task: regression` gives an image no class"), "{findings:?}");
    std::fs::write(root.path().join("labels.csv"), "id,label\na,cat\nb,horses\n").unwrap();
    let finding = only_finding(&data);
    let test = root.path().join("test");
    assert!(finding.starts_with(&format!("class \"horse\" of {} is no training class", test.display())), "{finding}");
    assert!(finding.ends_with("did you mean \"horses\"?"), "{finding}");
}

#[test]
fn folders_are_split_by_every_rule() {
    // 30 cats and 20 dogs, in the order of the listing.
    let names: Vec<String> = (0..50)
        .map(|i| if i < 30 { format!("train/cat/{i:02}.jpg") } else { format!("train/dog/{i:02}.jpg") })
        .collect();
    let root = folder(&names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let held_out = |valid: Valid| -> Vec<String> {
        let dataset = single(&data(root.path(), folders(), valid)).unwrap();
        let (train, valid) = (ids(&dataset.train), ids(&dataset.valid));
        let all: BTreeSet<&str> = train.iter().chain(&valid).copied().collect();
        assert_eq!((all.len(), train.len() + valid.len()), (50, 50));
        assert!(
            dataset
                .train
                .iter()
                .chain(&dataset.valid)
                .all(|item| { item.target == Target::Class(u32::from(item.id.contains("/dog/"))) })
        );
        valid.into_iter().map(String::from).collect()
    };
    let of = |mut places: Vec<usize>| -> Vec<String> {
        places.sort_unstable();
        places.into_iter().map(|place| names[place].clone()).collect()
    };
    assert_eq!(held_out(RANDOM), of(cv_indices(50, 0.2, 42, 0)));
    let stratified = held_out(Valid::Stratified { share: 0.2, seed: 42, fold: 2 });
    assert_eq!(stratified.iter().filter(|id| id.contains("/cat/")).count(), 6);
    assert_eq!(stratified.len(), 10);
    let blocks = held_out(Valid::Blocks { size: 5, share: 0.2, seed: 42, fold: 0 });
    let drawn = cv_indices(10, 0.2, 42, 0).into_iter().flat_map(|block| 5 * block..5 * block + 5).collect();
    assert_eq!(blocks, of(drawn));
    // The folder's own name may be left out of a list.
    std::fs::write(root.path().join("list.txt"), "train/cat/03.jpg\ncat/07.jpg\ndog/31.jpg\n").unwrap();
    assert_eq!(held_out(Valid::Indices("list.txt".to_string())), of(vec![3, 7, 31]));
    std::fs::write(root.path().join("list.txt"), "cat/07.jpg\n07.jpg\n").unwrap();
    let finding = only_finding(&data(root.path(), folders(), Valid::Indices("list.txt".to_string())));
    assert!(finding.ends_with("list.txt:2: no image is called \"07.jpg\""), "{finding}");
    let column = only_finding(&data(root.path(), folders(), Valid::Column("flag".to_string())));
    assert!(column.contains("folders have no columns"), "{column}");
}

#[test]
fn other_names_change_neither_the_split_nor_what_the_network_sees() {
    let labels = ["x", "y", "z"];
    let plain: Vec<String> = (0..30).map(|i| format!("{:03}", i * 7 % 30)).collect();
    let telling: Vec<String> = (0..30).map(|i| format!("{}{:03}", labels[i % 3], 30 - i)).collect();
    // The same images in the same rows, under other names.
    let roots = [&plain, &telling].map(|names| {
        let root = rows(&names.iter().enumerate().map(|(i, name)| (name, labels[i % 3], "")).collect::<Vec<_>>());
        for (i, name) in names.iter().enumerate() {
            let image = RgbImage::from_fn(20, 16, |x, y| Rgb([(x * 9) as u8, (y * 11) as u8, (i * 8) as u8]));
            image.save_with_format(root.path().join(format!("img/{name}.jpg")), ImageFormat::Png).unwrap();
        }
        root
    });
    // Order and numbers of an augmented training epoch, and of the validation images.
    let seen = |items: &[Item], pass: &Traversal| {
        let transforms = Transforms { max_zoom: [1.0, 1.2], ..Transforms::new(TransformSet::TopDown, 12) };
        let preparation = Preparation { transforms, stats: Stats::IMAGENET, batch: 4, workers: 2, seed: 42 };
        let examples = ImageExamples::new(ImageSet::new(items), preparation);
        let (mut order, mut numbers) = (Vec::new(), Vec::new());
        for batch in examples.load(pass, 0).unwrap() {
            let batch = batch.unwrap();
            order.extend(batch.indices);
            numbers.extend(batch.pixels);
        }
        (order, numbers)
    };
    let blocks = Valid::Blocks { size: 3, share: 0.2, seed: 42, fold: 0 };
    for valid in [RANDOM, Valid::Stratified { share: 0.2, seed: 42, fold: 1 }, blocks] {
        let sides = [0, 1].map(|which| {
            let dataset = single(&data(roots[which].path(), csv(), valid.clone())).unwrap();
            let names = [&plain, &telling][which];
            let place = |item: &Item| names.iter().position(|name| *name == item.id).unwrap();
            let places =
                |items: &[Item]| items.iter().map(|item| (place(item), item.target.clone())).collect::<Vec<_>>();
            (
                places(&dataset.train),
                places(&dataset.valid),
                seen(&dataset.train, &Traversal::Shuffled { stage: 1, epoch: 2 }),
                seen(&dataset.valid, &Traversal::Plain),
            )
        });
        assert_eq!(sides[0].1.len(), 6);
        assert!(sides[0] == sides[1], "{valid}");
    }
}

#[test]
fn each_fold_is_checked_where_all_are_held_out_in_turn() {
    let folds = |count, dealing| Valid::Folds { count, seed: Valid::default_seed(), fold: None, dealing };
    let said = |cells: &[(&str, &str, &str)], valid: Valid| {
        let root = rows(cells);
        single(&data(root.path(), csv(), valid)).map(|_| ()).map_err(|error| error.findings[0].text.clone())
    };
    // The only image of `y` is the only one of its fold, and goes back to training.
    let three = [("a", "x", ""), ("b", "x", ""), ("c", "y", "")];
    let error = said(&three, folds(3, Dealing::Stratified)).unwrap_err();
    assert!(error.starts_with("`valid: folds(3)` has a fold that holds out none of 3 images; "), "{error}");
    assert!(error.contains("say `valid: folds(2)`"), "{error}");
    said(&three, folds(2, Dealing::Stratified)).unwrap();
    // Sorted by class, one of two blocks leaves the other class alone.
    let sorted: Vec<String> = (0..8).map(|i| format!("{i}")).collect();
    let sorted: Vec<_> = sorted.iter().enumerate().map(|(i, id)| (id.as_str(), ["x", "y"][i / 4], "")).collect();
    let error = said(&sorted, folds(2, Dealing::Blocks(4))).unwrap_err();
    assert!(error.starts_with("`valid: folds(2, blocks = 4)` leaves only images of "), "{error}");
    assert!(error.contains(" to train on in a fold, "), "{error}");
    // Where there are not two parts, no fewer folds help.
    let error = said(&sorted, folds(3, Dealing::Blocks(10))).unwrap_err();
    assert_eq!(error, "`valid: folds(3, blocks = 10)` needs at least 3 blocks, and there is 1: say smaller blocks");
    let blocks = |size| Valid::Blocks { size, share: 0.25, seed: 42, fold: 0 };
    let error = said(&sorted, blocks(200)).unwrap_err();
    assert!(error.ends_with("none of 8 images; all of them are in one block, so say smaller blocks"), "{error}");
    said(&sorted, blocks(2)).unwrap();
}

#[test]
fn a_split_is_not_blamed_for_images_that_are_not_there() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("d", "y", ""), ("e", "x", "")]);
    for name in ["c", "d", "e"] {
        std::fs::remove_file(root.path().join(format!("img/{name}.jpg"))).unwrap();
    }
    let findings = single(&data(root.path(), csv(), RANDOM)).unwrap_err().findings;
    assert!(!findings.iter().any(|finding| finding.text.contains("holds out none")), "{findings:#?}");
}
