//! What a message about a recipe proposes is taken, and passes.

mod common;

use common::findings::{help, helps, passes, read, recipe};
use fastai_dsl::source::RecipeText;

#[test]
fn binding_a_name_is_proposed_where_it_helps() {
    let tags = |metric: &str| recipe("multi_label", &format!("[{metric}]"), "", "fit(1e-2, 1);");
    let said = help(&tags("f1(threshold = search)"), &[], "E0301");
    assert_eq!(said, "for instance `0.5`; `search` is for `f2`");
    passes(&tags("f1(threshold = 0.5)"), &[]);
    passes(&tags("f2(threshold = search)"), &[]);

    // One label has no threshold, whatever its value would be.
    let label = |metric: &str| recipe("single_label", &format!("[{metric}]"), "", "fit(1e-2, 1);");
    for threshold in ["search", "0.3", "[0.3]", "2"] {
        let said = help(&label(&format!("f1(threshold = {threshold})")), &[], "E0507");
        assert_eq!(said, "remove `threshold`");
    }
    passes(&label("f1"), &[]);

    let sized = |size: &str| tags("f2").replace("size: 64", &format!("size: {size}"));
    let said = help(&sized("sz"), &[], "E0301");
    assert_eq!(said, "for instance `224`; names are bound in `train` only");
    passes(&sized("224"), &[]);

    let fit = |steps: &str| recipe("single_label", "[accuracy]", "", steps);
    assert_eq!(help(&fit("fit(lr, 1);"), &[], "E0301"), "bind `lr` first: `let lr = ..;`");
    passes(&fit("let lr = 1e-2; fit(lr, 1);"), &[]);
}

#[test]
fn what_a_loop_goes_over_is_written_out() {
    let text = |steps: &str| recipe("single_label", "[accuracy]", "", steps);
    for (before, list, written) in [
        ("", "1..3", "[1, 2]"),
        ("", "1..=3", "[1, 2, 3]"),
        ("let n = 3;", "1..=n", "[1, 2, 3]"),
        ("", "3", "[1, 2, 3]"),
        ("", "64", "[64]"),
        ("", "range(3)", "[0, 1, 2]"),
        ("", "range(1, 4)", "[1, 2, 3]"),
        ("", "1..2000", "[1, 2, 3]"),
        ("let n = [5, 6];", "n", "[5, 6]"),
    ] {
        let looped = |list: &str| text(&format!("{before} for i in {list} {{ fit(1e-2, 1); save(\"e{{i}}\"); }}"));
        assert_eq!(help(&looped(list), &[], "E0603"), format!("write the list out: `for i in {written}`"), "{list}");
        passes(&looped(written).replace(before, ""), &[]);
    }
    // The body of a loop over a range is checked as well.
    let found = helps(&text("for i in 1..3 { fitt(1e-2, 1); }"), &[]);
    assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["E0603", "E0209"]);
}

#[test]
fn a_metric_is_proposed_for_its_task() {
    let text = |task: &str, metrics: &str, options: &str| recipe(task, metrics, options, "fit(1e-2, 1);");
    assert_eq!(help(&text("multi_label", "[accuracy_multi]", ""), &[], "E0208"), "did you mean `accuracy_thresh`?");
    assert_eq!(help(&text("single_label", "[accuracy_multi]", ""), &[], "E0208"), "did you mean `accuracy`?");
    let all = help(&text("multi_label", "[xyz]", ""), &[], "E0208");
    assert!(all.contains("`hamming`") && !all.contains("`accuracy`") && !all.contains("`mae`"), "{all}");
    assert_eq!(help(&text("multi_label", "[3]", ""), &[], "E0301").replace("one of ", ""), all.replace("one of ", ""));

    let best = |metrics: &str, best: &str| text("single_label", metrics, &format!("keep_best: {best},"));
    let said = help(&best("[accuracy]", "f2"), &[], "E0506");
    assert_eq!(said, "it does not measure `single_label` data; one of `val_loss`, `accuracy`");
    let said = help(&best("[accuracy]", "log_loss"), &[], "E0506");
    assert_eq!(said, "add it to `metrics`, or one of `val_loss`, `accuracy`");
    assert_eq!(help(&best("[]", "f_beta"), &[], "E0506"), "`metrics: [f_beta(0.01)]`");
    assert_eq!(help(&best("[accuracy, mcc]", "yes"), &[], "E0206"), "one of `val_loss`, `accuracy`, `mcc`");
    assert_eq!(help(&best("[accuracy]", "3"), &[], "E0301"), "`keep_best: val_loss`");
    let several = "[precision, precision(average = micro), mcc]";
    assert_eq!(help(&best(several, "on"), &[], "E0206"), "one of `val_loss`, `mcc`");
    for (metrics, word) in [
        ("[accuracy]", "val_loss"),
        ("[accuracy]", "accuracy"),
        ("[accuracy, log_loss]", "log_loss"),
        ("[f_beta(0.01)]", "f_beta"),
        (several, "mcc"),
    ] {
        passes(&best(metrics, word), &[]);
    }

    let step = |task: &str, metrics: &str, step: &str| recipe(task, metrics, "", &format!("fit(1e-2, 1); {step}"));
    let said = help(&step("single_label", "[accuracy]", "hamming();"), &[], "E0209");
    assert_eq!(said, "metrics are measured after each epoch, and this one not of `single_label` data; remove it");
    let said = help(&step("single_label", "[accuracy]", "f_beta();"), &[], "E0209");
    assert_eq!(said, "metrics are measured after each epoch: `metrics: [f_beta(0.01)]`");
    passes(&step("single_label", "[f_beta(0.01)]", ""), &[]);
}

/// The proposals for several columns can be taken together.
#[test]
fn positions_that_are_proposed_together_differ() {
    let text = |task: &str, metric: &str, columns: &[String]| {
        let data = format!(
            "csv {{ root: \"d\", labels: \"l.csv\", images: \"i\", header: off, valid: random(0.2), {} }}",
            columns.join(", ")
        );
        recipe(task, metric, "", "fit(1e-2, 1);").replace("folders { root: \"d\" }", &data)
    };
    for (columns, proposed) in [
        (vec!["id: \"id\"", "label: \"breed\""], vec!["id: 0", "label: 1"]),
        (vec!["label: \"breed\""], vec!["label: 1"]),
        (vec!["id: \"id\""], vec!["id: 0"]),
        (vec!["id: 1", "label: \"breed\""], vec!["label: 0"]),
        (vec!["id: \"id\"", "label: 0"], vec!["id: 1"]),
        (vec!["id: \"id\"", "columns: [\"a\", \"b\"]"], vec!["id: 0", "columns: [1, 2]"]),
        (vec!["id: 1", "columns: [\"a\", \"b\", \"c\"]"], vec!["columns: [0, 2, 3]"]),
        (vec!["id: \"id\"", "columns: [0, 1]"], vec!["id: 2"]),
        (vec!["id: 3", "columns: [0, \"b\"]"], vec!["columns: [0, 1]"]),
    ] {
        let written: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let found = helps(&text("single_label", "[accuracy]", &written), &[]);
        let helps: Vec<&str> = found.iter().map(|(_, help)| common::code(help)[0]).collect();
        assert_eq!(helps, proposed, "{columns:?}: {found:?}");
        let key = |text: &str| text.split(':').next().unwrap().to_string();
        let kept = columns.iter().filter(|column| !proposed.iter().any(|p| key(p) == key(column)));
        let taken: Vec<String> = kept.chain(&proposed).map(ToString::to_string).collect();
        passes(&text("single_label", "[accuracy]", &taken), &[]);
    }
}

#[test]
fn a_word_in_place_of_strings_is_quoted_as_the_key_takes_it() {
    let text = |key: &str, value: &str| {
        let keys = "root: \"d\", labels: \"l.csv\", images: \"i\", valid: random(0.2)";
        let data = format!("csv {{ {keys}, {key}: {value} }}");
        recipe("multi_label", "[f2]", "", "fit(1e-2, 1);").replace("folders { root: \"d\" }", &data)
    };
    for (key, value, proposed) in [
        ("columns", "cat", "`[\"cat\"]`"),
        ("columns", "[cat]", "`\"cat\"`"),
        ("label", "cat", "`\"cat\"`"),
        ("suffix", "jpg", "`\".jpg\"`"),
        ("suffix", "[jpg]", "`\".jpg\"`"),
        ("test", "[\"x\"]", "for instance `\"name\"`"),
        ("delimiter", "tab", "for instance `\",\"`; names are bound in `train` only"),
    ] {
        assert_eq!(help(&text(key, value), &[], "E0301"), proposed, "{key}: {value}");
    }
    assert_eq!(help(&text("suffix", "\"jpg, png\""), &[], "E0307"), "`suffix: [\".jpg\", \".png\"]`");
}

#[test]
fn a_word_in_capitals_or_with_hyphens_is_answered_with_the_word() {
    let csv = |encoding: &str| {
        let keys = "root: \"d\", labels: \"l.csv\", images: \"i\", valid: random(0.2)";
        let data = format!("csv {{ {keys}, encoding: {encoding} }}");
        recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);").replace("folders { root: \"d\" }", &data)
    };
    for (written, code, meant) in [
        ("utf-16", "E0206", "utf16"),
        ("UTF16", "E0206", "utf16"),
        ("UTF-8", "E0206", "utf8"),
        ("utf_8", "E0206", "utf8"),
        ("latin-1", "E0206", "latin1"),
        ("Latin1", "E0206", "latin1"),
        ("\"UTF-16\"", "E0301", "utf16"),
    ] {
        let said = format!("did you mean `{meant}`?");
        assert_eq!(help(&csv(written), &[], code), said, "{written}");
        let set = format!("data.encoding={written}");
        assert_eq!(help(&csv("utf8"), &[&set], code), said, "{set}");
        passes(&csv(meant), &[]);
    }
    assert_eq!(help(&csv("shift-jis"), &[], "E0206"), "one of `utf8`, `latin1`, `utf16`");

    let text = recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);");
    for (from, to, code, said) in [
        ("single_label", "single-label", "E0206", "did you mean `single_label`?"),
        ("single_label", "SINGLE_LABEL", "E0206", "did you mean `single_label`?"),
        ("single_label", "\"single-label\"", "E0301", "did you mean `single_label`?"),
        ("side_on", "side-on", "E0206", "did you mean `side_on`?"),
        ("squeezenet1_1", "squeezenet1-1", "E0207", "did you mean `squeezenet1_1`?"),
        ("squeezenet1_1", "RESNET34", "E0207", "did you mean `resnet34`?"),
        ("[accuracy]", "[log-loss]", "E0208", "did you mean `log_loss`?"),
        ("[accuracy]", "[ACCURACY]", "E0208", "did you mean `accuracy`?"),
        ("[accuracy],", "[accuracy], optimizer: adam-w,", "E0206", "did you mean `adamw`?"),
        ("[accuracy],", "[accuracy], loss: Cross-Entropy,", "E0206", "did you mean `cross_entropy`?"),
        ("[accuracy],", "[accuracy], class_weights: BALANCED,", "E0206", "did you mean `balanced`?"),
        ("size: 64", "size: 64, augment: [trivial-augment]", "E0206", "did you mean `trivial_augment`?"),
        ("fit(1e-2, 1)", "bn_freeze(ON); fit(1e-2, 1)", "E0206", "`on`"),
    ] {
        assert_eq!(help(&text.replacen(from, to, 1), &[], code), said, "{to}");
    }
    // Where numbers stand, a name in capitals is a constant, and a hyphen subtracts.
    assert_eq!(helps(&text.replace("64", "SIZE"), &[])[0].0, "E0604");
    passes(&text.replace("64", "65 - 1"), &[]);
    // A path needs no quotes on a command line, with hyphens or without.
    passes(&text, &["data.valid=held-out", "model.weights=my-weights.safetensors", "data.root=the-data"]);
}

#[test]
fn a_call_without_its_arguments_is_proposed_with_them() {
    let keys = |valid: &str| {
        let data = format!("folders {{ root: \"d\", valid: {valid} }}");
        recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);").replace("folders { root: \"d\" }", &data)
    };
    for (word, said) in [
        ("folds", "`folds(5)`"),
        ("random", "`random(0.2)`"),
        ("stratified", "`stratified(0.2)`"),
        ("blocks", "`blocks(20)`"),
        ("folds {}", "`folds(5)`"),
        ("Folds", "did you mean `folds(5)`?"),
        ("stratifid", "did you mean `stratified(0.2)`?"),
    ] {
        assert_eq!(help(&keys(word), &[], "E0301"), said, "{word}");
        passes(&keys(common::code(said)[0]), &[]);
    }
    assert_eq!(help(&keys("al"), &[], "E0301"), "did you mean `all`?");
    assert_eq!(help(&keys("\"valid\""), &["data.valid=folds"], "E0301"), "`folds(5)`");
    assert_eq!(help(&keys("\"valid\""), &["data.valid=Random"], "E0301"), "did you mean `random(0.2)`?");

    let text = keys("random(0.2)");
    for (from, key, word, code, said) in [
        ("valid:", "preflight", "sample", "E0301", "`sample(10000)`"),
        ("size:", "augment", "rotate", "E0301", "`[rotate(10)]`"),
        ("size:", "stats", "normalize", "E0206", "`normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])`"),
    ] {
        let with = |value: &str| text.replacen(from, &format!("{key}: {value}, {from}"), 1);
        assert_eq!(help(&with(word), &[], code), said, "{word}");
        assert!(!read(&with(common::code(said)[0]), &[]).diagnostics().has_errors(), "{said}");
    }
}

#[test]
fn an_unknown_step_is_proposed_with_the_arguments_as_they_are_written() {
    let text = |steps: &str| recipe("single_label", "[accuracy]", "", steps);
    for (before, written, proposed) in [
        ("let lr = lr_find(or = 1e-2);", "Fit(lr, 3)", "fit(lr, 3)"),
        ("let lr = lr_find(or = 1e-2);", "Fit(lr / 2, 3)", "fit(lr / 2, 3)"),
        ("let lr = 1e-2;", "Fit((lr + 1) / 200, 3)", "fit((lr + 1) / 200, 3)"),
        ("", "fit-one-cycle(1e-2, 2)", "fit_one_cycle(0.01, 2)"),
        ("", "fit_one-cycle(1e-2, 2)", "fit_one_cycle(0.01, 2)"),
        ("", "fit-one-cycle()", "fit_one_cycle(0.01, 3)"),
        ("", "Fit(1e-2, 3, cycle-len = 1)", "fit(0.01, 3, cycle_len = 1)"),
    ] {
        let said = help(&text(&format!("{before} {written};")), &[], "E0209");
        assert_eq!(said, format!("did you mean `{proposed};`?"), "{written}");
        passes(&text(&format!("{before} {proposed};")), &[]);
    }
    // What nothing binds is echoed too, and is an error of its own once the step is right.
    assert_eq!(help(&text("Fit(rate, 3);"), &[], "E0209"), "did you mean `fit(rate, 3);`?");
    assert_eq!(help(&text("fit_one_cycle;"), &[], "E0109"), "steps are calls: `fit_one_cycle(0.01, 3);`");
    assert_eq!(help(&text("LR-find(or = 1e-2); fit(1e-2, 1);"), &[], "E0209"), "did you mean `lr_find(or = 0.01);`?");
    for written in ["LR-find(or = 1e-2)", "LR_FIND(or = 1e-2)", "lr-find(or = 1e-2)", "LrFind(or = 1e-2)"] {
        let said = help(&text(&format!("let lr = {written}; fit(lr, 1);")), &[], "E0301");
        assert_eq!(said, "did you mean `lr_find(or = 0.01)`?", "{written}");
    }
    passes(&text("let lr = lr_find(or = 0.01); fit(lr, 1);"), &[]);
}

#[test]
fn names_with_hyphens_or_in_capitals_are_answered_once() {
    let text = |steps: &str| recipe("single_label", "[accuracy]", "", steps);
    for (written, code, said) in [
        ("fit(1e-2, 3, cycle-len = 1);", "E0210", "did you mean `cycle_len`?"),
        ("fit(1e-2, 3, weight-decay = 1e-4);", "E0210", "here it is called `wds = 0.0001`"),
        ("let LR = 1e-2; fit(LR, 1); fit(LR / 2, 1);", "E0109", "`let lr = 0.01;`"),
        ("let LR = lr_find(or = 1e-2); fit(LR, 1);", "E0109", "`let lr = lr_find(or = 0.01);`"),
        ("let lr-max = 1e-2; fit(lr-max, 1); unfreeze(); fit(lr-max, 1);", "E0109", "`let lr_max = 0.01;`"),
        ("for LRS in [1e-2, 1e-3] { fit(LRS, 1); }", "E0109", "`for lrs in [0.01, 0.001]`"),
    ] {
        assert_eq!(help(&text(written), &[], code), said, "{written}");
    }
    passes(&text("let a = 3e-2; let b = 1e-2; fit(a-b, 1);"), &[]);

    let plain = text("fit(1e-2, 1);");
    for (from, to, code, said) in [
        ("{ root: \"d\" }", "{ root: \"d\", batch-size: 16 }", "E0204", "here it is called `batch: 16`"),
        ("size: 64", "size: 64, max-zoom: 1.1", "E0204", "did you mean `max_zoom`?"),
        ("[accuracy],", "[accuracy], keep-best: accuracy,", "E0201", "did you mean `keep_best`?"),
    ] {
        assert_eq!(help(&plain.replacen(from, to, 1), &[], code), said, "{to}");
    }
}

#[test]
fn a_path_that_leaves_the_data_is_proposed_where_it_stands() {
    let valid = |valid: &str| {
        let data = format!("folders {{ root: \"d\", valid: {valid} }}");
        recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);").replace("folders { root: \"d\" }", &data)
    };
    for (written, proposed) in [
        ("indices(\"../x/dup.txt\")", "indices(\"dup.txt\")"),
        ("folder(\"/x/held\")", "folder(\"held\")"),
        ("\"../held\"", "valid: \"held\""),
    ] {
        let found = read(&valid(written), &[]);
        let said: Vec<_> = found.diagnostics().iter().map(|d| d.help.clone().unwrap_or_default()).collect();
        assert_eq!(said, [format!("a path inside: `{proposed}`")], "{written}");
        passes(&valid(proposed.trim_start_matches("valid: ")), &[]);
    }
}

#[test]
fn a_text_of_utf_16_is_converted_from_it() {
    let said = |bytes: &[u8]| RecipeText::from_bytes("a.recipe", bytes, &[]).render(false);
    let wide = |mark: [u8; 2]| said(&[&mark[..], b"D\0e\0"].concat());
    for shown in [wide([0xff, 0xfe]), wide([0xfe, 0xff])] {
        assert!(shown.contains("`iconv -f UTF-16 -t UTF-8 a.recipe`"), "{shown}");
    }
    let shown = said(b"// caf\xe9\n");
    assert!(shown.contains("`iconv -f LATIN1 -t UTF-8 a.recipe`"), "{shown}");
}
