//! One file, one verdict: whatever a command does with an image, it accepts it or refuses it as all others do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::call::{ROOT, fastai};

/// Names and contents of files that are sound, damaged in many ways, or no images.
fn files() -> Vec<(String, Vec<u8>)> {
    let golden = Path::new(ROOT).join("fastai-runtime/tests/golden/images");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() != Some("json".as_ref()))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(path).unwrap()))
        .collect();
    let read = |name: &str| fs::read(golden.join(name)).unwrap();
    let half = |name: &str| {
        let bytes = read(name);
        bytes[..bytes.len() / 2].to_vec()
    };
    let flipped = |name: &str, at: fn(usize) -> usize| {
        let mut bytes = read(name);
        let at = at(bytes.len());
        bytes[at] ^= 0xff;
        bytes
    };
    let mut hole = read("s420.jpg");
    let middle = hole.len() / 2;
    hole[middle..middle + 200].fill(0);
    let jpeg = read("s420.jpg");
    let mut add = |name: &str, bytes: Vec<u8>| files.push((name.to_string(), bytes));
    for name in ["plain.gif", "plain.bmp", "lossy.webp", "plain.tif", "rgb.png", "s420.jpg", "progressive.jpg"] {
        add(&format!("half_{name}"), half(name));
    }
    add("without_end.jpg", jpeg[..jpeg.len() - 2].to_vec());
    add("zeros_after.jpg", [&jpeg[..], &[0; 100]].concat());
    add("text_after.jpg", [&jpeg[..], b"text"].concat());
    add("line_before.jpg", [b"\n", &jpeg[..]].concat());
    add("fill_bytes.jpg", [&jpeg[..2], b"\xff\xff", &jpeg[2..]].concat());
    add("hole.jpg", hole);
    add("flipped.jpg", flipped("s420.jpg", |len| len / 2));
    add("flipped.png", flipped("rgb.png", |len| len / 2));
    add("checksum.png", flipped("rgb.png", |_| 29));
    add("other_name.png", jpeg);
    add("other_name.jpg", read("rgb.png"));
    add("empty.jpg", Vec::new());
    add("zeros.jpg", vec![0; 4096]);
    add("page.jpg", b"<html>gone</html>".to_vec());
    files
}

/// The files that a text names with a colon after them, which is how errors begin.
fn refused(files: &[(String, Vec<u8>)], said: &str) -> BTreeSet<String> {
    files.iter().map(|(name, _)| name).filter(|name| said.contains(&format!("/{name}: "))).cloned().collect()
}

#[test]
fn every_command_accepts_and_refuses_the_same_files() {
    let scratch = TempDir::new().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_string();
    let files = files();
    let mut chips: Vec<_> = fs::read_dir(Path::new(ROOT).join("examples/data/globe/train-jpg"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    chips.sort();
    for root in ["sound", "train", "valid"] {
        for (i, chip) in chips.iter().take(20).enumerate() {
            let folder = format!("{root}/{}/{}", if i < 12 { "train" } else { "valid" }, ["a", "b"][i % 2]);
            fs::create_dir_all(at(&folder)).unwrap();
            fs::copy(chip, at(&format!("{folder}/chip{i}.jpg"))).unwrap();
        }
    }
    for folder in ["train/train/a", "valid/valid/a", "test"] {
        fs::create_dir_all(at(folder)).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(at(&format!("{folder}/{name}")), bytes).unwrap());
    }
    let weights = format!("{ROOT}/examples/data/squeezenet1_1.safetensors");
    let recipe = at("a.recipe");
    let text = format!(
        "A {{ task: single_label, data: folders {{ root: {:?}, batch: 8 }}, transforms: side_on {{ size: 32 }}, \
         model: squeezenet1_1 {{ weights: {weights:?} }}, metrics: [accuracy], train: {{ fit(0.005, 1); }} }}",
        at("sound")
    );
    fs::write(&recipe, text).unwrap();
    let (run, page) = (at("run"), at("page.html"));
    fastai(&scratch).args(["run", &recipe, "--out", &run, "-q"]).assert().success();

    let of = |root: &str| format!("data.root={:?}", at(root));
    let [train, valid] = ["train", "valid"].map(of);
    let list: Vec<String> = files.iter().map(|(name, _)| at(&format!("test/{name}"))).collect();
    let list = list.iter().map(String::as_str);
    let refused_run = at("refused");
    let calls: [Vec<&str>; 7] = [
        vec!["run", &recipe, "--set", &train, "--out", &refused_run, "-q"],
        vec!["run", &recipe, "--set", &valid, "--out", &refused_run, "-q"],
        vec!["show", &recipe, "--set", &train, "--out", &page],
        vec!["show", &recipe, "--set", &valid, "--out", &page],
        ["validate", &run, "--data"].into_iter().chain([&*at("valid").leak()]).collect(),
        vec!["predict", &run, at("test").leak()],
        ["classify", "--arch", "squeezenet1_1", "--weights", &weights].into_iter().chain(list).collect(),
    ];
    let verdicts: Vec<(String, BTreeSet<String>)> = calls
        .iter()
        .map(|arguments| {
            let output = fastai(&scratch).args(arguments).assert().code(1).get_output().clone();
            let said = String::from_utf8(output.stderr).unwrap();
            (arguments[..2].join(" "), refused(&files, &said))
        })
        .collect();
    let (_, first) = &verdicts[0];
    assert!(first.len() > 12 && first.len() < 24, "{first:?}");
    for name in ["half_s420.jpg", "empty.jpg", "page.jpg", "checksum.png", "hole.jpg", "half_plain.bmp"] {
        assert!(first.contains(name), "{name}: {first:?}");
    }
    for name in ["zeros_after.jpg", "text_after.jpg", "fill_bytes.jpg", "other_name.png", "cmyk.jpg", "deep.tif"] {
        assert!(!first.contains(name), "{name}: {first:?}");
    }
    for (call, verdict) in &verdicts {
        assert_eq!(verdict, first, "{call}");
    }
}
