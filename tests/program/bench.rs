//! `fastai bench` from the command line.

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn bench(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::cargo_bin("fastai").unwrap();
    command.args(["bench", "--arch", "squeezenet1_1", "--size", "32"]).args(arguments);
    command.write_stdin(input).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(arguments: &[&str], input: &str, parts: &[&str]) {
    let output = bench(arguments, input);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_report_is_a_table_and_its_layers() {
    let text = stdout(&bench(&["--batch", "2", "--runs", "2", "--threads", "1", "--layers"], ""));
    assert!(text.starts_with("squeezenet1_1, forward, 2 images of 32 x 32 pixels, CPU (1 thread), 2 runs\n"), "{text}");
    for part in ["images/s", "GFLOP/s", "\nmedian ", "\nbest ", "\nsgemm: ", "\nfeatures.0 ", "\nrest "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.contains("\nmemory: "), cfg!(target_os = "linux"), "{text}");
}

#[test]
fn json_has_every_number_in_every_mode() {
    for mode in ["forward", "train", "frozen", "predict"] {
        let text = stdout(&bench(&["--batch", "2", "--runs", "3", "--mode", mode, "--json"], ""));
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&report["mode"], &report["batch"], &report["size"]), (&mode.into(), &2.into(), &32.into()));
        assert_eq!(report["seconds"].as_array().unwrap().len(), 3);
        let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(number("best") > 0.0 && number("best") <= number("median"), "{text}");
        let gflops = 2e-9 * number("multiply_adds") / number("median");
        assert!((number("gflops") / gflops - 1.0).abs() < 1e-9, "{text}");
        assert!((number("share_of_sgemm") * report["sgemm"]["gflops"].as_f64().unwrap() / gflops - 1.0).abs() < 1e-9);
        assert!(report.get("layers").is_none());
    }
}

#[test]
fn a_paced_measurement_answers_line_by_line() {
    let text = stdout(&bench(&["--batch", "1", "--paced", "--json"], "1\n3\n"));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ready"));
    let seconds = |line: &str| line.split(' ').map(|s| s.parse().unwrap()).collect::<Vec<f64>>();
    let answers: Vec<Vec<f64>> = lines.by_ref().take(2).map(seconds).collect();
    assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
    let report: Value = serde_json::from_str(&lines.collect::<String>()).unwrap();
    assert_eq!(report["seconds"], serde_json::json!(answers.concat()));
}

#[test]
fn what_is_wrong_names_the_flag_and_what_is_legal() {
    refused(&["--mode", "backward"], "", &["--mode", "forward, train, frozen, predict"]);
    refused(&["--batch", "0"], "", &["--batch", "1..=1024"]);
    refused(&["--batch", "1", "--mode", "train"], "", &["--batch 1", "at least 2 images", "--mode predict"]);
    refused(&["--runs", "0"], "", &["--runs", "1..=10000"]);
    refused(&["--threads", "0"], "", &["--threads", "1..=1024"]);
    refused(&["--paced", "--runs", "2"], "", &["--paced", "--runs"]);
    refused(&["--paced"], "two\n", &["--paced", "\"two\"", "1 to 10000"]);
    refused(&["--paced"], "", &["--paced", "no run"]);

    let mut small = Command::cargo_bin("fastai").unwrap();
    let output = small.args(["bench", "--arch", "squeezenet1_1", "--size", "1"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("--size 1") && message.contains("at least"), "{message}");
}
