//! Each error of the catalogue, provoked by a recipe with that one mistake.

mod cases;
mod common;

use std::collections::BTreeSet;

use fastai_dsl::Severity;
use fastai_dsl::catalog::ERRORS;
use fastai_dsl::source::RecipeText;

use cases::CASES;
use common::HEAD;

fn codes(text: &str) -> Vec<&'static str> {
    let source = RecipeText::new("demo.recipe", text, &[]);
    let mut codes: Vec<&str> = source.diagnostics().iter().map(|d| d.code.id).collect();
    codes.dedup();
    codes
}

#[test]
fn each_mistake_gives_its_error() {
    assert_eq!(codes(HEAD), Vec::<&str>::new(), "the recipe without a mistake");
    let mut failures = Vec::new();
    for (code, from, to) in CASES {
        assert!(HEAD.contains(from), "{code}: {from:?} is not in the recipe");
        let text = HEAD.replacen(from, to, 1);
        let found = codes(&text);
        if !found.contains(code) {
            failures.push(format!("{code} ({from:?} -> {to:?}): found {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// E0507 and E0501 need two mistakes at once, and a missing delimiter hides the rest; everything else stands alone.
#[test]
fn a_mistake_invents_no_other() {
    let mut failures = Vec::new();
    for (code, from, to) in CASES.iter().filter(|(code, ..)| *code != "E0507") {
        let found = codes(&HEAD.replacen(from, to, 1));
        let others: Vec<_> = found.iter().filter(|c| *c != code && c.starts_with('E')).collect();
        if !others.is_empty() {
            failures.push(format!("{code} ({from:?} -> {to:?}): also {others:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Mistakes that leave nothing to check, or that are made of two sections.
fn stands_alone(code: &str, from: &str, to: &str) -> bool {
    let stops = ["E0101", "E0102", "E0108", "E0112"].contains(&code) && !to.starts_with("demo_it");
    // An unknown section may be any that is missing, so then none is said to be.
    let unread = to == "3:";
    let two = from.contains('\n')
        || to.contains("resize_to")
        || (code.starts_with("E050") && ["single_label", "single_label,"].contains(&from));
    !stops && !unread && !two
}

/// Pairs of which one mistake is no mistake, or another one, beside the other.
const TOGETHER: &[(&str, &str)] = &[
    // Whether a metric, its arguments or a separator fit the task cannot be said of a task that cannot be read.
    ("E0106", "E0501"),
    ("E0106", "E0502"),
    ("E0206", "E0501"),
    ("E0206", "E0502"),
    ("E0106", "E0507"),
    ("E0206", "E0507"),
    // Nor whether a head is another than a broken one.
    ("E0302", "E0414"),
    ("E0306", "E0414"),
    // Each brings a `tta` or a `keep_best` that the other one makes wrong as well.
    ("E0403", "E0503"),
    ("E0503", "E0506"),
];

/// The errors of the recipe with these mistakes, each in a line of its own.
fn errors_of(mistakes: &[&(&str, &str, &str)]) -> Vec<&'static str> {
    let text = mistakes.iter().fold(HEAD.to_string(), |text, (_, from, to)| text.replacen(from, to, 1));
    let source = RecipeText::new("demo.recipe", &text, &[]);
    let mut codes: Vec<&str> =
        source.diagnostics().iter().filter(|d| d.severity == Severity::Error).map(|d| d.code.id).collect();
    codes.sort_unstable();
    codes
}

/// The line of the recipe in which a mistake is: the sections stand in lines of their own.
fn line(from: &str) -> usize {
    HEAD[..HEAD.find(from).expect("is in the recipe")].matches('\n').count()
}

#[test]
fn a_mistake_in_one_section_hides_and_invents_none_in_another() {
    let cases: Vec<_> = CASES.iter().filter(|(code, from, to)| stands_alone(code, from, to)).collect();
    let alone: Vec<Vec<&str>> = cases.iter().map(|case| errors_of(&[case])).collect();
    let mut failures = Vec::new();
    let mut pairs = 0;
    for (i, a) in cases.iter().enumerate() {
        for (j, b) in cases.iter().enumerate().skip(i + 1).filter(|(_, b)| line(a.1) != line(b.1)) {
            let mut expected = [alone[i].clone(), alone[j].clone()].concat();
            expected.sort_unstable();
            let found = errors_of(&[a, b]);
            pairs += 1;
            let together = TOGETHER.contains(&(a.0, b.0)) || TOGETHER.contains(&(b.0, a.0));
            if found != expected && !together {
                failures.push(format!("{a:?} and {b:?}: {found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {pairs} pairs\n{}", failures.len(), failures.join("\n"));
    assert!(pairs > 1500, "{pairs} pairs");
}

#[test]
fn a_mistake_in_every_section_gives_every_error() {
    let mut by_line: Vec<Vec<&(&str, &str, &str)>> = vec![Vec::new(); HEAD.lines().count()];
    for case in CASES.iter().filter(|(code, from, to)| stands_alone(code, from, to)) {
        by_line[line(case.1)].push(case);
    }
    by_line.retain(|cases| !cases.is_empty());
    assert!(by_line.len() >= 6);
    let mut compared = 0;
    // Every case takes part, each time beside others.
    for round in 0..by_line.iter().map(Vec::len).max().unwrap() {
        let chosen: Vec<_> = by_line.iter().map(|cases| cases[round % cases.len()]).collect();
        let related = |(a, b): &(&str, &str)| [a, b].iter().all(|code| chosen.iter().any(|case| case.0 == **code));
        if TOGETHER.iter().any(related) {
            continue;
        }
        let mut expected: Vec<&str> = chosen.iter().flat_map(|case| errors_of(&[case])).collect();
        expected.sort_unstable();
        assert_eq!(errors_of(&chosen), expected, "{chosen:?}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared} recipes");
}

#[test]
fn every_error_of_the_catalogue_is_provoked() {
    let provoked: BTreeSet<&str> = CASES.iter().map(|c| c.0).collect();
    // Not UTF-8 and overrides have tests of their own below, summaries of the data in `prepared.rs`.
    let elsewhere = |id: &str| ["E0100", "E0605"].contains(&id) || id.starts_with("E07");
    let missing: Vec<&str> =
        ERRORS.iter().map(|e| e.id).filter(|id| !provoked.contains(id) && !elsewhere(id)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn every_error_has_a_help_whose_code_is_legal() {
    let mut failures = Vec::new();
    for (code, from, to) in CASES {
        let source = RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]);
        for d in source.diagnostics().iter() {
            assert!(d.help.is_some() || d.code.id == "E0102", "{code} ({to:?}): {d:?}");
            for piece in common::code(d.help.as_deref().unwrap_or_default()) {
                if let Err(why) = common::check(piece) {
                    failures.push(format!("{code} ({to:?}): `{piece}`\n{why}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn many_mistakes_are_shown_at_once() {
    let text = HEAD
        .replace("single_label,", "single_lable")
        .replace("size: 64", "size: 0, sise: 3")
        .replace("squeezenet1_1", "squeezenet")
        .replace("fit(1e-2, 1);", "fitt(1e-2, 1); fit(1e-2) unfreeze(1); tta(n = 2);");
    assert_eq!(
        codes(&text),
        ["E0206", "E0104", "E0302", "E0204", "E0207", "E0209", "E0205", "E0105", "E0211", "E0210"],
        "{}",
        RecipeText::new("demo.recipe", &text, &[]).render(false)
    );
}

#[test]
fn text_that_is_not_utf8_names_its_line() {
    let source = RecipeText::from_bytes("demo.recipe", b"Demo {\n  task: \xff,\n}", &[]);
    let text = source.render(false);
    assert!(text.contains("E0100") && text.contains("0xff in line 2") && text.contains("demo.recipe:2:9"), "{text}");
}

#[test]
fn an_override_that_fits_nothing_says_what_would() {
    let source = RecipeText::new("demo.recipe", HEAD, &["data.batchh=3".parse().unwrap(), "sede=3".parse().unwrap()]);
    let text = source.render(false);
    assert!(
        text.contains("did you mean `batch`?") && text.contains("E0605") && text.contains("did you mean `seed`?"),
        "{text}"
    );
    let good =
        RecipeText::new("demo.recipe", HEAD, &["data.batch=16".parse().unwrap(), "data.root=/x y/z".parse().unwrap()]);
    let recipe = good.result.unwrap().recipe;
    let path = |value: &str| {
        let set = format!("data.root={value}").parse().unwrap();
        RecipeText::new("demo.recipe", HEAD, &[set]).result.unwrap().recipe.data().root.clone().unwrap()
    };
    assert_eq!(
        (path("a/b-c").as_str(), path("a").as_str(), path("1").as_str(), path("\"q\"").as_str()),
        ("a/b-c", "a", "1", "q")
    );
    assert_eq!((recipe.data().batch, recipe.data().root.as_deref()), (16, Some("/x y/z")));
}

#[test]
fn texts_of_data_need_no_quotes_on_a_command_line() {
    let csv = "csv { root: \"d\", labels: \"l.csv\", images: \"i\" }";
    let set = |data: &str, sets: &[&str]| {
        let sets: Vec<_> = sets.iter().map(|s| s.parse().unwrap()).collect();
        let source = RecipeText::new("demo.recipe", &HEAD.replacen("folders { root: \"d\" }", data, 1), &sets);
        source.result.as_ref().map(|c| c.recipe.data().to_string()).map_err(|_| source.render(false))
    };
    let has = |data: &str, sets: &[&str], part: &str| {
        let found = set(data, sets).unwrap_or_else(|error| panic!("{sets:?}: {error}"));
        assert!(found.contains(part), "{sets:?}: {found}");
    };
    has(csv, &["data.label=breed", "data.id=name"], "id: \"name\", label: \"breed\"");
    has(csv, &["data.label=Is-Dog", "data.id=NAME"], "id: \"NAME\", label: \"Is-Dog\"");
    has(csv, &["data.label=3", "data.id=\"2\""], "id: \"2\", label: 3");
    has(
        csv,
        &["data.valid=column(\"is_valid\")", "data.test=held/test"],
        "test: \"held/test\", valid: column(\"is_valid\")",
    );
    has(
        csv,
        &["data.valid=all", "data.corrupt=skip", "data.test=test"],
        "test: \"test\", valid: none, batch: 64, corrupt: skip",
    );
    let folders = "folders { root: \"d\" }";
    has(csv, &["data.valid=held"], "valid: folder(\"held\")");
    has(folders, &["data.valid=held"], "valid: folder(\"held\")");
    has(folders, &["data.valid=held/out-2"], "valid: folder(\"held/out-2\")");
    has(folders, &["data.valid=random(0.3)"], "valid: random(0.3, seed = 42, fold = 0)");
    has(folders, &["data.valid=\"all\""], "valid: folder(\"all\")");
    has("given", &["data.batch=8", "data.sampler=balanced"], "given { batch: 8, sampler: balanced }");
    for (data, wrong, part) in [
        (csv, "data.label=-1", "E0302"),
        (folders, "data.valid=random", "E0301"),
        (folders, "data.corrupt=held", "E0206"),
        ("given", "data.root=d", "remove it"),
    ] {
        let error = set(data, &[wrong]).unwrap_err();
        assert!(error.contains(part), "{wrong}: {error}");
    }
}

#[test]
fn images_from_rust_have_no_place_and_no_split() {
    let source = |data: &str| RecipeText::new("demo.recipe", &HEAD.replacen("folders { root: \"d\" }", data, 1), &[]);
    for (data, canonical) in [
        ("given", "given { batch: 64 }"),
        ("given {}", "given { batch: 64 }"),
        (
            "given { resize_to: 90, duplicates: keep, corrupt: skip, workers: 2, batch: 8, sampler: balanced }",
            "given { batch: 8, workers: 2, corrupt: skip, duplicates: keep, sampler: balanced, resize_to: 90 }",
        ),
    ] {
        let recipe = source(data).result.unwrap().recipe;
        assert_eq!(recipe.data().to_string(), canonical);
        let again = RecipeText::new("canonical", &recipe.to_string(), &[]).result.unwrap().recipe;
        assert_eq!(again, recipe);
    }
    for key in ["root: \"d\"", "valid: random(0.2)", "labels: \"l.csv\"", "test: \"t\""] {
        let text = source(&format!("given {{ {key} }}")).render(false);
        assert!(text.contains("E0204") && text.contains("RunOptions { dataset, .. }"), "{text}");
    }
}

#[test]
fn hostile_texts_are_errors() {
    let deep = "{".repeat(500_000) + &"}".repeat(500_000);
    let signs = format!("A {{ clip: {}1 }}", "-".repeat(1_000_000));
    let sums = HEAD.replace("1e-2", &"1+".repeat(200_000));
    let halves = "\u{feff}".to_string() + &"[({".repeat(10_000);
    let words = format!("A {{ {} }}", "x ".repeat(400_000));
    let lines = format!("A {{\n{} }}", "x: ;\n".repeat(200_000));
    let comments = "/**/".repeat(250_000);
    let nuls = "\0".repeat(1_000_000);
    let texts = [deep, signs, sums, halves, words, lines, comments, nuls];
    let small =
        ["", "\0", "A {}", "A", "///", "\u{feff}", "A {\r\n}\r\n", "A { x: '{' }", "A { x: r\"\\\" }", "\u{200e}A {}"];
    for text in texts.into_iter().chain(small.map(String::from)) {
        let before = std::time::Instant::now();
        let source = RecipeText::new("x.recipe", &text, &[]);
        assert!(source.diagnostics().has_errors());
        assert!(!source.render(false).is_empty());
        // A megabyte takes well below a second; what is quadratic takes minutes.
        assert!(before.elapsed().as_secs() < 30, "{:?} took {:?}", text.get(..40), before.elapsed());
    }
}

#[test]
fn very_many_mistakes_are_counted_rather_than_shown() {
    let source = RecipeText::new("x.recipe", &format!("A {{ {} }}", "x, ".repeat(1000)), &[]);
    let text = source.render(false);
    assert_eq!(text.matches("error[").count(), 100);
    assert!(text.ends_with(&format!("and {} more", source.diagnostics().dropped())), "{text}");
}

/// What a small text unrolls to has limits, each named with its line.
#[test]
fn a_recipe_that_unrolls_to_too_much_is_refused_at_once() {
    let loops = |body: &str| {
        let open: String = (0..9).map(|i| format!("for a{i} in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] {{ ")).collect();
        format!("{open}{body}{}", "}".repeat(9))
    };
    let grown = |last: &str| {
        let lets: String = (1..30).map(|i| format!("let b{i} = [b{0}, b{0}, b{0}]; ", i - 1)).collect();
        format!("let b0 = 1; {lets}{last}")
    };
    let written = |last: &str| {
        let lets: String = (1..30).map(|i| format!("let t{i} = \"{{t{0}}}{{t{0}}}\"; ", i - 1)).collect();
        format!("let t0 = \"0123456789\"; {lets}{last}")
    };
    for (train, limit) in [
        (loops(""), "250000 values"),
        (loops("let x = a1;"), "250000 values"),
        (loops("unfreeze();"), "2000 steps"),
        (grown("fit(b29, 1);"), "250000 values"),
        (grown("for x in [b29] { fit(x, 1); }"), "250000 values"),
        (written("save(\"{t29}\");"), "4 MiB of strings"),
        ("fit(0.1, 100000); ".repeat(11), "1000000 epochs up to here"),
        (format!("fit({}, 1);", "1".repeat(100_000)), "a literal of 100000 characters"),
        (format!("save(\"{}\");", "x".repeat(100_000)), "a string of 100000 bytes"),
        (format!("fit({});", "x = 1, ".repeat(1000)), "more than 500 arguments"),
        ("; ".repeat(110_000), "more than 100000 tokens"),
    ] {
        let text = HEAD.replace("fit(1e-2, 1);", &format!("fit(1e-2, 1);\n{train}"));
        let source = RecipeText::new("demo.recipe", &text, &[]);
        let said = source.render(false);
        assert!(source.result.is_err() && said.contains(limit), "{limit}: {said:.2000}");
        assert!(said.contains("demo.recipe:8:") || said.contains("demo.recipe:7:"), "{said:.2000}");
    }
    // One less than too many.
    for most in [format!("save(\"{}\");", "x".repeat(4096)), format!("fit(1{}, 1);", " - 0".repeat(64))] {
        let text = HEAD.replace("fit(1e-2, 1);", &format!("fit(1e-2, 1);\n{most}"));
        let source = RecipeText::new("demo.recipe", &text, &[]);
        let said = source.render(false);
        assert!(!["E0102", "E0110"].iter().any(|code| said.contains(code)), "{said:.2000}");
    }
    // A `let` alone is no step.
    let source = RecipeText::new("demo.recipe", &HEAD.replace("fit(1e-2, 1);", "let x = 1;"), &[]);
    assert!(source.render(false).contains("E0408"), "{}", source.render(false));
}

/// Each list has a longest length, reported once; one item less passes.
#[test]
fn a_list_that_is_too_long_is_refused_at_its_first_item_too_many() {
    let list = |item: &str, count: usize| vec![item; count].join(", ");
    let refused = |text: &str| {
        let source = RecipeText::new("demo.recipe", text, &[]);
        let codes: Vec<_> = source.diagnostics().iter().map(|d| d.code.id).collect();
        (codes.contains(&"E0302"), codes.len(), source.render(false))
    };
    type Place = (&'static str, fn(&str) -> String);
    let places: [Place; 4] = [
        ("flip", |items| HEAD.replace("size: 64", &format!("size: 64, augment: [{items}]"))),
        ("8", |items| HEAD.replace("model: squeezenet1_1", &format!("model: squeezenet1_1 {{ hidden: [{items}] }}"))),
        ("1e-2", |items| HEAD.replace("fit(1e-2, 1)", &format!("fit([{items}], 1)"))),
        ("accuracy", |items| HEAD.replace("[accuracy]", &format!("[{items}]"))),
    ];
    let most = 64;
    for (item, place) in places {
        let (found, count, said) = refused(&place(&list(item, most + 1)));
        assert!(
            found && count == 1 && said.contains(&format!("at most {most} items, got {}", most + 1)),
            "{said:.1000}"
        );
        assert!(!refused(&place(&list(item, most))).2.contains("lists at most"), "{item}");
    }
}
