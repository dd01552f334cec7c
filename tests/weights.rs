//! `fastai weights`, `classify` and `summary` as a user meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SQUEEZENET: &str = "examples/data/squeezenet1_1.safetensors";
const CHIP: &str = "examples/data/globe/train-jpg/train_0.jpg";

/// The program, in the repository's root, whose home folder is `scratch`.
fn fastai(scratch: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("fastai").unwrap();
    command.current_dir(ROOT).env("HOME", scratch.path()).env_remove("FASTAI_WEIGHTS").args(arguments);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fails(output: &Output, code: i32, parts: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

fn cached(scratch: &TempDir) -> PathBuf {
    scratch.path().join(".cache/fastai/weights/squeezenet1_1-60b2ce7e.safetensors")
}

#[test]
fn weights_come_into_the_cache_are_verified_and_used() {
    let scratch = TempDir::new().unwrap();
    let missing = fastai(&scratch, &["classify", CHIP, "--arch", "squeezenet1_1"]);
    fails(&missing, 1, &["squeezenet1_1-60b2ce7e.safetensors", "run `fastai weights get squeezenet1_1`"]);

    let got = fastai(&scratch, &["weights", "get", "squeezenet1_1"]);
    assert!(got.status.success(), "{}", text(&got.stderr));
    assert_eq!(fs::read(cached(&scratch)).unwrap(), fs::read(Path::new(ROOT).join(SQUEEZENET)).unwrap());
    assert!(text(&fastai(&scratch, &["weights", "get", "squeezenet1_1"]).stdout).contains("already here"));
    let list = text(&fastai(&scratch, &["weights", "list"]).stdout);
    let row = list.lines().find(|line| line.starts_with("squeezenet1_1 ")).unwrap();
    assert!(row.contains(" yes "), "{row}");
    assert!(fastai(&scratch, &["weights", "verify"]).status.success());
    let info = text(&fastai(&scratch, &["weights", "info", "squeezenet1_1"]).stdout);
    assert!(info.contains("MIT") && info.contains("60b2ce7ec30f574d"), "{info}");

    let logits = scratch.path().join("logits.npy");
    let said = fastai(
        &scratch,
        &["classify", CHIP, CHIP, "--arch", "squeezenet1_1", "--top", "2", "--logits", logits.to_str().unwrap()],
    );
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(text(&said.stderr).contains("published as squeezenet1_1, MIT"), "{}", text(&said.stderr));
    let lines = text(&said.stdout);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!((lines.len(), lines[0]), (6, CHIP));
    assert_eq!(lines[1..3], lines[4..6], "the same image twice");
    let file = fs::read(logits).unwrap();
    assert!(file.len() == 128 + 2 * 4000 && file[128..4128] == file[4128..], "{}", file.len());

    // Another file under the published name is refused, and told by `verify`.
    fs::write(cached(&scratch), b"damaged").unwrap();
    fails(&fastai(&scratch, &["weights", "verify"]), 1, &["not as published: squeezenet1_1"]);
    let damaged = fastai(&scratch, &["classify", CHIP, "--arch", "squeezenet1_1"]);
    fails(&damaged, 1, &["not the published weights squeezenet1_1", "fastai weights get squeezenet1_1"]);
}

#[test]
fn a_foreign_file_is_named_with_what_it_is() {
    let scratch = TempDir::new().unwrap();
    let foreign = fastai(&scratch, &["classify", CHIP, "--arch", "resnet18", "--weights", SQUEEZENET]);
    fails(
        &foreign,
        1,
        &[
            SQUEEZENET,
            "not the weights of resnet18",
            "conv1.weight: [64, 3, 7, 7] wanted, not in the file",
            "it is a file of squeezenet1_1",
        ],
    );
    let info = text(&fastai(&scratch, &["weights", "info", SQUEEZENET]).stdout);
    assert!(
        info.contains("network: squeezenet1_1") && info.contains("classifier.1.weight [1000, 512, 1, 1]"),
        "{info}"
    );

    let refused = fastai(&scratch, &["weights", "info", "fastai-runtime/tests/golden/torch/calls.zip.pth"]);
    fails(&refused, 1, &["calls.zip.pth: refused", "`posix.system`"]);
    fails(&fastai(&scratch, &["weights", "get", "resnet"]), 2, &["did you mean resnet18 or resnet34"]);
    fails(
        &fastai(&scratch, &["weights", "get", "resnet18", "--from", CHIP]),
        1,
        &["not the published weights", "f37072fd"],
    );
    fails(&fastai(&scratch, &["weights", "info", "nope"]), 2, &["`nope`", "nor is it a file"]);
}

#[test]
fn images_that_cannot_be_read_are_all_named_and_the_others_classified() {
    let scratch = TempDir::new().unwrap();
    let arguments = ["classify", "absent.jpg", CHIP, SQUEEZENET, "--arch", "squeezenet1_1", "--weights", SQUEEZENET];
    let said = fastai(&scratch, &arguments);
    fails(&said, 1, &["absent.jpg", "squeezenet1_1.safetensors: "]);
    assert_eq!(text(&said.stdout).lines().count(), 6);
    let small =
        fastai(&scratch, &["classify", CHIP, "--arch", "squeezenet1_1", "--weights", SQUEEZENET, "--size", "8"]);
    fails(&small, 2, &["--size 8", "at least 32"]);
    let arguments = ["classify", CHIP, "--arch", "squeezenet1_1", "--weights", SQUEEZENET, "--crop"];
    let middle = fastai(&scratch, &[&arguments[..], &["0.5"]].concat());
    let whole = fastai(&scratch, &[&arguments[..], &["1"]].concat());
    assert!(middle.status.success() && middle.stdout != whole.stdout, "{}", text(&middle.stderr));
    fails(&fastai(&scratch, &[&arguments[..], &["0"]].concat()), 2, &["more than 0 and at most 1"]);
    fails(&fastai(&scratch, &["classify", CHIP, "--arch", "alexnet"]), 2, &["one of squeezenet1_1"]);
}

#[test]
fn a_summary_has_layers_and_totals_by_group() {
    let scratch = TempDir::new().unwrap();
    let summary = text(&fastai(&scratch, &["summary", "--arch", "resnet18", "--size", "224"]).stdout);
    let row = |start: &str| -> Vec<String> {
        let line = summary.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {summary}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    let first = row("0      conv1");
    assert_eq!(first[first.len() - 7..], ["64", "x", "112", "x", "112", "9,536", "118,013,952"], "{summary}");
    let all = row("all");
    assert_eq!(all[1], "11,689,512");
    assert!(all[2].starts_with("1,814,"), "{all:?}");
    fails(&fastai(&scratch, &["summary", "--arch", "resnet18", "--size", "8"]), 2, &["at least"]);
}
