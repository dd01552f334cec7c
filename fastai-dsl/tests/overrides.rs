//! What a message about an override proposes is taken, and passes.

mod common;

use common::findings::{help, helps, passes, read, recipe};

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
    for (text, noun, quoted) in [
        (&folders, "file", "indices(\"val.txt\")"),
        (&folders, "file", "indices(\"val\")"),
        (&folders, "folder", "folder(\"held/out\")"),
        (&csv, "column", "column(\"is_valid\")"),
        (&csv, "column", "grouped(\"patient\", 0.2)"),
        (&csv, "column", "folds(5, grouped = \"patient\")"),
    ] {
        let set = format!("data.valid={}", quoted.replace('"', ""));
        let said = help(text, &[&set], "E0301");
        let option = format!("`--set 'data.valid={quoted}'`");
        assert_eq!(said, format!("`{quoted}`, in single quotes so that a shell keeps them: {option}"));
        let shown = read(text, &[&set]).render(false);
        assert!(shown.contains(&format!("the name of a {noun} is in double quotes")), "{shown}");
        passes(text, &[&format!("data.valid={quoted}")]);
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
fn what_an_override_is_answered_with_can_be_typed() {
    let text = recipe("single_label", "[accuracy]", "", "let lr = 1e-2; fit(lr, 1);");
    let search = "a search, with what holds where it finds nothing: `--set 'lr=lr_find(or = 1e-2)'`";
    for (set, code, wanted) in [
        ("optimizer.momentum=0.5", "E0605", "`--set 'optimizer=sgd { momentum: 0.5 }'` adds it"),
        ("optimizer.betas=[0.8, 0.9]", "E0605", "`--set 'optimizer=adamw { betas: [0.8, 0.9] }'` adds it"),
        ("optimizer.betas=[0.9]", "E0605", "`--set 'optimizer=adamw'` adds it"),
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
fn an_error_of_an_override_shows_the_override_and_not_the_file() {
    let text = recipe("single_label", "[accuracy]", "clip: 1.0,", "let lr = 1e-2; fit(lr, 1);");
    for set in ["metrics=F1", "clip=off", "data.batch=x", "data.encoding=utf16", "label_smoothing=2"] {
        let found = read(&text, &["seed=7", set]);
        let shown = found.render(false);
        assert!(shown.contains(&format!("| --set {set}\n")), "{set}\n{shown}");
        assert!(!shown.contains("demo.recipe") && !shown.contains("seed"), "{set}\n{shown}");
        assert!(found.diagnostics().iter().all(|d| !found.is_in_text(d.site)), "{set}");
    }
    // The part that is wrong is underlined: the key, or its value.
    for (set, part) in [
        ("data.bacth=16", "bacth"),
        ("data.bacth", "bacth"),
        ("data.batch=x", "x"),
        ("transforms.sise=64.5", "sise"),
        ("label_smoothing=2", "2"),
    ] {
        let shown = read(&text, &["seed=7", set]).render(false);
        let mut lines = shown.lines().skip_while(|line| !line.ends_with(&format!("| --set {set}")));
        let (line, marks) = (lines.next().expect("the override"), lines.next().expect("marks"));
        let (first, last) = (marks.find('^').expect("a mark"), marks.rfind('^').expect("a mark"));
        assert_eq!(&line[first..=last], part, "{shown}");
    }
    // With what is in the file, that is shown as well.
    let shown = read(&text, &["task=multi_label"]).render(false);
    assert!(shown.contains("demo.recipe:6:") && shown.contains("| --set task=multi_label\n"), "{shown}");
}
