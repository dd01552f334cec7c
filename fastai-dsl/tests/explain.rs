//! The pages of `fastai explain`: the first example of each has exactly its mistake, the second none.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use fastai_dsl::arch::ARCHS;
use fastai_dsl::catalog::{Code, ERRORS, LINTS};
use fastai_dsl::recipe::METRICS;
use fastai_dsl::schema::{SECTIONS, constructs};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{TransformSet, explain};

/// The sections that an example leaves out.
const BASE: &[(&str, &str)] = &[
    ("task", "task: single_label,"),
    ("data", "data: folders { root: \"data/dogscats\" },"),
    ("transforms", "transforms: side_on { size: 224 },"),
    ("model", "model: squeezenet1_1,"),
    ("metrics", "metrics: [accuracy],"),
    ("train", "train: { fit(1e-2, 3); },"),
];

/// The two examples of a page.
fn examples(code: &Code) -> [&'static str; 2] {
    let parts: Vec<&str> = code.explain.split("```recipe\n").collect();
    assert_eq!(parts.len(), 3, "{}: two examples", code.id);
    assert!(parts[0].ends_with("\n\nErroneous:\n\n") && parts[1].ends_with("\n\nCorrected:\n\n"), "{}", code.id);
    let example = |part: &'static str| part.split_once("\n```").expect("the example ends").0;
    [example(parts[1]), example(parts[2])]
}

/// An example as a file: whole recipes stand alone, sections are completed, `$ fastai` lines are overrides, what follows
/// `$ cat` is the summary of the data.
fn read(example: &str) -> RecipeText {
    if let Some((recipe, summary)) = example.split_once("\n\n$ cat Demo.prepared\n") {
        return read(recipe).verify(summary);
    }
    let base = |without: &str| {
        let given = |name: &str| {
            without
                .lines()
                .any(|l| l.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ' ', '='])))
        };
        let missing: Vec<&str> = BASE.iter().filter(|(name, _)| !given(name)).map(|(_, text)| *text).collect();
        missing.join("\n")
    };
    if let Some((_, set)) = example.split_once("--set ") {
        return RecipeText::new(
            "example.recipe",
            &format!("Demo {{\n{}\n}}", base("")),
            &[set.trim().parse().unwrap()],
        );
    }
    let mut words = example.split(' ');
    let whole = words.next().is_some_and(|w| !w.contains([':', '#'])) && words.next() == Some("{");
    let text = if whole { example.to_string() } else { format!("Demo {{\n{}\n{example}\n}}", base(example)) };
    // `\xff` stands for a byte that a page in UTF-8 cannot hold.
    let mut bytes = Vec::new();
    for (i, part) in text.split("\\xff").enumerate() {
        if i > 0 {
            bytes.push(0xff);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    RecipeText::from_bytes("example.recipe", &bytes, &[])
}

#[test]
fn examples_have_their_mistake_and_none() {
    let mut failures = Vec::new();
    for code in ERRORS.iter().chain(LINTS) {
        let [bad, good] = examples(code);
        let source = read(bad);
        let found: Vec<&str> = source.diagnostics().iter().map(|d| d.code.id).collect();
        if found != [code.id] {
            failures.push(format!("{}: the erroneous example gives {found:?}\n{}", code.id, source.render(false)));
        }
        let source = read(good);
        if !source.diagnostics().is_empty() {
            failures.push(format!("{}: the corrected example\n{}", code.id, source.render(false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn pages_are_proper_pages() {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for code in ERRORS.iter().chain(LINTS) {
        let [what, why] =
            [code.explain.split("\n\nErroneous").next().unwrap(), code.explain.rsplit("```").next().unwrap()];
        assert!(what.len() > 20 && why.trim().len() > 20, "{}", code.id);
        assert!(code.explain.lines().all(|l| l.len() <= 200), "{}", code.id);
        if let Some(other) = seen.insert(what, code.id) {
            panic!("{} and {other} say the same", code.id);
        }
    }
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/explain")).unwrap();
    let files = folder.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "md")).count();
    assert_eq!(files, ERRORS.len() + LINTS.len(), "a page for each code, and no other");
}

#[test]
fn every_word_is_explained() {
    for topic in SECTIONS.iter().map(|s| s.name).chain(constructs().map(|c| c.name)).chain(explain::topics()) {
        let page = explain::page(topic).unwrap_or_else(|help| panic!("{topic}: {help}"));
        assert!(page.len() > topic.len() + 10, "{topic}: {page}");
    }
    // Every word of every recipe of the examples, and the names that its readers bring along.
    let brought = "accuracy log_loss auroc f2 mae rmse single_label multi_label regression on off pretrained imagenet \
                   inception none all search cosine linear valley steepest minimum slide balanced shuffle center googlenet \
                   reflect auto cpu cuda skip deny keep drop val_loss trn_loss epoch iteration batchsize underfitting \
                   overfitting sgdr augmentation set_data sched get_augs ConvLearner ImageClassifierData tfms_from_model \
                   transforms_side_on TTA sz bs ps val_idxs get_cv_idxs cycle_save_name use_clr fit_one_cycle fine_tune \
                   adam resnext101_64 lr learn plot np data True learning_rate dn121 mom";
    for topic in brought.split(' ') {
        assert!(explain::page(topic).is_ok(), "{topic}");
    }
    assert!(explain::page("adam").unwrap().contains("decay is added to the gradient"), "the optimizer");
    assert!(explain::page("cosine").unwrap().contains("`anneal` of `fit`"));
    assert!(explain::page("sz").unwrap().contains("Instead: `size`"));
    assert!(explain::page("mom").unwrap().contains("Instead: `momentum`"));
    assert_eq!(explain::page("in"), explain::page("for"));
    for (topic, part) in [
        ("E0404", "E0404: wrong number of learning rates"),
        ("long_run", "A lint, `warn` unless"),
        ("fit", "cycle_mult   a whole number, 1 to 1000; 1 unless given"),
        ("side_on", "max_zoom"),
        ("batch", "in csv {"),
        ("squeezenet1_1", "at least 32 px"),
        ("metrics", "log_loss"),
    ] {
        let page = explain::page(topic).unwrap();
        assert!(page.contains(part), "{topic}: {page}");
        assert!(!page.contains("```"), "{page}");
    }
    assert_eq!(explain::page("fitt").unwrap_err(), "did you mean `fit`?");
    assert_eq!(explain::page("steep").unwrap_err(), "did you mean `steepest`?");
}

/// Every word of the language, code and lint.
fn registry() -> BTreeSet<&'static str> {
    let mut names: BTreeSet<&str> = ["let", "for", "pub", "allow", "warn", "deny"].into();
    names.extend(ERRORS.iter().chain(LINTS).map(|code| code.id));
    names.extend(METRICS.iter().map(|(kind, _)| kind.word()));
    names.extend(TransformSet::WORDS);
    for section in SECTIONS {
        names.insert(section.name);
        names.extend(section.words);
    }
    for construct in constructs() {
        names.insert(construct.name);
        names.extend(construct.keys.iter().flat_map(|key| std::iter::once(&key.name).chain(key.legal_words())));
    }
    names.extend(ARCHS.iter().flat_map(|arch| std::iter::once(&arch.name).chain(arch.aliases)));
    names
}

#[test]
fn every_word_is_listed_and_has_a_page_of_its_own() {
    let index = explain::index();
    let listed: BTreeSet<&str> = index.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    for name in registry() {
        assert!(listed.contains(name), "{name} is not listed");
        let page = explain::page(name).unwrap_or_else(|help| panic!("{name}: {help}"));
        assert!(!page.contains("no word of the language"), "{name}: {page}");
    }
    for name in &listed {
        assert!(explain::page(name).is_ok(), "{name} is listed and has no page");
    }
    let metrics = index.split("\n\n").find(|part| part.starts_with("metrics\n")).unwrap();
    assert_eq!(metrics.lines().count(), 1 + METRICS.len(), "{metrics}");
    // What fastai 0.7 calls differently, and what it calls the same but means something else by.
    assert!(explain::page("bs").unwrap().starts_with("`bs` is no word of the language. Instead: `batch`"));
    assert!(
        explain::page("ps")
            .unwrap()
            .ends_with("In fastai 0.7, `ps` is the dropout of the head, here `dropout` of `model`.\n")
    );
    assert!(explain::page("vgg16").unwrap().starts_with("vgg16_bn, vgg16\n"));
}

#[test]
fn code_that_a_help_proposes_is_legal() {
    let mut failures = Vec::new();
    let mut checked = 0;
    let mut check = |from: &str, text: &str| {
        for piece in common::code(text) {
            checked += 1;
            if let Err(why) = common::check(piece) {
                failures.push(format!("{from}: `{piece}` in {text:?}\n{why}"));
            }
        }
    };
    for (name, text) in explain::advice() {
        check(name, text);
    }
    for section in SECTIONS {
        check(section.name, &format!("`{}`", section.example));
    }
    for code in ERRORS.iter().chain(LINTS) {
        let example = examples(code)[0];
        for diagnostic in read(example).diagnostics().iter() {
            // Columns of the example's own data are no words of the language.
            let help = diagnostic.help.as_deref().unwrap_or_default();
            let own = common::code(help).into_iter().all(|piece| code.id.starts_with("E07") && example.contains(piece));
            if !own {
                check(code.id, help);
            }
        }
    }
    assert!(checked >= 200, "{checked}");
    assert!(failures.is_empty(), "{} of {checked}\n{}", failures.len(), failures.join("\n\n"));
}
