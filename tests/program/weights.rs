//! `fastai weights`, `classify` and `summary` as a user meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

use crate::call::ROOT;

const SQUEEZENET: &str = "examples/data/squeezenet1_1.safetensors";
const CHIP: &str = "examples/data/globe/train-jpg/train_0.jpg";

/// The program, in the repository's root, whose home folder is `scratch`.
fn fastai(scratch: &TempDir, arguments: &[&str]) -> Output {
    fastai_with(scratch, &[], arguments)
}

/// The same, with variables of the environment.
fn fastai_with(scratch: &TempDir, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("fastai").unwrap();
    command.current_dir(ROOT).env("HOME", scratch.path()).env_remove("FASTAI_WEIGHTS").env_remove("XDG_CACHE_HOME");
    command.envs(variables.iter().copied()).args(arguments).output().unwrap()
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
    let missing = fastai(&scratch, &["classify", CHIP, "--arch", "resnet18"]);
    fails(&missing, 1, &["resnet18-f37072fd.pth", "run `fastai weights get resnet18`"]);
    // The program contains these.
    let list = text(&fastai(&scratch, &["weights", "list"]).stdout);
    assert!(list.lines().any(|line| line.starts_with("squeezenet1_1 ") && line.contains(" yes ")), "{list}");
    let said = fastai(&scratch, &["classify", CHIP, "--arch", "squeezenet1_1"]);
    assert!(said.status.success() && !cached(&scratch).exists(), "{}", text(&said.stderr));
    let verified = text(&fastai(&scratch, &["weights", "verify", "squeezenet1_1"]).stdout);
    assert!(verified.contains("as published: in this program: sha256 60b2ce7ec30f574d"), "{verified}");

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
    assert!(info.contains("size:          2.5 MB\n") && info.contains("top-1:         -, not reported"), "{info}");

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
    for quiet in [&["classify", CHIP, "--arch", "squeezenet1_1", "-q"][..], &["weights", "verify", "-q"]] {
        let said = fastai(&scratch, quiet);
        assert!(said.status.success() && !said.stdout.is_empty(), "{quiet:?}: {}", text(&said.stderr));
        assert_eq!(text(&said.stderr), "", "{quiet:?}");
    }
    let file = fs::read(logits).unwrap();
    assert!(file.len() == 128 + 2 * 4000 && file[128..4128] == file[4128..], "{}", file.len());

    // Another file under the published name is refused, and told by `verify`.
    fs::write(cached(&scratch), b"damaged").unwrap();
    fails(&fastai(&scratch, &["weights", "verify"]), 1, &["not as published: squeezenet1_1"]);
    let damaged = fastai(&scratch, &["classify", CHIP, "--arch", "squeezenet1_1"]);
    fails(&damaged, 1, &["not the published weights squeezenet1_1", "fastai weights get squeezenet1_1"]);
}

#[test]
fn variables_say_where_weights_are_looked_for_and_kept() {
    let scratch = TempDir::new().unwrap();
    let succeeds = |variable: (&str, &str), arguments: &[&str]| {
        let said = fastai_with(&scratch, &[variable], arguments);
        assert!(said.status.success(), "{}", text(&said.stderr));
        text(&said.stderr)
    };
    let (classify, get) = (["classify", CHIP, "--arch", "squeezenet1_1"], ["weights", "get", "squeezenet1_1"]);
    let said = succeeds(("FASTAI_WEIGHTS", "examples/data"), &classify);
    assert!(said.contains(&format!("weights: {SQUEEZENET} (")), "{said}");

    let cache = scratch.path().join("xdg");
    let (kept, variable) = (cache.join("fastai/weights/squeezenet1_1-60b2ce7e.safetensors"), cache.to_str().unwrap());
    succeeds(("XDG_CACHE_HOME", variable), &get);
    assert!(kept.is_file() && !cached(&scratch).exists());
    let said = succeeds(("XDG_CACHE_HOME", variable), &classify);
    assert!(said.contains(&format!("weights: {} (", kept.display())), "{said}");

    // A relative folder does not count.
    let said = succeeds(("XDG_CACHE_HOME", "xdg"), &classify);
    assert!(
        said.contains("weights: this program/squeezenet1_1-60b2ce7e.safetensors (published as squeezenet1_1"),
        "{said}"
    );
    succeeds(("XDG_CACHE_HOME", "xdg"), &get);
    assert!(cached(&scratch).is_file());
}

#[test]
fn the_list_has_a_row_for_each_and_says_what_is_not_known() {
    let scratch = TempDir::new().unwrap();
    let list = text(&fastai(&scratch, &["weights", "list"]).stdout);
    let row = |name: &str| -> Vec<String> {
        let line = list.lines().find(|line| line.split(' ').next() == Some(name)).expect(name);
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let home = "download.pytorch.org";
    let bsd = "BSD-3-Clause (torchvision)";
    assert_eq!(row("name"), ["name", "network", "MB", "top-1", "licence", "here", "from"]);
    assert_eq!(row("resnet50_v2"), ["resnet50_v2", "resnet50", "102.5", "80.86", bsd, home]);
    assert_eq!(row("convnext_tiny"), ["convnext_tiny", "convnext_tiny", "114.4", "82.52", bsd, home]);
    assert_eq!(row("resnext101_64x4d_lua")[1..4], ["resnext101_64x4d", "-", "78.96"]);
    assert_eq!(row("efficientnet_lite0")[1..4], ["efficientnet_lite0", "18.8", "-"]);
    assert_eq!(row("squeezenet1_1")[1..], ["squeezenet1_1", "2.5", "-", "MIT", "yes", "this program"]);
    let info = text(&fastai(&scratch, &["weights", "info", "inception_v4"]).stdout);
    for part in [
        "inceptionv4-8e4777a0.pth",
        "size:          -\n",
        "the first digits",
        "80.06 %",
        "299 pixels",
        "here:          no;",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
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
    let cut = text(&fastai(&scratch, &["summary", "--arch", "resnet18", "--cut", "1"]).stdout);
    let last = cut.lines().find(|line| line.starts_with("1      layer3, layer4 without layer4")).expect(&cut);
    assert!(last.contains(" 2,099,712 "), "{cut}");
    assert!(cut.ends_with("a head reads 512 features\n") && !cut.contains("layer4.0"), "{cut}");
    fails(&fastai(&scratch, &["summary", "--arch", "resnet18", "--cut", "2"]), 2, &["at most 1 modules"]);
}
