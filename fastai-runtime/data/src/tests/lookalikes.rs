//! What preflight says of images that show nearly the same on both sides of a split, and of what no fold measures.

use fastai_dsl::Dealing;
use image::{Rgb, RgbImage};

use super::preflight::{assert_parts, open, picture};
use super::*;
use crate::{AcrossFolds, FoldsWithout};

/// A csv data set of the frames of films; `film` says of each frame which film it is of. The frames of a film differ in light.
/// The column `flag` names the film if `named`, and is another for each frame otherwise.
fn films(film: &[u64], named: bool) -> TempDir {
    films_of(film, named, &|i| ["x", "y"][i % 2])
}

/// Like [`films`], with the classes of the frames.
fn films_of(film: &[u64], named: bool, class: &dyn Fn(usize) -> &'static str) -> TempDir {
    let row = |(i, film): (usize, &u64)| {
        let flag = if named { *film } else { i as u64 };
        (format!("{i:02}"), class(i), flag.to_string())
    };
    let root = rows(&film.iter().enumerate().map(row).collect::<Vec<_>>());
    for (i, film) in film.iter().enumerate() {
        let mut frame = picture(*film);
        let lighter = 2 * (i % 7) as u8;
        frame.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|level| level.saturating_add(lighter)));
        frame.save_with_format(root.path().join(format!("img/{i:02}.jpg")), image::ImageFormat::Png).unwrap();
    }
    root
}

/// Which film each of so many frames is of, where films of this length follow each other.
fn in_order(frames: u64, length: u64) -> Vec<u64> {
    (0..frames).map(|i| i / length).collect()
}

#[test]
fn a_split_that_parts_fewer_images_that_look_alike_is_proposed_with_their_number() {
    for (film, named, split, proposed, parted) in [
        (in_order(60, 5), true, RANDOM, "grouped(\"flag\", share = 0.2)", 0),
        (in_order(60, 5), false, RANDOM, "blocks(10, share = 0.2)", 0),
        (in_order(60, 5), false, three_folds(None), "folds(3, blocks = 10)", 0),
    ] {
        let root = films(&film, named);
        let (dataset, health) = open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap();
        let together = health.together.clone().unwrap_or_else(|| panic!("nothing is proposed instead of {proposed}"));
        assert_eq!((together.split.in_short().as_str(), together.parted), (proposed, parted));
        let number = if parted == 0 { "none".to_string() } else { parted.to_string() };
        let said = health.notes(root.path(), &dataset.split).join("\n");
        assert_parts(&said, &[&format!("; with `valid: {proposed}` there would be {number}")]);
        let turns: Vec<Valid> = match together.split.turns() {
            Some(count) => (0..count).filter_map(|fold| together.split.fold_of(count, fold)).collect(),
            None => vec![together.split],
        };
        // The data take what is proposed, and it parts as many as is said.
        let near = |split: Valid| open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap().1.near.len();
        assert_eq!(turns.into_iter().map(near).sum::<usize>(), parted, "{proposed}");
    }
}

#[test]
fn no_split_is_proposed_that_the_data_do_not_take_or_that_does_not_help() {
    let (seed, fold) = (Valid::default_seed(), 0);
    let interleaved: Vec<u64> = (0..60).map(|i| i % 12).collect();
    for (film, split) in [
        // Too few images for a block that is held out.
        (in_order(9, 3), Valid::Random { share: 0.34, seed, fold }),
        (in_order(9, 3), Valid::Folds { count: 2, seed, fold: None, dealing: Dealing::Stratified }),
        // The frames of a film lie in many blocks.
        (interleaved, RANDOM),
        // The films are no blocks of ten: two of them are parted still.
        (in_order(70, 7), RANDOM),
    ] {
        let root = films(&film, false);
        let (dataset, health) = open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap();
        assert!(!health.near.is_empty());
        assert_eq!(health.together, None);
        let said = health.notes(root.path(), &dataset.split).join("\n");
        assert!(!said.contains("blocks") && !said.contains("grouped"), "{said}");
    }
}

#[test]
fn no_split_is_proposed_that_takes_a_class_off_a_side() {
    // A fifth is one film of six, or one block of ten; of three folds, the first holds out two films of one class.
    let open_as = |class: fn(usize) -> &'static str, split: Valid| {
        let root = films_of(&in_order(60, 10), true, &class);
        open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap().1
    };
    for split in [RANDOM, three_folds(None)] {
        let mixed = open_as(|i| ["x", "y"][i % 2], split.clone());
        assert_eq!(mixed.together.map(|together| together.parted), Some(0));
        // Three films of each class.
        let sorted = open_as(|i| ["x", "y"][i / 30], split);
        assert!(sorted.unmeasured.is_empty() && !sorted.near.is_empty());
        assert_eq!(sorted.together, None);
    }
}

#[test]
fn a_split_that_is_proposed_holds_out_about_as_much_of_each_class_as_was_asked() {
    let proposed = |frames: u64, film: u64, class: &dyn Fn(usize) -> &'static str, split: Valid| {
        let root = films_of(&in_order(frames, film), false, class);
        let (dataset, health) = open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap();
        assert!(!health.near.is_empty());
        (dataset, health.together.map(|together| together.split.in_short()))
    };
    // Sorted by class. The first draw of two blocks of twelve is of one class, the second of both.
    let halves = |i: usize| if i < 60 { "x" } else { "y" };
    for split in [RANDOM, Valid::Blocks { size: 7, share: 0.2, seed: 42, fold: 0 }] {
        let (_, split) = proposed(120, 10, &halves, split);
        assert_eq!(split.as_deref(), Some("blocks(10, share = 0.2, fold = 1)"));
    }
    // A quarter of the images is of one class: two blocks of twenty are twice as much of it as a tenth, or nothing.
    let quarter = |i: usize| if i < 50 { "x" } else { "y" };
    let (dataset, split) = proposed(200, 10, &quarter, Valid::Random { share: 0.1, seed: 48, fold: 0 });
    assert_eq!((dataset.counts_of(&dataset.valid), split), (vec![5, 15], None));
    // What a split lacks, another may lack too: of a class with one image, one side has none.
    let alone = |i: usize| if i == 12 { "z" } else { ["x", "y"][i % 2] };
    let (dataset, split) = proposed(60, 5, &alone, RANDOM);
    assert_eq!(dataset.class_counts()[2], 0);
    assert_eq!(split.as_deref(), Some("blocks(10, share = 0.2)"));
}

#[test]
fn columns_that_name_no_groups_are_not_proposed() {
    let root = films(&in_order(60, 5), true);
    let split = || open(&data(root.path(), csv(), RANDOM), TaskKind::SingleLabel).unwrap().1.together.unwrap().split;
    assert_eq!(split().in_short(), "grouped(\"flag\", share = 0.2)");
    let table = std::fs::read_to_string(root.path().join("labels.csv")).unwrap();
    let write = |text: &str| std::fs::write(root.path().join("labels.csv"), text).unwrap();
    // Two columns of one name, and a row that ends before the column.
    write(&table.replace("id,label,flag", "id,label,flag,flag"));
    assert_eq!(split().in_short(), "blocks(10, share = 0.2)");
    write(&table.replace("\n07,y,1\n", "\n07,y\n"));
    assert_eq!(split().in_short(), "blocks(10, share = 0.2)");
}

#[test]
fn a_few_images_that_resemble_others_are_named_to_be_removed() {
    // 40 pictures, and copies of two of them.
    let all: Vec<u64> = (0..40).chain([3, 3, 17]).collect();
    let root = films(&all, false);
    for split in [Valid::Random { share: 0.4, seed: 42, fold: 0 }, three_folds(None)] {
        let (dataset, health) = open(&data(root.path(), csv(), split.clone()), TaskKind::SingleLabel).unwrap();
        assert!((1..=4).contains(&health.near.len()), "{:?}", health.near);
        // One of each film stays.
        assert_eq!((health.removable.len(), &health.together), (3, &None), "{split:?}");
        let said = health.notes(root.path(), &dataset.split).join("\n");
        assert_parts(&said, &["; without img/", "there would be none: remove the files, and their rows"]);
        // Without them there are none, however the others are dealt out.
        let removed = |id: &str| health.removable.iter().any(|path| path.ends_with(format!("{id}.jpg")));
        let table = std::fs::read_to_string(root.path().join("labels.csv")).unwrap();
        let rest: Vec<&str> = table.lines().filter(|line| !removed(&line[..2])).collect();
        assert_eq!(rest.len() + 3, table.lines().count());
        std::fs::write(root.path().join("labels.csv"), rest.join("\n")).unwrap();
        let (_, left) = open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap();
        assert_eq!(left.near, Vec::<[PathBuf; 2]>::new());
        std::fs::write(root.path().join("labels.csv"), table).unwrap();
    }
}

/// Three folds, or one of them.
fn three_folds(fold: Option<u32>) -> Valid {
    Valid::Folds { count: 3, seed: Valid::default_seed(), fold, dealing: Dealing::Stratified }
}

/// What is seen of the images in `root` before one of three folds that are held out in turn, or before all of them.
fn seen_in_turn(root: &Path, fold: Option<u32>) -> Health {
    seen_across(&data(root, csv(), three_folds(fold)), &AcrossFolds::default())
}

/// What is seen of the images of `data`, whose fold is held out in turn with others.
fn seen_across(data: &Data, across: &AcrossFolds) -> Health {
    let stop = StopSignal::default();
    let preflight = Preflight { across: Some(across), ..preflight(data.corrupt, data.duplicates, 32, &stop) };
    preflight.open(data, TaskKind::SingleLabel, &mut Silent).unwrap().1
}

#[test]
fn the_folds_of_a_run_are_compared_once() {
    let root = films(&in_order(60, 3), true);
    let across = AcrossFolds::default();
    let folds = [0, 1, 2].map(|fold| seen_across(&data(root.path(), csv(), three_folds(Some(fold))), &across));
    assert!(!folds[0].near.is_empty() && folds[0].together.is_some());
    // Images of which none look alike, which only a search of their own would tell.
    let others = films(&in_order(60, 1), true);
    let taken_over = seen_across(&data(others.path(), csv(), three_folds(Some(1))), &across);
    assert_eq!(taken_over.near, folds[0].near);
    assert!(seen_in_turn(others.path(), Some(1)).near.is_empty());
    let said = folds.map(|health| health.notes(root.path(), &three_folds(None)));
    assert!(said[1] == said[0] && said[2] == said[0], "{said:#?}");
}

#[test]
fn folds_that_lack_a_class_are_named_together() {
    // One image of `w`, and two of `v` and of `z` each.
    let class = |i: usize| match i {
        8 => "w",
        20 | 21 => "v",
        3 | 17 => "z",
        _ => ["x", "y"][i % 2],
    };
    let root = films_of(&in_order(30, 1), true, &class);
    let folds = |fold| Valid::Folds { count: 4, seed: 42, fold, dealing: Dealing::Stratified };
    let (v, z) = ("v".to_string(), "z".to_string());
    for fold in [None, Some(0), Some(3)] {
        let health = seen_across(&data(root.path(), csv(), folds(fold)), &AcrossFolds::default());
        assert_eq!(health.unmeasured, ["w"]);
        assert_eq!(health.lacking, [FoldsWithout { folds: vec![3, 4], classes: vec![v.clone(), z.clone()] }]);
        let said = health.notes(root.path(), &folds(fold)).join("\n");
        assert_parts(&said, &["1 class has no validation image", "folds 3 and 4 hold out no image of \"v\", \"z\": "]);
    }
    // In a run of its own, a fold is all that measures.
    let alone = open(&data(root.path(), csv(), folds(Some(3))), TaskKind::SingleLabel).unwrap().1;
    assert_eq!((alone.unmeasured.join(" "), alone.lacking), ("v w z".to_string(), Vec::new()));
}

#[test]
fn each_fold_names_the_same_images_to_be_removed() {
    // Pairs alone, so that which of the two is named is a matter of choice.
    let all: Vec<u64> = (0..40).chain([3, 17]).collect();
    let root = films(&all, false);
    let removable = [None, Some(0), Some(1), Some(2)].map(|fold| seen_in_turn(root.path(), fold).removable);
    assert!(!removable[0].is_empty() && removable.iter().all(|of_fold| *of_fold == removable[0]), "{removable:?}");
}

#[test]
fn pairs_of_folds_are_counted_once_and_told_alike_in_each() {
    // 20 films of three frames: each has at most three pairs.
    let root = films(&in_order(60, 3), true);
    let whole = seen_in_turn(root.path(), None);
    assert!((1..=60).contains(&whole.near.len()), "{}", whole.near.len());
    let said = whole.notes(root.path(), &three_folds(None)).concat();
    assert_parts(&said, &["with `valid: folds(3, grouped = \"flag\")` there would be none"]);
    for fold in 0..3 {
        let one = seen_in_turn(root.path(), Some(fold));
        assert_eq!((&one.near, &one.together), (&whole.near, &whole.together), "fold {fold}");
        // In a run of its own it is measured by its own pairs, and what is proposed is such a run.
        let alone = open(&data(root.path(), csv(), three_folds(Some(fold))), TaskKind::SingleLabel).unwrap().1;
        assert!(alone.near.len() < whole.near.len());
        let split = alone.together.unwrap().split.in_short();
        assert_eq!(split, format!("folds(3, fold = {fold}, grouped = \"flag\")"));
    }
}

#[test]
fn what_is_said_of_images_that_look_alike_fits_the_split() {
    let near = vec![[PathBuf::from("r/a"), PathBuf::from("r/b")]];
    let health = Health { near, ..Health::default() };
    let (share, seed, fold) = (0.2, 42, 0);
    let list = "; `valid: indices(..)`, a list of names, can keep such images on one side";
    for (split, advice) in [
        (RANDOM, list),
        (Valid::Grouped { column: "patient".to_string(), share, seed, fold }, list),
        (
            Valid::Folds { count: 4, seed, fold: None, dealing: Dealing::Blocks(20) },
            "; keep one image of each pair, or take what is measured as that of images like those trained on",
        ),
        (
            Valid::Indices("v.txt".into()),
            "; let `valid: indices(\"v.txt\")` hold out both images of such a pair, or neither",
        ),
        (Valid::Rows((0..5_000).collect()), "; let `valid: rows(..)` hold out both images of such a pair, or neither"),
        (Valid::Given, "; let the split hold out both images of such a pair, or neither"),
    ] {
        let said = health.notes(Path::new("r"), &split).concat();
        assert_eq!(said.split_once("a and b").unwrap().1, advice);
    }
}

/// Ground seen from above: smooth, and nowhere the same.
fn ground(x: f64, y: f64) -> Rgb<u8> {
    let wave = |k: f64| (x / (31.0 + k) + (y / 47.0).sin() * 2.0).sin() + (y / (23.0 + 2.0 * k) - x / 90.0).cos();
    Rgb([1.0, 5.0, 9.0].map(|k| (127.0 + 60.0 * wave(k)) as u8))
}

#[test]
fn neighbouring_crops_on_both_sides_are_found() {
    let folder = TempDir::new().unwrap();
    let crop = |name: &str, left: u32| {
        let path = folder.path().join(format!("{name}.png"));
        RgbImage::from_fn(128, 128, |x, y| ground(f64::from(x + left), f64::from(y))).save(&path).unwrap();
        (path, if name < "c" { "x" } else { "y" })
    };
    // The first two of each side overlap by all but a few columns, the others show other ground.
    let train = [crop("a", 0), crop("b", 1000), crop("c", 2000), crop("d", 3000)];
    let valid = [crop("a_next", 5), crop("c_next", 2004), crop("e", 4000)];
    let mut dataset = Dataset::from_parts(train, valid).unwrap();
    let health = check(&mut dataset, Corrupt::Deny, Duplicates::Drop, 64).unwrap();
    let names: Vec<[String; 2]> = health
        .near
        .iter()
        .map(|pair| pair.each_ref().map(|p| p.file_stem().unwrap().to_string_lossy().into()))
        .collect();
    assert_eq!(names, [["a", "a_next"], ["c", "c_next"]]);
    assert_eq!(health.cut, Truncated::default());
    // On one side they are no leak.
    let all: Vec<_> = dataset.train.iter().chain(&dataset.valid).map(|item| (item.path.clone(), "x")).collect();
    let mut blocks: Vec<_> = all.clone();
    blocks.sort();
    let other = [crop("z", 9000)].map(|(path, _)| (path, "y"));
    let train: Vec<_> = blocks.into_iter().chain(other).collect();
    let mut dataset = Dataset::from_parts(train, [crop("zz", 9500)]).unwrap();
    assert_eq!(check(&mut dataset, Corrupt::Deny, Duplicates::Drop, 64).unwrap().near, Vec::<[PathBuf; 2]>::new());
}
