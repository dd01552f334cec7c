//! What preflight finds on images, and what is left when it leaves some out.

use fastai_dsl::Dealing;
use image::{Rgb, RgbImage};

use super::*;
use crate::random::{Stream, unit};

/// A picture like no other: 6 x 6 fields of random colours.
fn picture(seed: u64) -> RgbImage {
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

fn open(data: &Data, task: TaskKind) -> Result<(Dataset, Health), OpenError> {
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

fn assert_parts(text: &str, parts: &[&str]) {
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
            "; and 2 more",
            "`valid: all`",
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
    assert_parts(&error.findings[0].text, &["holds out 1 row, and none has an image", "`valid: all`"]);
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
    let titles: Vec<&str> = cut.pairs(Path::new("r")).into_iter().map(|(title, _)| title).collect();
    assert!(titles.iter().all(|title| title.ends_with("the first")), "{titles:?}");
}

/// A csv data set of the frames of films; `film` says of each frame which film it is of. The frames of a film differ in light.
/// The column `flag` names the film if `named`, and is another for each frame otherwise.
fn films(film: &[u64], named: bool) -> TempDir {
    let cell = |(i, film): (usize, &u64)| {
        let flag = if named { *film } else { i as u64 };
        [format!("{i:02}"), ["x", "y"][i % 2].to_string(), flag.to_string()]
    };
    let cells: Vec<[String; 3]> = film.iter().enumerate().map(cell).collect();
    let table: Vec<(&str, &str, &str)> = cells.iter().map(|[id, label, flag]| (&**id, &**label, &**flag)).collect();
    let root = rows(&table);
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
    let folds = Valid::Folds { count: 3, seed: Valid::default_seed(), fold: None, dealing: Dealing::Stratified };
    for (film, named, split, proposed, parted) in [
        (in_order(60, 5), true, RANDOM, "grouped(\"flag\", share = 0.2)", 0),
        (in_order(60, 5), false, RANDOM, "blocks(10, share = 0.2)", 0),
        (in_order(60, 5), false, folds, "folds(3, blocks = 10)", 0),
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
    let films: Vec<u64> = in_order(60, 10);
    let open_as = |label: fn(usize) -> &'static str, split: Valid| {
        let root = self::films(&films, true);
        let mut table = "id,label,flag\n".to_string();
        films.iter().enumerate().for_each(|(i, film)| table += &format!("{i:02},{},{film}\n", label(i)));
        std::fs::write(root.path().join("labels.csv"), table).unwrap();
        open(&data(root.path(), csv(), split), TaskKind::SingleLabel).unwrap().1
    };
    let folds = Valid::Folds { count: 3, seed: Valid::default_seed(), fold: None, dealing: Dealing::Stratified };
    for split in [RANDOM, folds] {
        let mixed = open_as(|i| ["x", "y"][i % 2], split.clone());
        assert_eq!(mixed.together.map(|together| together.parted), Some(0));
        // Three films of each class.
        let sorted = open_as(|i| ["x", "y"][i / 30], split);
        assert!(sorted.unmeasured.is_empty() && !sorted.near.is_empty());
        assert_eq!(sorted.together, None);
    }
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

/// What is seen of the images in `root` before a fold that is held out in turn with others.
fn seen_in_turn(root: &Path, fold: Option<u32>) -> Health {
    let data = data(root, csv(), three_folds(fold));
    let stop = StopSignal::default();
    let preflight = Preflight { in_turn: true, ..preflight(data.corrupt, data.duplicates, 32, &stop) };
    preflight.open(&data, TaskKind::SingleLabel, &mut Silent).unwrap().1
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
    let folds = three_folds;
    let open_fold = |fold: Option<u32>| seen_in_turn(root.path(), fold);
    let whole = open_fold(None);
    assert!((1..=60).contains(&whole.near.len()), "{}", whole.near.len());
    let said = whole.notes(root.path(), &folds(None)).concat();
    assert_parts(&said, &["with `valid: folds(3, grouped = \"flag\")` there would be none"]);
    for fold in 0..3 {
        let one = open_fold(Some(fold));
        assert_eq!((&one.near, &one.together), (&whole.near, &whole.together), "fold {fold}");
        // In a run of its own it is measured by its own pairs, and what is proposed is such a run.
        let alone = open(&data(root.path(), csv(), folds(Some(fold))), TaskKind::SingleLabel).unwrap().1;
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
