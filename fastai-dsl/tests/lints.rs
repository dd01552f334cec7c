//! Each lint fires where it should, is silenced by `allow`, and is an error under `deny`.

use fastai_dsl::catalog::LINTS;
use fastai_dsl::source::RecipeText;

const CASES: &[(&str, &str)] = &[
    ("precompute_ignores_augment", "precompute(on); fit(1e-2, 1);"),
    ("precompute_ignores_mixing", "precompute(on); fit(1e-2, 1);"),
    ("unfreeze_before_head", "unfreeze(); fit(1e-2, 1);"),
    ("rates_not_increasing", "fit(1e-2, 1); unfreeze(); fit([1e-2, 1e-3, 1e-4], 1);"),
    ("rates_of_frozen_groups", "fit([1e-4, 1e-3, 1e-2], 1);"),
    ("unused_let", "let lr = 1e-2; fit(1e-2, 1);"),
    ("long_run", "fit(1e-2, 4, cycle_len = 1, cycle_mult = 10);"),
    ("tta_without_augment", "fit(1e-2, 1); tta();"),
    ("untrained_head", "fit(1e-2, 1); head(hidden = [64]); save(\"a\");"),
    ("no_effect", "precompute(off); fit(1e-2, 1);"),
    ("default_valid", "fit(1e-2, 1);"),
    ("no_lr_find", "fit(1e-2, 1);"),
    ("finder_without_or", "fit(1e-2, 1); let lr = lr_find(); fit(lr, 1);"),
    ("resize_without_freeze", "fit(1e-2, 1); unfreeze(); fit(1e-3, 1); resize(64); fit(1e-3, 1);"),
    ("stats_of_other_weights", "fit(1e-2, 1);"),
    ("enlarged_copies", "fit(1e-2, 1); resize(90); fit(1e-2, 1);"),
    ("balanced_twice", "fit(1e-2, 1);"),
];

fn names(attr: &str, steps: &str) -> (Vec<&'static str>, bool) {
    // Some lints are about other sections than `train`.
    let is = |lint: &str| attr.contains(lint);
    let set = if is("tta_without_augment") { "none" } else { "side_on" };
    let data = match () {
        () if is("default_valid") => "csv { root: \"d\", labels: \"l.csv\", images: \"i\" }",
        () if is("enlarged_copies") => "folders { root: \"d\", resize_to: 96 }",
        () if is("balanced_twice") => "folders { root: \"d\", sampler: balanced }",
        () => "folders { root: \"d\" }",
    };
    let mixup = match () {
        () if is("precompute_ignores_mixing") => "mixup: 0.2, cutmix: 0,",
        () if is("balanced_twice") => "class_weights: balanced,",
        () => "",
    };
    let keys = match () {
        () if is("stats_of_other_weights") => ", stats: inception",
        () if is("enlarged_copies") => ", max_zoom: 1.1",
        () => "",
    };
    let text = format!(
        "{attr} Demo {{ task: single_label, data: {data}, transforms: {set} {{ size: 64{keys} }}, \
         model: squeezenet1_1, metrics: [accuracy], {mixup} train: {{ {steps} }} }}"
    );
    let source = RecipeText::new("x", &text, &[]);
    (source.diagnostics().iter().map(|d| d.code.id).collect(), source.diagnostics().has_errors())
}

#[test]
fn every_lint_can_be_warned_allowed_and_denied() {
    // The last three need a summary of the data: `prepared.rs`.
    let (others, with_data) = LINTS.split_last_chunk::<3>().unwrap();
    assert_eq!(CASES.iter().map(|c| c.0).collect::<Vec<_>>(), others.iter().map(|l| l.id).collect::<Vec<_>>());
    assert_eq!(with_data.map(|lint| lint.id), ["classes_alike", "labels_of_another_task", "top_k_of_all"]);
    for (lint, steps) in CASES {
        let (found, errors) = names(&format!("#[warn({lint})]"), steps);
        assert!(found.contains(lint) && !errors, "{lint}: {found:?}");
        let (found, _) = names(&format!("#[allow({lint})]"), steps);
        assert!(!found.contains(lint), "{lint} allowed: {found:?}");
        let (found, errors) = names(&format!("#[deny({lint})]"), steps);
        assert!(found.contains(lint) && errors, "{lint} denied");
    }
}

#[test]
fn the_content_of_no_border_has_no_effect() {
    let found = |keys: &str, attr: &str| {
        let text = format!(
            "{attr} Demo {{ task: single_label, data: folders {{ root: \"d\" }}, transforms: side_on {{ size: 64{keys} }}, \
             model: squeezenet1_1, metrics: [accuracy], train: {{ fit(1e-2, 1); }} }}"
        );
        let source = RecipeText::new("x", &text, &[]);
        source.diagnostics().iter().filter(|d| d.code.id == "no_effect").map(|d| d.message.clone()).collect::<Vec<_>>()
    };
    for mode in ["constant", "reflect"] {
        let said = found(&format!(", pad_mode: {mode}"), "");
        assert!(matches!(&said[..], [text] if text.contains("`pad` makes none")), "{said:?}");
        assert_eq!(found(&format!(", pad_mode: {mode}, pad: 0"), "").len(), 1);
        // What it proposes.
        assert_eq!(found(&format!(", pad_mode: {mode}, pad: 4"), ""), [""; 0]);
        assert_eq!(found(&format!(", pad_mode: {mode}"), "#[allow(no_effect)]"), [""; 0]);
    }
    assert_eq!(found("", ""), [""; 0]);
}

#[test]
fn statistics_and_copies_that_fit_are_fine() {
    let found = |transforms: &str, model: &str, data: &str| {
        let text = format!(
            "Demo {{ task: single_label, data: folders {{ root: \"d\"{data} }}, transforms: side_on {{ {transforms} }}, \
             model: {model}, metrics: [accuracy], train: {{ fit(1e-2, 1); }} }}"
        );
        let source = RecipeText::new("x", &text, &[]);
        source.diagnostics().iter().map(|d| d.code.id).collect::<Vec<_>>()
    };
    let none = Vec::<&str>::new();
    assert_eq!(found("size: 64, stats: imagenet", "squeezenet1_1", ""), none);
    assert_eq!(found("size: 80, stats: inception", "inception_v4", ""), none);
    assert_eq!(found("size: 80, stats: imagenet", "inception_v4", ""), ["stats_of_other_weights"]);
    assert_eq!(found("size: 64, stats: none", "squeezenet1_1 { weights: none }", ""), none, "weights of nobody");
    let given = "size: 64, stats: normalize([0.3, 0.3, 0.3], std = 0.2)";
    assert_eq!(found(given, "squeezenet1_1", ""), ["stats_of_other_weights"]);
    assert_eq!(found(given, "squeezenet1_1 { weights: \"w.safetensors\" }", ""), none, "their own");
    assert_eq!(
        found("size: 64, stats: inception", "squeezenet1_1 { weights: \"w.safetensors\" }", ""),
        ["stats_of_other_weights"]
    );
    assert_eq!(
        found("size: 64, stats: normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])", "squeezenet1_1", ""),
        none
    );
    // (x - 127) / 128, rounded as people do.
    assert_eq!(found("size: 64, stats: normalize(0.498, 0.502)", "efficientnet_lite0", ""), none);
    assert_eq!(found("size: 224, max_zoom: 1.1", "resnet34", ", resize_to: 247"), none);
    assert_eq!(found("size: 224, max_zoom: 1.1", "resnet34", ", resize_to: 246"), ["enlarged_copies"]);
}

#[test]
fn mixing_is_seen_by_any_fit_on_images() {
    let (found, _) =
        names("#[warn(precompute_ignores_mixing)]", "precompute(on); fit(1e-2, 1); precompute(off); fit(1e-2, 1);");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_step_has_the_last_word() {
    let (found, _) = names("#[deny(unfreeze_before_head)]", "#[allow(unfreeze_before_head)] unfreeze(); fit(1e-2, 1);");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_loop_says_it_once_and_in_which_round() {
    let (found, _) = names("", "for size in [16, 24] { resize(size); fit(1e-2, 1); }");
    assert_eq!(found, ["E0304"]);
}

#[test]
fn rare_classes_may_be_made_up_for_once() {
    let found = |data: &str, weights: &str| {
        let text = format!(
            "Demo {{ task: single_label, data: folders {{ root: \"d\", sampler: {data} }}, transforms: basic {{ size: 64 }}, \
             model: squeezenet1_1, metrics: [accuracy], class_weights: {weights}, train: {{ fit(1e-2, 1); }} }}"
        );
        RecipeText::new("x", &text, &[]).diagnostics().iter().map(|d| d.code.id).collect::<Vec<_>>()
    };
    assert_eq!(found("shuffle", "balanced"), Vec::<&str>::new());
    // Weights that somebody chose may be about something else than how many images there are.
    assert_eq!(found("balanced", "[1, 2]"), Vec::<&str>::new());
    assert_eq!(found("balanced", "balanced"), ["balanced_twice"]);
}
