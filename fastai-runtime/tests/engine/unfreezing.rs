//! Gradual unfreezing, as LANGUAGE.md shows it.

use std::path::Path;

use burn::tensor::Device;
use fastai_dsl::StepKind;
use fastai_runtime::engine::run;
use fastai_runtime::models::{Network, load_body, read_model};
use fastai_runtime::progress::Silent;

use crate::chips::{Chips, weights};
use crate::tensors::tensors;

/// The steps of the page's example.
fn example() -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../LANGUAGE.md")).unwrap();
    let (_, section) = page.split_once("**Gradual unfreezing.**").unwrap();
    let (_, example) = section.split_once("```text\n").unwrap();
    example.split_once("```").unwrap().0.to_string()
}

/// Whether the weights of each layer group differ, earliest first; all of a group do, or none.
fn moved(before: &Network, after: &Network) -> [bool; 3] {
    let (old, new) = (tensors(before), tensors(after));
    [0, 1, 2].map(|group| {
        let weights = after.parameters().into_iter().zip(old.iter().zip(&new));
        let weights = weights.filter(|(info, _)| info.group == group && !info.buffer);
        let differ: Vec<(String, bool)> = weights.map(|(info, (old, new))| (info.name, old.1 != new.1)).collect();
        assert!(differ.iter().all(|(_, differs)| *differs == differ[0].1), "group {group}: {differ:?}");
        differ[0].1
    })
}

#[test]
fn each_round_trains_one_more_layer_group() {
    let chips = Chips::new(40);
    let recipe = chips.tags(&format!("let lr = 0.01;\n{}", example()), "", "");
    let outcome = run(&recipe, &chips.options("gradual"), &mut Silent).unwrap();
    let fits = outcome.summary.stages.iter().filter(|stage| stage.kind == StepKind::Fit);
    let trained: Vec<&str> = fits.filter_map(|stage| stage.trains.as_deref()).collect();
    let expected = ["the head, on images", "the last 2 of 3 layer groups, on images", "the whole network, on images"];
    assert_eq!(trained, expected);
    let [head, from_1, from_0] = ["head", "from_1", "from_0"].map(|name| {
        let path = outcome.folder.join(format!("models/{name}.safetensors"));
        read_model(&path, &Device::flex()).unwrap().0
    });
    let published = load_body(head.clone(), &weights()).unwrap();
    assert_eq!(moved(&published, &head), [false, false, false], "a body that the head's fit left alone");
    assert_eq!(moved(&head, &from_1), [false, true, true]);
    assert_eq!(moved(&from_1, &from_0), [true, true, true]);
}
