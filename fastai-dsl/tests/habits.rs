//! What readers of the original's lessons will type, and the line that they are told to type instead.

use fastai_dsl::Severity;
use fastai_dsl::source::RecipeText;

const HEAD: &str = "Demo {\n    task: single_label,\n    data: folders { root: \"d\" },\n    transforms: side_on { size: 64 },\n    \
                    model: squeezenet1_1,\n    metrics: [accuracy],\n    train: { fit(1e-2, 1); },\n}\n";

/// (what is replaced, by what, code, what the help holds)
const HABITS: &[(&str, &str, &str, &str)] = &[
    // The learner and its methods.
    ("fit(1e-2, 1);", "learn.fit(1e-2, 3);", "E0109", "`fit(0.01, 3);`"),
    (
        "fit(1e-2, 1);",
        "learn.precompute=True; fit(1e-2, 1); precompute(off); fit(1e-2, 1);",
        "E0109",
        "`precompute(on);`",
    ),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.unfreeze(); fit(1e-3, 1);", "E0109", "`unfreeze();`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.freeze_to(-1); fit(1e-3, 1);", "E0109", "`freeze_to(-1);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.bn_freeze(True); fit(1e-3, 1);", "E0109", "`bn_freeze(on);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.sched.plot_lr();", "E0109", "`report.html`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); TTA();", "E0209", "`tta();`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); set_data(299);", "E0209", "`resize(299);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); predict();", "E0209", "predictions are made after the run"),
    ("fit(1e-2, 1);", "fit_one_cycle(1e-2, 3);", "E0209", "`fit(1e-2, 3, cycle_len = 1);`"),
    // Assignments.
    ("fit(1e-2, 1);", "precompute=True; fit(1e-2, 1); precompute(off); fit(1e-2, 1);", "E0109", "`precompute(on);`"),
    ("fit(1e-2, 1);", "lr=0.2; fit(lr, 1);", "E0109", "`let lr = 0.2;`"),
    (
        "fit(1e-2, 1);",
        "fit(1e-2, 1); unfreeze(); lrs = np.array([1e-4,1e-3,1e-2]); fit(lrs, 1);",
        "E0109",
        "`let lrs = [0.0001, 0.001, 0.01];`",
    ),
    (
        "fit(1e-2, 1);",
        "tfms = tfms_from_model(resnet34, 64, aug_tfms=transforms_side_on); fit(1e-2, 1);",
        "E0109",
        "`transforms: side_on {",
    ),
    (
        "fit(1e-2, 1);",
        "data = ImageClassifierData.from_paths(PATH, tfms=tfms); fit(1e-2, 1);",
        "E0109",
        "`data: folders { root: ",
    ),
    (
        "fit(1e-2, 1);",
        "learn = ConvLearner.pretrained(arch, data, precompute=True); fit(1e-2, 1);",
        "E0109",
        "`model: squeezenet1_1`",
    ),
    // Arguments.
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_len: 1)", "E0107", "`cycle_len = 1`"),
    ("fit(1e-2, 1)", "fit(1e-2, n_cycle=3)", "E0210", "`cycles = 3`"),
    ("fit(1e-2, 1)", "fit(lr=1e-2, 3)", "E0210", "`lrs = 0.01`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, wd=1e-4)", "E0210", "`wds = 0.0001`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_len=1, cycle_save_name=\"x\")", "E0210", "`save(\"224_all\");`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, best_save_name=\"x\")", "E0210", "`keep_best: accuracy`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, use_clr=True)", "E0210", "`cycle_len = 1`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_len=None)", "E0301", "remove `cycle_len`"),
    ("fit(1e-2, 1)", "lr_find(start_lr=1e-5); fit(1e-2, 1)", "E0210", "`start = 1e-5`"),
    ("fit(1e-2, 1)", "fit(1e-2, 1); unfreeze(); fit([1e-4, 1e-2], 3)", "E0404", "`[0.0001, 0.001, 0.01]`"),
    ("fit(1e-2, 1)", "for i in range(3) { fit(1e-2, 1); save(\"{i}\"); }", "E0603", "`for i in [0, 1, 2]`"),
    // Keys.
    ("size: 64", "sz: 64", "E0204", "`size: 64`"),
    ("size: 64", "size: 64, aug_tfms: transforms_side_on", "E0204", "`side_on { size: 224 }`"),
    ("size: 64", "size: 64, crop_type: random", "E0204", "`crop: random`"),
    ("size: 64", "size: 64px", "E0110", "`64`"),
    ("root: \"d\"", "path: \"d\"", "E0204", "`root: \"d\"`"),
    ("root: \"d\"", "root: \"d\", bs: 58", "E0204", "`batch: 58`"),
    ("root: \"d\"", "root: \"d\", num_workers: 4", "E0204", "`workers: 4`"),
    ("root: \"d\"", "root: \"d\", val_idxs: random(0.2)", "E0204", "`valid: random(0.2)`"),
    ("root: \"d\"", "root: \"d\", val_name: \"valid\"", "E0204", "`valid: \"valid\"`"),
    ("root: \"d\"", "root: \"d\", test_name: \"test\"", "E0204", "`test: \"test\"`"),
    ("root: \"d\"", "root: \"d\", valid: random(val_pct = 0.2)", "E0210", "`share = 0.2`"),
    ("root: \"d\"", "root: \"d\", valid: random(20%)", "E0110", "`0.2`"),
    ("root: \"d\"", "root: \"d\", valid: get_cv_idxs(n)", "E0206", "`valid: random(0.2, seed = 42)`"),
    ("root: \"d\"", "root: 'data/d'", "E0110", "`\"data/d\"`"),
    ("squeezenet1_1", "squeezenet1_1 { ps: 0.5 }", "E0204", "`dropout: 0.5`"),
    ("squeezenet1_1", "squeezenet1_1 { xtra_fc: [512] }", "E0204", "`hidden: [512]`"),
    ("squeezenet1_1", "squeezenet1_1 { precompute: True }", "E0204", "`precompute(on);`"),
    ("squeezenet1_1", "models.squeezenet1_1", "E0103", "`squeezenet1_1`"),
    // Sections and words.
    ("    model:", "    arch:", "E0201", "`model: "),
    ("    transforms:", "    tfms:", "E0201", "`transforms: "),
    ("[accuracy],", "[accuracy], sz: 64,", "E0201", "`size: 64`"),
    ("[accuracy],", "[accuracy], bs: 58,", "E0201", "`batch: 58`"),
    ("[accuracy],", "[accuracy], report: True,", "E0206", "`on`"),
    ("[accuracy]", "[f2]", "E0501", "`accuracy`"),
    ("side_on", "transforms_side_on", "E0206", "`side_on { size: 224 }`"),
    ("1);", "1); # the new head\n", "E0111", "`// ..`"),
];

#[test]
fn habits_are_answered_with_what_to_type() {
    let mut failures = Vec::new();
    for (from, to, code, help) in HABITS {
        assert!(HEAD.contains(from), "{from}");
        let source = RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]);
        let found: Vec<_> = source.diagnostics().iter().filter(|d| d.severity == Severity::Error).collect();
        let said =
            |d: &&&fastai_dsl::Diagnostic| d.code.id == *code && d.help.as_ref().is_some_and(|h| h.contains(help));
        if found.len() != 1 || !found.iter().any(|d| said(&d)) {
            failures.push(format!("{to}: expected {code} with {help}\n{}", source.render(false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn what_works_as_it_is_typed_is_no_mistake() {
    for (from, to) in [
        ("fit(1e-2, 1)", "fit(1e-2/9, 1)"),
        ("fit(1e-2, 1)", "let lr=1e-2; fit(lr/9,1)"),
        ("fit(1e-2, 1)", "fit(lrs = 1e-2, cycles = 3, cycle_len=1)"),
        ("size: 64", "size:64,max_zoom:1.1,"),
    ] {
        let source = RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]);
        assert!(source.diagnostics().is_empty(), "{to}\n{}", source.render(false));
    }
}
