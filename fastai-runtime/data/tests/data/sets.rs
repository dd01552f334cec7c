//! Real data sets, where they are: `../shared/data` beside the repository, or `$FASTAI_TEST_DATA`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fastai_data::progress::{Silent, StopSignal};
use fastai_data::{Dataset, Health, Histogram, cv_indices};
use fastai_dsl::{Column, Data, Source, TaskKind, Valid};

use crate::{data, preflight};

fn set(name: &str) -> PathBuf {
    let root = std::env::var_os("FASTAI_TEST_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let folder = root.join(name);
    assert!(folder.is_dir(), "no {}", folder.display());
    folder
}

fn csv(labels: &str, images: &str) -> Source {
    crate::csv(labels, images, [0, 1].map(Column::Position))
}

fn look(data: &Data, task: TaskKind, size: u32) -> (Dataset, Health) {
    preflight(data.duplicates, size, &StopSignal::default()).open(data, task, &mut Silent).unwrap()
}

const RANDOM: Valid = Valid::Random { share: 0.2, seed: 42, fold: 0 };

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn the_chips_leak_under_a_random_split_and_not_under_a_blocked_one() {
    let root = set("ucmerced");
    let chips = |valid| data(&root, csv("train_v2.csv", "train-jpg"), valid);
    let (dataset, health) = look(&chips(RANDOM), TaskKind::MultiLabel, 256);
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let identical: Vec<[String; 2]> = health.identical.iter().map(|[a, b]| [name(a), name(b)]).collect();
    assert_eq!(identical, [["airplane01", "airplane02"]]);
    assert_eq!((dataset.train.len(), dataset.valid.len(), dataset.classes.len()), (1680, 420, 17));
    let sizes: Vec<[u32; 3]> = health.sizes.iter().flat_map(|sizes| sizes.0.clone()).collect();
    let odd: u32 = sizes.iter().filter(|[w, h, _]| (*w, *h) != (256, 256)).map(|size| size[2]).sum();
    assert_eq!(odd, 44);
    let small = sizes.iter().filter(|[w, h, _]| (*w).min(*h) < 256);
    assert_eq!(health.enlarged as u32, small.map(|size| size[2]).sum::<u32>());
    assert!(health.enlarged > 0 && health.enlarged <= 44);
    let near: Vec<[String; 2]> = health.near.iter().map(|[a, b]| [name(a), name(b)]).collect();
    eprintln!("{} enlarged; near under the random split: {near:?}", health.enlarged);
    assert!(near.len() >= 3, "{near:?}");
    // What is flagged are neighbours in the list of chips, nearly always of one flight.
    let neighbours =
        near.iter().filter(|[a, b]| a.trim_end_matches(char::is_numeric) == b.trim_end_matches(char::is_numeric));
    assert_eq!(neighbours.count(), near.len(), "{near:?}");
    for fold in 0..5 {
        let blocks = Valid::Blocks { size: 20, share: 0.2, seed: 42, fold };
        let (dataset, health) = look(&chips(blocks), TaskKind::MultiLabel, 64);
        assert_eq!(
            (dataset.valid.len(), health.near.len(), health.dropped.len()),
            (420, 0, 0),
            "fold {fold}: {health:?}"
        );
        assert_eq!(health.enlarged, 0);
    }
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn identical_images_on_both_sides_are_dropped_from_training() {
    let root = set("ucmerced");
    // Some seed parts airplane01 from airplane02.
    let apart = |seed: &u32| {
        let held_out: HashSet<usize> = cv_indices(2100, 0.2, *seed, 0).into_iter().collect();
        let list = std::fs::read_to_string(root.join("train_v2.csv")).unwrap();
        let place = |name: &str| list.lines().position(|line| line.starts_with(&format!("{name},"))).unwrap() - 1;
        held_out.contains(&place("airplane01")) != held_out.contains(&place("airplane02"))
    };
    let seed = (0..100).find(apart).unwrap();
    let valid = Valid::Random { share: 0.2, seed, fold: 0 };
    let (dataset, health) = look(&data(&root, csv("train_v2.csv", "train-jpg"), valid), TaskKind::MultiLabel, 64);
    assert_eq!((health.dropped.len(), health.identical.len()), (1, 0));
    assert_eq!((dataset.train.len(), dataset.valid.len()), (1679, 420));
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn the_breeds_split_is_the_originals() {
    let root = set("dogbreed");
    // Opening looks for files and decodes none: empty ones stand for the images that are not here.
    let whole = tempfile::tempdir().unwrap();
    std::fs::copy(root.join("labels_full.csv"), whole.path().join("labels.csv")).unwrap();
    std::fs::create_dir(whole.path().join("train")).unwrap();
    let list = std::fs::read_to_string(root.join("labels_full.csv")).unwrap();
    let names: Vec<&str> = list.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    names.iter().for_each(|name| drop(std::fs::File::create(whole.path().join(format!("train/{name}.jpg"))).unwrap()));
    let breeds = |valid| Dataset::open(&data(whole.path(), csv("labels.csv", "train"), valid), TaskKind::SingleLabel);
    let dataset = breeds(RANDOM).unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len(), dataset.classes.len()), (8178, 2044, 120));
    // Row 0 is held out, row 1 is not; both sides keep the file's order.
    assert_eq!((dataset.valid[0].id.as_str(), dataset.train[0].id.as_str()), (names[0], names[1]));
    let held_out: HashSet<&str> = cv_indices(10222, 0.2, 42, 0).into_iter().map(|row| names[row]).collect();
    assert!(held_out.contains(names[2882]) && held_out.contains(names[37]));
    assert_eq!(dataset.valid.iter().map(|item| item.id.as_str()).collect::<HashSet<_>>(), held_out);
    let stratified = breeds(Valid::Stratified { share: 0.2, seed: 42, fold: 0 }).unwrap();
    assert_eq!(stratified.valid.len(), 2044);
    let held_out = |dataset: &Dataset| dataset.counts_of(&dataset.valid);
    let all: Vec<f64> = dataset.class_counts().iter().zip(held_out(&dataset)).map(|(t, v)| (t + v) as f64).collect();
    for (held, all) in held_out(&stratified).into_iter().zip(all) {
        assert!((held as f64 - 0.2 * all).abs() <= 1.0, "{held} of {all}");
    }
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn photos_of_pets_and_breeds_are_sound() {
    let folders = Source::Folders { train: "train".to_string() };
    for (name, source, valid, images) in [
        ("dogscats", folders, Valid::Folder("valid".to_string()), (1200, 400)),
        ("dogbreed", csv("labels.csv", "train"), RANDOM, (800, 200)),
    ] {
        let root = set(name);
        let (dataset, health) = look(&data(&root, source, valid), TaskKind::SingleLabel, 224);
        assert_eq!((dataset.train.len() + health.dropped.len(), dataset.valid.len()), images, "{name}");
        eprintln!("{name}: {:#?}", health.notes(&root, &dataset.split));
        compare_sides(name, &health);
        assert_eq!(health.sizes[1].images(), images.1 as u64);
    }
}

/// Compares the sides of the training images with what Pillow and numpy made of the same files
/// (`tools/reference_histograms.py`).
fn compare_sides(name: &str, health: &Health) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/histograms.json");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let [train, ..] = &health.sizes;
    for (what, mut sides) in [("widths", train.widths()), ("heights", train.heights())] {
        for name in [format!("{name} {what}"), format!("{name} {what} below 1,000")] {
            if name.ends_with("below 1,000") {
                let all = sides.len();
                sides.retain(|side| *side < 1000);
                if sides.len() == all {
                    continue;
                }
            }
            let case = cases.iter().find(|case| case["name"] == name.as_str()).unwrap();
            let mut expected: Vec<u64> =
                case["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as u64).collect();
            expected.sort_unstable();
            sides.sort_unstable();
            assert!(sides.iter().copied().map(u64::from).eq(expected), "{name}");
            let counts: Vec<u64> = case["counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            assert_eq!(Histogram::new(&sides, 10).counts, counts, "{name}");
        }
    }
}
