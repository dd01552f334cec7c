//! A recipe held to the summary of its data.

use fastai_dsl::prepared::{CODES, Summary};
use fastai_dsl::source::Source;

const RECIPE: &str = r#"Dogs {
    task: single_label,
    data: csv { root: "d", labels: "l.csv", images: "train", suffix: ".jpg", id: "id", label: "breed", valid: random(0.2) },
    transforms: side_on { size: 64 },
    model: squeezenet1_1,
    metrics: [accuracy],
    class_weights: [1, 2, 3],
    train: { fit(1e-2, 1); },
}
"#;

fn summary() -> Summary {
    Summary {
        source: ["csv", "d", "l.csv", "train"].map(String::from).to_vec(),
        split: "random(0.2, seed = 42, fold = 0)".into(),
        header: Some(vec!["id".into(), "breed".into(), "a \"quoted\"\n\u{7f}name".into()]),
        suffixes: [(".jpg".to_string(), 90), (".png".to_string(), 10)].into(),
        sizes: [((500, 375), 60), ((320, 240), 40)].into(),
        tags: 1,
        test: 7,
        train: 80,
        valid: 20,
        digests: [("l.csv".to_string(), "abc".to_string())].into(),
        classes: [("beagle".to_string(), (40, 10)), ("boxer".to_string(), (30, 8)), ("pug".to_string(), (10, 2))]
            .into(),
    }
}

fn codes(recipe: &str, summary: &str) -> Vec<&'static str> {
    let source = Source::new("dogs.recipe", recipe, &[]).verify(summary);
    assert!(
        !source.diagnostics().has_errors() || source.render(false).contains("dogs.recipe:"),
        "{}",
        source.render(false)
    );
    source.diagnostics().iter().map(|d| d.code.id).collect()
}

#[test]
fn text_and_back() {
    let text = summary().to_string();
    assert_eq!(Summary::parse(&text).unwrap(), summary());
    assert!(summary().differences(&Summary::parse(&text).unwrap()).is_empty());
    let mut other = summary();
    other.classes.insert("pug".into(), (9, 3));
    assert_eq!(summary().differences(&other), ["- class \"pug\" 10 2", "+ class \"pug\" 9 3"]);
}

#[test]
fn a_recipe_that_fits_is_fine() {
    assert!(codes(RECIPE, &summary().to_string()).is_empty());
    let recipe = Source::new("x", RECIPE, &[]).result.unwrap().recipe;
    assert_eq!(summary().facts(&recipe).train, Some(80));
}

#[test]
fn every_mistake_is_found() {
    let good = summary().to_string();
    let multi = RECIPE.replace("single_label", "multi_label").replace("accuracy", "f2");
    let one_tag = good.replace("class \"pug\"", "class \"pug;dog\"");
    let cases: &[(&str, String, String)] = &[
        ("E0701", RECIPE.into(), "format 2\n".into()),
        ("E0701", RECIPE.into(), String::new()),
        ("E0701", RECIPE.into(), good.replace("tags 1", "tags one")),
        ("E0702", RECIPE.replace("\"train\"", "\"other\""), good.clone()),
        ("E0703", RECIPE.replace("id: \"id\"", "id: \"idd\""), good.clone()),
        ("E0703", RECIPE.replace("label: \"breed\"", "label: 3"), good.clone()),
        ("E0703", RECIPE.replace("random(0.2)", "column(\"is_valid\")"), good.clone()),
        ("E0704", RECIPE.replace("[1, 2, 3]", "[1, 2]"), good.clone()),
        ("E0705", RECIPE.replace("random(0.2)", "random(0.001)"), good.clone()),
        ("E0705", RECIPE.into(), good.replace("class \"pug\" 10 2", "class \"pug\" 0 12")),
        ("E0706", RECIPE.replace(".jpg", ".jpeg"), good.clone()),
        ("E0707", multi, one_tag),
        (
            "E0708",
            RECIPE.replace("[1, 2, 3]", "balanced"),
            good.lines().filter(|l| !l.starts_with("class \"b")).map(|l| format!("{l}\n")).collect::<String>(),
        ),
    ];
    for (code, recipe, summary) in cases {
        assert_eq!(codes(recipe, summary), [*code], "{recipe}\n{summary}");
    }
    for code in CODES {
        assert!(cases.iter().any(|c| c.0 == code.id), "no case for {}", code.id);
        assert_eq!(fastai_dsl::catalog::find(code.id), Some(*code));
    }
}

#[test]
fn a_wrong_name_has_a_help() {
    let source = Source::new("dogs.recipe", &RECIPE.replace("label: \"breed\"", "label: \"bread\""), &[]);
    let text = source.verify(&summary().to_string()).render(false);
    assert!(text.contains("did you mean `breed`?") && text.contains("dogs.recipe:3:"), "{text}");
}
