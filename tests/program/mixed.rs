//! `precision: mixed`, in 16-bit floats that the CPU emulates.

use std::ffi::OsStr;
use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::call::{fastai, stderr};
use crate::folder::summary;
use crate::small::small;
use crate::started::started;

const HALF: &str = "FASTAI_SOFTWARE_HALF";

#[test]
fn mixed_precision_says_what_it_computes_in_and_goes_on_as_it_began() {
    let scratch = TempDir::new().unwrap();
    let recipe = small(&scratch);
    let out = |name: &str| scratch.path().join(name);
    let model = |name: &str| fs::read(out(name).join("models/final.safetensors")).unwrap();
    let arguments = |name: &str| {
        let start = ["run", "--device", "cpu", "--set", "precision=mixed", "--out"].map(Into::into);
        start.into_iter().chain([out(name).into_os_string(), recipe.clone().into_os_string()]).collect::<Vec<_>>()
    };
    for half in ["bf16", "f16"] {
        fastai(&scratch).args(arguments(half)).env(HALF, half).assert().success();
        assert_eq!(summary(&out(half))["half"], half);
        let report = fs::read_to_string(out(half).join("report.html")).unwrap();
        assert!(report.contains(&format!("training convolves in {half}")), "the report of {half}");
    }
    let said = stderr(fastai(&scratch).args(arguments("f32")), 0);
    assert!(said.contains("CPU (") && said.contains("has no fast 16-bit floats"), "{said}");
    assert_eq!(summary(&out("f32"))["half"], Value::Null);
    assert!(model("bf16") != model("f16") && model("bf16") != model("f32") && model("f16") != model("f32"));

    // With the factor of the loss, where there is one; and on a device without these numbers.
    for (began, goes_on) in [("bf16", Some("bf16")), ("f16", Some("f16")), ("f16", None)] {
        let name = format!("{began} stopped, then {goes_on:?}");
        let arguments = arguments(&name);
        let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        let (mut child, lines) = started(&scratch, &[(HALF, began)], &arguments, "fit([");
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
        let mut resumed = fastai(&scratch);
        resumed.args(["run", "--device", "cpu", "--resume"]).arg(out(&name));
        resumed.envs(goes_on.map(|half| (HALF, half)));
        let said = stderr(&mut resumed, 0);
        assert!(said.contains("goes on in step"), "{said}");
        let differs = "training convolved in f16 before and does in f32 on this device";
        assert_eq!(said.contains(differs), goes_on.is_none(), "{said}");
        assert_eq!(model(&name) == model(began), goes_on.is_some(), "{name}");
    }
}
