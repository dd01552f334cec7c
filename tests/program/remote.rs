//! Devices of other machines: a server on the loopback, with the CPU behind it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr};
use crate::folder::summary;
use crate::small::small;
use crate::started::started;

const TOKEN: &str = "FASTAI_DEVICE_TOKEN";

/// A server, which ends with the test.
struct Server {
    child: Child,
    /// What clients state as `--device`.
    device: String,
}

impl Server {
    /// Listens on `port`, 0 for a free one.
    fn start(port: u16, variables: &[(&str, &str)]) -> Self {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"));
        command.current_dir(ROOT).envs(variables.iter().copied());
        command.args(["serve-device", "--device", "cpu", "--listen", &format!("127.0.0.1:{port}")]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let device = line.split("--device ").nth(1).unwrap_or_else(|| panic!("{line}")).to_string();
        Server { child, device }
    }

    fn port(&self) -> u16 {
        self.device.rsplit(':').next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Step and loss of all batches of a run.
fn losses(run: &Path) -> Vec<(String, f64)> {
    let text = fs::read_to_string(run.join("batches.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| (row[0].to_string(), row[3].parse().unwrap())).collect()
}

/// [`small`] with rates that leave the body what it is, so that rounding stays rounding.
fn gentle(scratch: &TempDir) -> std::path::PathBuf {
    let recipe = small(scratch);
    let text = fs::read_to_string(&recipe).unwrap();
    let gentle = text
        .replace("[1e-3, 1e-2, 0.05]", "[1e-5, 1e-4, 1e-3]")
        .replace("fit(0.05, 1, cycle_len", "fit(0.01, 1, cycle_len");
    assert_ne!(text, gentle);
    fs::write(&recipe, gentle).unwrap();
    recipe
}

#[test]
fn a_run_on_another_machines_device_is_the_run_of_this_one() {
    let scratch = TempDir::new().unwrap();
    same_run(&scratch, &gentle(&scratch));
}

#[test]
fn bytes_that_another_machine_normalises_train_as_they_do_here() {
    let scratch = TempDir::new().unwrap();
    let recipe = gentle(&scratch);
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("size: 32", "size: 32, pixels: bytes")).unwrap();
    assert_ne!(text, fs::read_to_string(&recipe).unwrap());
    same_run(&scratch, &recipe);
}

/// Runs `recipe` here and on a server, and compares losses and predictions.
fn same_run(scratch: &TempDir, recipe: &Path) {
    let server = Server::start(0, &[]);
    let out = |name: &str| scratch.path().join(name);
    for (name, device) in [("here", "cpu"), ("there", server.device.as_str())] {
        // A cache each: equal activations would hide how those of the other machine differ.
        let mut run = fastai(scratch);
        run.env("FASTAI_CACHE", scratch.path().join(name).with_extension("cache"));
        let said = stderr(run.args(["run", "--device", device, "--out"]).arg(out(name)).arg(recipe), 0);
        assert!(name == "here" || said.contains("device: the device at ws://127.0.0.1:"), "{said}");
    }
    let (ours, theirs) = (losses(&out("here")), losses(&out("there")));
    assert_eq!(ours.len(), theirs.len());
    for ((step, here), (same, there)) in ours.iter().zip(&theirs) {
        assert_eq!(step, same);
        assert!((here - there).abs() < 1e-4 * here.abs().max(1.0), "step {step}: {here} here, {there} there");
    }
    assert!(ours.len() >= 29, "{} batches", ours.len());

    // Predictions of the same model, there and here.
    let predicted = |device: &str| {
        let mut predict = fastai(scratch);
        predict.args(["predict", "--json", "--device", device]).arg(out("here"));
        let photo = fs::read_dir(scratch.path().join("chips/train-jpg")).unwrap().next().unwrap().unwrap().path();
        let output = predict.arg(photo).assert().success().get_output().stdout.clone();
        serde_json::from_slice::<Value>(&output).unwrap()
    };
    let (here, there) = (predicted("cpu"), predicted(&server.device));
    let numbers = |value: &Value| {
        let text = value.to_string();
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-' && c != 'e');
        digits.filter_map(|word| word.parse::<f64>().ok()).collect::<Vec<_>>()
    };
    let (here, there) = (numbers(&here), numbers(&there));
    assert!(here.len() == there.len() && here.len() >= 2, "{here:?} {there:?}");
    assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-4), "{here:?} {there:?}");
}

#[test]
fn a_run_outlives_the_machine_that_it_computes_on() {
    let scratch = TempDir::new().unwrap();
    let recipe = gentle(&scratch);
    let server = Server::start(0, &[]);
    let (port, device) = (server.port(), server.device.clone());
    let out = scratch.path().join("run");
    let arguments: [&OsStr; 8] = [
        "run".as_ref(),
        "--device".as_ref(),
        device.as_ref(),
        "--snapshot-every".as_ref(),
        "0".as_ref(),
        "--out".as_ref(),
        out.as_ref(),
        recipe.as_ref(),
    ];
    let (mut child, lines) = started(&scratch, &[], &arguments, "fit([");
    drop(server);
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said:?}");
    assert!(
        said.iter().any(|line| line.contains("the device at ws://127.0.0.1") && line.contains("failed")),
        "{said:?}"
    );

    let resume = |code: i32| {
        let mut resumed = fastai(&scratch);
        stderr(resumed.args(["run", "--device", &device, "--resume"]).arg(&out), code)
    };
    assert!(resume(1).contains("start `fastai serve-device` there"));
    let _again = Server::start(port, &[]);
    assert!(resume(0).contains("goes on "));
    assert_eq!(summary(&out)["status"], "complete");
}

#[test]
fn strangers_are_refused_and_told_what_to_do() {
    let scratch = TempDir::new().unwrap();
    let server = Server::start(0, &[(TOKEN, "open sesame")]);
    let globe = Path::new(ROOT).join("examples/data/globe/train-jpg");
    let image = fs::read_dir(globe).unwrap().next().unwrap().unwrap().path();
    let classify = |device: &str, token: &str, code: i32| {
        let mut classify = fastai(&scratch);
        classify.env(TOKEN, token).args(["classify", "--arch", "squeezenet1_1", "--size", "32", "--device", device]);
        stderr(classify.arg(&image), code)
    };
    for token in ["", "sesame"] {
        let said = classify(&server.device, token, 1);
        assert!(said.contains("set $FASTAI_DEVICE_TOKEN to the one"), "{said}");
    }
    classify(&server.device, "open sesame", 0);
    let said = classify(&format!("{}:1", server.device), "open sesame", 1);
    assert!(said.contains("it serves one device"), "{said}");
    let said = classify("remote:ws://127.0.0.1:1", "", 1);
    assert!(said.contains("nothing answers at 127.0.0.1:1") && said.contains("serve-device"), "{said}");
    let said = classify("remote:127.0.0.1:1", "", 2);
    assert!(said.contains("`remote:ws://box:7600`"), "{said}");

    let serve = |args: &[&str], code: i32| {
        let mut serve = fastai(&scratch);
        stderr(serve.env_remove(TOKEN).arg("serve-device").args(args), code)
    };
    let said = serve(&["--device", "cpu", "--listen", "0.0.0.0:0"], 2);
    assert!(said.contains("set $FASTAI_DEVICE_TOKEN to a secret") && said.contains("ssh -L"), "{said}");
    let said = serve(&["--device", "cpu", "--listen", &format!("127.0.0.1:{}", server.port())], 1);
    assert!(said.contains("cannot listen on") && said.contains("takes a free port"), "{said}");
    let said = serve(&["--device", "cpu", "--device", "cpu"], 2);
    assert!(said.contains("served already"), "{said}");
    let said = serve(&["--device", &server.device], 1);
    assert!(said.contains("another token"), "{said}");
}
