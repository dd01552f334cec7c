//! Each lint fires where it should, is silenced by `allow`, and is an error under `deny`.

use fastai_dsl::catalog::LINTS;
use fastai_dsl::source::Source;

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
    ("resize_without_freeze", "fit(1e-2, 1); unfreeze(); fit(1e-3, 1); resize(64); fit(1e-3, 1);"),
];

fn names(attr: &str, steps: &str) -> (Vec<&'static str>, bool) {
    // Two lints are about other sections than `train`.
    let set = if attr.contains("tta_without_augment") { "none" } else { "side_on" };
    let mixup = if attr.contains("precompute_ignores_mixing") { "mixup: 0.2, cutmix: 0," } else { "" };
    let data = if attr.contains("default_valid") {
        "csv { root: \"d\", labels: \"l.csv\", images: \"i\" }"
    } else {
        "folders { root: \"d\" }"
    };
    let text = format!(
        "{attr} Demo {{ task: single_label, data: {data}, transforms: {set} {{ size: 64 }}, \
         model: squeezenet1_1, metrics: [accuracy], {mixup} train: {{ {steps} }} }}"
    );
    let source = Source::new("x", &text, &[]);
    (source.diagnostics().iter().map(|d| d.code.id).collect(), source.diagnostics().has_errors())
}

#[test]
fn every_lint_can_be_warned_allowed_and_denied() {
    // The last one needs a summary of the data: `prepared.rs`.
    let (with_data, others) = LINTS.split_last().unwrap();
    assert_eq!(CASES.iter().map(|c| c.0).collect::<Vec<_>>(), others.iter().map(|l| l.id).collect::<Vec<_>>());
    assert_eq!(with_data.id, "labels_of_another_task");
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
