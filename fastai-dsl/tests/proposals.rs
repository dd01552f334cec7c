//! What a message proposes is taken, and passes.

mod common;

use fastai_dsl::source::RecipeText;

/// A recipe of the task, with these metrics, options and steps.
fn recipe(task: &str, metrics: &str, options: &str, steps: &str) -> String {
    format!(
        "Demo {{\n    task: {task},\n    data: folders {{ root: \"d\" }},\n    transforms: side_on {{ size: 64 }},\n    \
         model: squeezenet1_1,\n    metrics: {metrics},\n    {options}\n    train: {{ {steps} }},\n}}\n"
    )
}

/// The findings about a recipe with these overrides.
fn read(text: &str, sets: &[&str]) -> RecipeText {
    let sets: Vec<_> = sets.iter().map(|set| set.parse().unwrap()).collect();
    RecipeText::new("demo.recipe", text, &sets)
}

/// The helps of a recipe, each with its code.
fn helps(text: &str, sets: &[&str]) -> Vec<(&'static str, String)> {
    read(text, sets).diagnostics().iter().map(|d| (d.code.id, d.help.clone().unwrap_or_default())).collect()
}

/// The help of a recipe with one mistake.
fn help(text: &str, sets: &[&str], code: &str) -> String {
    match helps(text, sets).as_slice() {
        [(found, help)] if *found == code => help.clone(),
        other => panic!("{code}: {other:?}\n{}", read(text, sets).render(false)),
    }
}

fn passes(text: &str, sets: &[&str]) {
    let source = read(text, sets);
    assert!(source.diagnostics().is_empty(), "{}", source.render(false));
}

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
fn an_override_of_a_step_is_answered_with_what_can_be_set() {
    let text = recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1);");
    for set in [
        "train=fit(1e-3,1)",
        "train.epochs=3",
        "trian=fit(1e-3, 1)",
        "steps.cycles=3",
        "fit.cycles=3",
        "fit(lr, 4)",
        "fit(lr, cycles=4)",
        "unfreeze=on",
        "unfreeze()",
    ] {
        let said = help(&text, &[set], "E0605");
        assert_eq!(
            said,
            "steps are changed in the file; what can be set are sections, their keys such as `data.batch`, and `lr`"
        );
    }
    for (set, bound) in [("epochs=3", "epochs = 3"), ("wd=0.1", "wd = 0"), ("n_aug=8", "n_aug = 4")] {
        let said = help(&text, &[set], "E0605");
        assert!(said.contains(&format!("what can be set is a name that is bound there, `let {bound};`")), "{said}");
    }
    for set in ["learning_rate=0.1", "learning-rate=0.1", "lr_max=0.1", "LR=0.1", "lrs=0.1"] {
        assert_eq!(help(&text, &[set], "E0605"), "did you mean `lr`?", "{set}");
    }
    passes(&text, &["data.batch=16", "lr=1e-3", "seed=7"]);
    let plain = recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);");
    assert!(help(&plain, &["train=1"], "E0605").ends_with("and names that a `let` in `train` binds"));
    // The section is spelled as it should be, and is not there.
    for section in ["optimizer", "loss", "seed", "keep_best"] {
        let said = help(&text, &[&format!("{section}.alpha=0.5")], "E0605");
        let (_, set) = said.split_once("`--set '").expect("a proposal");
        passes(&text, &[set.split_once('\'').unwrap().0]);
    }
}

#[test]
fn a_number_that_is_none_is_no_string_that_lacks_its_quotes() {
    let text =
        recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1); let name = \"a\"; save(\"{name}\");");
    for (set, message, proposed) in [
        ("lr=1e400", "`--set lr=1e400`: `1e400` is too large", "the largest number is about 1.8e308"),
        ("data.batch=1e400", "`1e400` is too large", "the largest number is about 1.8e308"),
        ("seed=1e400", "`1e400` is too large", "the largest number is about 1.8e308"),
        ("lr=.5", "numbers begin with a digit", "`0.5`"),
        ("transforms.size=64px", "`64px` has the suffix `px`", "numbers have no units or types: `64`"),
    ] {
        assert_eq!(help(&text, &[set], "E0110"), proposed);
        assert!(read(&text, &[set]).render(false).contains(message), "{set}");
    }
    passes(&text, &["lr=0.5", "transforms.size=64"]);
    // Where a string may stand, it needs no quotes.
    passes(&text, &["name=224_all", "data.root=64px", "model.weights=224_all.safetensors", "data.valid=2nd"]);
    let sized = |size: &str| text.replace("size: 64", &format!("size: {size}"));
    for (size, proposed) in [
        ("\"1e400\"", "`1e400` is too large; the largest number is about 1.8e308"),
        ("\"64px\"", "`64px` has the suffix `px`; numbers have no units or types: `64`"),
        ("\"inf\"", "for instance `224`"),
        ("\"0\"", "for instance `224`"),
        ("\"64\"", "without quotes: `64`"),
    ] {
        assert_eq!(help(&sized(size), &[], "E0301"), proposed);
    }
    passes(&sized("224"), &[]);
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
fn a_key_that_is_set_without_its_section_is_proposed_with_it() {
    let text = recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1);");
    for (set, path) in [
        ("pixels=bytes", "transforms.pixels"),
        ("pixel=bytes", "transforms.pixels"),
        ("batch=16", "data.batch"),
        ("bs=16", "data.batch"),
        // No near name among the sections is meant.
        ("root=other", "data.root"),
        ("dropout=0.1", "model.dropout"),
        ("MaxZoom=1.1", "transforms.max_zoom"),
        ("BS=16", "data.batch"),
        ("batch 16=16", "data.batch"),
        ("Data.Batch=16", "data.batch"),
        ("DATA.batch_size=16", "data.batch"),
        ("dls.bs=16", "data.batch"),
        (".batch=16", "data.batch"),
        ("data:batch=16", "data.batch"),
        ("Seed=16", "seed"),
        ("random_state=16", "seed"),
        ("grad_clip=1.0", "clip"),
        ("arch=resnet34", "model"),
    ] {
        assert_eq!(help(&text, &[set], "E0605"), format!("did you mean `{path}`?"), "{set}");
        passes(&text, &[&format!("{path}={}", set.split_once('=').unwrap().1)]);
    }
    assert_eq!(help(&text, &["sed=3"], "E0605"), "did you mean `seed`?");
    assert!(help(&text, &["nonsense=3"], "E0605").starts_with("one of `task`, `data`, "));
}

#[test]
fn an_override_without_a_value_is_answered_with_that_of_the_recipe() {
    let text = recipe(
        "single_label",
        "[accuracy]",
        "clip: 1.5,",
        "let lr = 1e-2; let found = lr_find(or = 0.1); fit(lr, 1); fit(found, 1);",
    )
    .replace("root: \"d\"", "root: \"d\", batch: 16");
    let bound = "a number, a string, a list, or a search: ";
    for (set, said) in [
        ("lr", format!("{bound}`--set lr=0.01`, as in the recipe")),
        ("lr=", format!("{bound}`--set lr=0.01`, as in the recipe")),
        ("found=", format!("{bound}`--set 'found=lr_find(or = 0.1)'`, as in the recipe")),
        ("data.batch", "a whole number: `--set data.batch=16`, as in the recipe".to_string()),
        ("data.root", "a string in double quotes: `--set data.root=d`, as in the recipe".to_string()),
        ("data.workers=", "a whole number: `--set data.workers=1`".to_string()),
        ("data.corrupt=", "one of `deny`, `skip`: `--set data.corrupt=deny`".to_string()),
        ("clip", "`--set clip=1.5`, as in the recipe".to_string()),
        ("mixup=", "`--set mixup=0.2`".to_string()),
        ("lr:0.1", "did you mean `--set lr=0.1`?".to_string()),
        ("lr 0.1", "did you mean `--set lr=0.1`?".to_string()),
        ("data.batch:16", "did you mean `--set data.batch=16`?".to_string()),
    ] {
        assert_eq!(help(&text, &[set], "E0605"), said, "{set}");
        let option = common::code(&said).into_iter().find_map(|code| code.strip_prefix("--set "));
        let read = read(&text, &[option.expect("an option").trim_matches('\'')]);
        assert!(!read.diagnostics().has_errors(), "{set}\n{}", read.render(false));
    }
    assert!("=4".parse::<fastai_dsl::overrides::Override>().is_err());
    // A key that does not exist is that mistake, with a value or without.
    assert_eq!(helps(&text, &["data.batc"])[0], ("E0204", "did you mean `batch`?".to_string()));
    // What is no text of a file is empty where nothing says otherwise.
    let csv = text
        .replace("folders { root: \"d\", batch: 16 }", "csv { root: \"d\", labels: \"l\", images: \"i\", valid: all }");
    assert!(!read(&csv, &["data.suffix="]).diagnostics().has_errors());
}

#[test]
fn a_value_with_too_much_or_too_little_is_proposed_as_it_is_meant() {
    let text = recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1);");
    for (set, code, said) in [
        ("data.batch==4", "E0301", "`--set data.batch=4`"),
        ("data.batch=4,", "E0301", "`--set data.batch=4`"),
        ("seed=4;", "E0301", "`--set seed=4`"),
        ("metrics=accuracy,f1", "E0301", "`--set 'metrics=[accuracy, f1]'`"),
        ("model.hidden=512,256", "E0301", "`--set 'model.hidden=[512, 256]'`"),
        ("lr=0,01", "E0110", "`0.01`"),
        ("clip=1,5", "E0110", "`1.5`"),
        ("transforms.max_zoom=1,1", "E0110", "`1.1`"),
        ("lr=1e-2.5", "E0301", "a number, a string, a list, or a search: `--set lr=0.01`, as in the recipe"),
        ("lr=slice(1e-4, 1e-2)", "E0301", "one rate per layer group, earliest first: `[1e-4, 1e-3, 1e-2]`"),
        ("data.valid=20%", "E0110", "write the share: `random(0.2)`"),
        ("data.valid=random(20%)", "E0110", "write the share: `0.2`"),
    ] {
        assert_eq!(help(&text, &[set], code), said, "{set}");
    }
    let text = text.replace("fit(lr, 1)", "unfreeze(); fit(lr, 1)").replace("let lr", "fit(1e-2, 1); let lr");
    passes(
        &text,
        &["lr=[1e-4, 1e-3, 1e-2]", "metrics=[accuracy, f1]", "model.hidden=[512, 256]", "transforms.max_zoom=1.1"],
    );
}

#[test]
fn a_split_is_proposed_with_what_it_needs() {
    let folders = recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);");
    let csv = folders.replace("folders { root: \"d\" }", "csv { root: \"d\", labels: \"l.csv\", images: \"i\" }");
    let of_folders = "`folder(\"valid\")`, `random(0.2)`, `blocks(20)` or `indices(\"valid.txt\")`";
    for (text, split, code, said) in [
        (&csv, "group(0.2)", "E0206", "did you mean `grouped(\"patient\", share = 0.2)`?"),
        (&csv, "group(0.2, seed = 7)", "E0206", "did you mean `grouped(\"patient\", share = 0.2, seed = 7)`?"),
        (&csv, "grouped(0.2)", "E0301", "`grouped(\"patient\", share = 0.2)`"),
        (&csv, "blocks(0.2)", "E0303", "`blocks(20, share = 0.2)`"),
        (&csv, "kfold(5)", "E0206", "did you mean `folds(5)`?"),
        (&csv, "stratify(20)", "E0206", "did you mean `stratified(0.2)`?"),
        (&csv, "colum", "E0301", "did you mean `column(\"is_valid\")`?"),
        (&folders, "indices", "E0301", "`indices(\"valid.txt\")`"),
        (&folders, "rows", "E0301", "`rows([0, 5])`"),
        (&folders, "grouped(\"patient\")", "E0505", of_folders),
    ] {
        assert_eq!(help(text, &[&format!("data.valid={split}")], code), said, "{split}");
        common::code(said).into_iter().for_each(|call| passes(text, &[&format!("data.valid={call}")]));
    }
    let said = help(&folders, &["data.valid=group(0.2)"], "E0206");
    assert_eq!(said, format!("`grouped` reads a column, and folders have none: {of_folders}"));
    let said = help(&folders, &["data.valid=holdout(0.3)"], "E0206");
    assert!(said.starts_with("for instance `random(0.3)`; one of `random`, `stratified`, "), "{said}");
    assert_eq!(help(&csv, &["data.valid=StratifiedKFold(5)"], "E0206"), "`valid: folds(5)` in `data`");

    // A shell takes double quotes away.
    for (text, written, noun, quoted) in [
        (&folders, "indices(val.txt)", "file", "indices(\"val.txt\")"),
        (&folders, "indices(val)", "file", "indices(\"val\")"),
        (&folders, "folder(held/out)", "folder", "folder(\"held/out\")"),
        (&csv, "column(is_valid)", "column", "column(\"is_valid\")"),
        (&csv, "grouped(patient, 0.2)", "column", "grouped(\"patient\", 0.2)"),
        (&csv, "folds(5, grouped = patient)", "column", "folds(5, grouped = \"patient\")"),
    ] {
        let set = format!("data.valid={written}");
        let said = help(text, &[&set], "E0301");
        let option = format!("`--set 'data.valid={quoted}'`");
        assert_eq!(said, format!("`{quoted}`, in single quotes so that a shell keeps them: {option}"));
        let shown = read(text, &[&set]).render(false);
        assert!(shown.contains(&format!("the name of a {noun} is in double quotes")), "{shown}");
        passes(text, &[&format!("data.valid={quoted}")]);
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
fn a_value_of_a_command_line_is_proposed_as_the_recipe_takes_it() {
    let text = recipe("single_label", "[accuracy]", "", "fit(1e-2, 1);");
    for (set, code, said) in [
        ("metrics=F1", "E0301", "`metrics: [f1]`"),
        ("metrics=accuracy", "E0301", "`metrics: [accuracy]`"),
        ("metrics=f_beta(2)", "E0301", "`metrics: [f_beta(2)]`"),
        ("metrics=[f1-score]", "E0208", "did you mean `f1`?"),
        ("data.encoding=UTF-16", "E0204", "it belongs into `data: csv { .. }`: `encoding: utf16`"),
        ("data.valid=0.3", "E0301", "`random(0.3)`"),
        ("data.valid=5", "E0301", "`folds(5)`"),
        ("data.valid=-1", "E0301", "`random(0.2)`"),
        ("clip=off", "E0301", "nothing: remove `clip`"),
        ("clip=on", "E0301", "`clip: 1.0`"),
        ("label_smoothing=on", "E0301", "`label_smoothing: 0.1`"),
        ("precision=FP16", "E0206", "did you mean `mixed`?"),
        ("precision=half", "E0206", "did you mean `mixed`?"),
        ("precision=amp", "E0206", "did you mean `mixed`?"),
        ("precision=16", "E0301", "did you mean `mixed`?"),
        ("device=gpu", "E0206", "did you mean `auto`?"),
        ("task=multiclass", "E0206", "did you mean `single_label`?"),
        ("task=binary", "E0206", "did you mean `single_label`?"),
        ("keep_best=valid_loss", "E0206", "did you mean `val_loss`?"),
        ("model.weights=imagenet", "E0301", "did you mean `pretrained`?"),
        ("metrics=error_rate", "E0301", "`metrics: [accuracy]`"),
        ("metrics=[roc_auc]", "E0208", "did you mean `auroc`?"),
        ("model=resnet50d", "E0207", "its relative here is `resnet50`"),
        ("model=efficientnet-b1", "E0207", "its relative here is `efficientnet_b0`"),
        ("transforms.augment=flip", "E0301", "`[flip]`"),
        ("transforms.augment=[rotation(10)]", "E0206", "did you mean `rotate(10)`?"),
        ("data.valid=strat-ified(0.2)", "E0206", "did you mean `stratified(0.2)`?"),
        ("data.valid=stratifid(0.2, seed = 7)", "E0206", "did you mean `stratified(0.2, seed = 7)`?"),
        ("data.valid=Random-0.3", "E0301", "did you mean `random(0.3)`?"),
        ("data.valid=random-7", "E0301", "did you mean `random(0.2)`?"),
        ("data.valid=stratifid", "E0301", "did you mean `stratified(0.2)`?"),
    ] {
        assert_eq!(help(&text, &[set], code), said, "{set}");
        // Words are proposed for the key that is set, whole keys for the recipe.
        let key = set.split_once('=').unwrap().0;
        let piece = common::code(said).last().unwrap().to_string();
        match piece.split_once(": ") {
            Some((_, value)) if piece.starts_with(key) => passes(&text, &[&format!("{key}={value}")]),
            _ if matches!(code, "E0208" | "E0204") || piece == key => {}
            _ if set.contains("=[") => passes(&text, &[&format!("{key}=[{piece}]")]),
            _ => passes(&text, &[&format!("{key}={piece}")]),
        }
    }
    for unread in ["random(0.2", "strat ified(0.2)", "a/b(2)"] {
        let said = help(&text, &[&format!("data.valid={unread}")], "E0301");
        assert!(said.contains("in quotes"), "{unread}: {said}");
        passes(&text, &[&format!("data.valid={}", common::code(&said)[0])]);
    }
    passes(&text, &["data.valid=\"valid (1)\""]);
    passes(&text, &["data.valid=held-out"]);
    let csv = text.replace(
        "folders { root: \"d\" }",
        "csv { root: \"d\", labels: \"l.csv\", images: \"i\", valid: random(0.2) }",
    );
    for encoding in ["ISO-8859-1", "cp1252", "windows-1252", "\"cp1252\""] {
        let code = if encoding.starts_with('"') { "E0301" } else { "E0206" };
        assert_eq!(help(&csv, &[&format!("data.encoding={encoding}")], code), "did you mean `latin1`?", "{encoding}");
    }
    passes(&csv, &["data.encoding=latin1"]);
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
fn what_an_override_is_answered_with_can_be_typed() {
    let text = recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1);");
    let search = "a search, with what holds where it finds nothing: `--set 'lr=lr_find(or = 1e-2)'`";
    for (set, code, wanted) in [
        ("optimizer.momentum=0.5", "E0605", "`--set 'optimizer=sgd { momentum: 0.5 }'` adds it"),
        ("optimizer.betas=[0.8, 0.9]", "E0605", "`--set 'optimizer=adamw { betas: [0.8, 0.9] }'` adds it"),
        ("optimizer.momentum=9", "E0605", "`--set 'optimizer=sgd'` adds it"),
        ("lr=lr_find", "E0301", search),
    ] {
        let said = help(&text, &[set], code);
        assert_eq!(said.trim_start_matches("the recipe has no `optimizer`; "), wanted, "{set}");
        passes(&text, &[said.split_once("--set '").unwrap().1.split_once('\'').unwrap().0]);
    }
    let shown = read(&text, &["seed=-1"]).render(false);
    assert!(shown.contains("`seed` must be 0 to 9007199254740991, got -1"), "{shown}");
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

#[test]
fn an_error_of_an_override_shows_the_override_and_not_the_file() {
    let text = recipe("single_label", "[accuracy]", "clip: 1.0,", "let lr = 1e-2; fit(lr, 1);");
    for set in ["metrics=F1", "clip=off", "data.batch=x", "data.encoding=utf16", "label_smoothing=2"] {
        let found = read(&text, &["seed=7", set]);
        let shown = found.render(false);
        assert!(shown.contains(&format!("| --set {set}\n")), "{set}\n{shown}");
        assert!(!shown.contains("demo.recipe") && !shown.contains("seed"), "{set}\n{shown}");
        assert!(found.diagnostics().iter().all(|d| !found.is_in_text(d.site)), "{set}");
    }
    // With what is in the file, that is shown as well.
    let shown = read(&text, &["task=multi_label"]).render(false);
    assert!(shown.contains("demo.recipe:6:") && shown.contains("| --set task=multi_label\n"), "{shown}");
}
