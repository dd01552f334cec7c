//! A recipe held to the summary of its data.

use fastai_dsl::catalog::ERRORS;
use fastai_dsl::overrides::Override;
use fastai_dsl::prepared::{Cells, DataSummary, LISTED_SIZES, OTHER_SIZES};
use fastai_dsl::source::RecipeText;

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

fn summary() -> DataSummary {
    DataSummary {
        source: ["csv", "d", "l.csv", "train"].map(String::from).to_vec(),
        split: "random(0.2, seed = 42, fold = 0)".into(),
        labels: ["single_label", "breed"].map(String::from).to_vec(),
        header: Some(["id", "breed", "a \"quoted\"\n\u{7f}name", "weight", "held_out"].map(String::from).to_vec()),
        columns: vec![Cells::Text, Cells::Text, Cells::Text, Cells::Number, Cells::Flag],
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
    let source = RecipeText::new("dogs.recipe", recipe, &[]).verify(summary);
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
    assert_eq!(DataSummary::parse(&text).unwrap(), summary());
    assert!(summary().differences(&DataSummary::parse(&text).unwrap()).is_empty());
    let mut other = summary();
    other.classes.insert("pug".into(), (9, 3));
    assert_eq!(summary().differences(&other), ["- class \"pug\" 10 2", "+ class \"pug\" 9 3"]);
}

#[test]
fn a_size_that_takes_the_place_of_another_in_the_list_has_not_changed() {
    let others = OTHER_SIZES;
    let listed = |first: u32| (first..first + LISTED_SIZES as u32).map(|width| ((width, 9), 1));
    let of = |sizes: &mut dyn Iterator<Item = ((u32, u32), u64)>| DataSummary { sizes: sizes.collect(), ..summary() };
    // An image of the first size is gone, so that another size is listed in its place.
    let before = of(&mut listed(1).chain([(others, 32)]));
    let now = of(&mut listed(2).chain([(others, 31)]));
    assert_eq!(before.differences(&now), ["- size 0x0 33", "+ size 0x0 32"]);
    let moved = of(&mut listed(2).chain([(others, 32)]));
    assert!(before.differences(&moved).is_empty(), "{:?}", before.differences(&moved));
    // Where all sizes are listed, 0 x 0 is an image whose header cannot be read.
    let sound = of(&mut [((4, 3), 5), ((5, 3), 1)].into_iter());
    let broken = of(&mut [((4, 3), 5), (others, 1)].into_iter());
    assert_eq!(sound.differences(&broken), ["- size 5x3 1", "+ size 0x0 1"]);
}

#[test]
fn a_recipe_that_fits_is_fine() {
    assert!(codes(RECIPE, &summary().to_string()).is_empty());
    let recipe = RecipeText::new("x", RECIPE, &[]).result.unwrap().recipe;
    assert_eq!(summary().facts(&recipe).train, Some(80));
}

#[test]
fn a_held_out_folder_of_a_csv_is_counted_as_such() {
    let counted = DataSummary { split: "folder(\"held\")".into(), ..summary() };
    for split in ["folder(\"held\")", "\"held\""] {
        let recipe = with(&[("random(0.2)", split)]);
        assert!(codes(&recipe, &counted.to_string()).is_empty());
        let recipe = RecipeText::new("x", &recipe, &[]).result.unwrap().recipe;
        assert_eq!(recipe.data().valid, fastai_dsl::Valid::Folder("held".into()));
        assert_eq!(counted.facts(&recipe).valid, Some(20));
        assert_eq!(summary().facts(&recipe).valid, None);
    }
}

#[test]
fn a_split_is_not_told_to_become_itself() {
    let told = |split: &str, counted: &str| {
        let text = summary().to_string().replace("class \"pug\" 10 2", "class \"pug\" 0 12");
        let text = text.replace("random(0.2, seed = 42, fold = 0)", counted);
        RecipeText::new("dogs.recipe", &with(&[("random(0.2)", split)]), &[]).verify(&text).render(false)
    };
    let random = told("random(0.2)", "random(0.2, seed = 42, fold = 0)");
    assert!(random.contains("E0705") && random.contains("`valid: stratified(0.2)`"), "{random}");
    let stratified = told("stratified(0.2)", "stratified(0.2, seed = 42, fold = 0)");
    assert!(stratified.contains("E0705") && stratified.contains("more images of it"), "{stratified}");
    assert!(stratified.contains("pug (all 12 images held out)"), "{stratified}");
    // The summary does not know which groups would do.
    let grouped = told("grouped(\"breed\", share = 0.9)", "grouped(\"breed\", share = 0.9, seed = 42, fold = 0)");
    assert!(grouped.contains("`fastai prepare FILE`") && !grouped.contains("seed = 43"), "{grouped}");
}

/// [`RECIPE`] with these keys replaced.
fn with(keys: &[(&str, &str)]) -> String {
    keys.iter().fold(RECIPE.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// The summary with other classes, each with its training and validation images, and other labels.
fn counted(labels: &[&str], classes: &[(&str, u64, u64)]) -> DataSummary {
    DataSummary {
        labels: labels.iter().map(ToString::to_string).collect(),
        classes: classes.iter().map(|(name, train, valid)| (name.to_string(), (*train, *valid))).collect(),
        ..summary()
    }
}

const MULTI: (&str, &str) = ("single_label", "multi_label");
const REGRESSION: [(&str, &str); 3] =
    [("single_label", "regression"), ("accuracy", "mae"), ("    class_weights: [1, 2, 3],\n", "")];

#[test]
fn every_mistake_is_found() {
    let good = summary().to_string();
    let multi = with(&[MULTI, ("accuracy", "f2")]);
    let regression = with(&REGRESSION);
    let one_tag = counted(&["multi_label", "breed", " "], &[("beagle", 40, 10), ("boxer", 30, 8), ("pug;dog", 10, 2)]);
    let one_class = counted(&["single_label", "breed"], &[("pug", 80, 20)]);
    let same_tag = counted(&["multi_label", "breed", " "], &[("pug", 80, 20)]);
    let unweighted = with(&[MULTI, ("accuracy", "f2"), ("[1, 2, 3]", "balanced")]);
    let cases: &[(&str, String, String)] = &[
        ("E0701", RECIPE.into(), "format 2\n".into()),
        ("E0701", RECIPE.into(), String::new()),
        ("E0701", RECIPE.into(), good.replace("tags 1", "tags one")),
        ("E0701", RECIPE.into(), good.replace("number flag", "number flags")),
        ("E0702", with(&[("\"train\"", "\"other\"")]), good.clone()),
        ("E0702", with(&[("label: \"breed\"", "label: \"held_out\"")]), good.clone()),
        ("E0702", multi.clone(), good.clone()),
        ("E0703", with(&[("id: \"id\"", "id: \"idd\"")]), good.clone()),
        ("E0703", with(&[("label: \"breed\"", "label: 5")]), good.clone()),
        ("E0703", with(&[("random(0.2)", "column(\"is_valid\")")]), good.clone()),
        ("E0703", with(&[("random(0.2)", "grouped(\"dog\", 0.2)")]), good.clone()),
        ("E0703", with(&[("random(0.2)", "folds(5, grouped = \"dog\")")]), good.clone()),
        ("E0704", with(&[("[1, 2, 3]", "[1, 2]")]), good.clone()),
        ("E0705", with(&[("random(0.2)", "random(0.001)")]), good.clone()),
        ("E0705", with(&[("random(0.2)", "folds(100)")]), good.replace("images 80 20", "images 60 20")),
        ("E0705", RECIPE.into(), good.replace("class \"pug\" 10 2", "class \"pug\" 0 12")),
        ("E0706", with(&[(".jpg", ".jpeg")]), good.clone()),
        ("E0707", multi, one_tag.to_string()),
        ("E0708", with(&[("[1, 2, 3]", "balanced")]), one_class.to_string()),
        ("E0708", unweighted, same_tag.to_string()),
        ("E0709", regression, good.clone()),
        ("E0709", with(&[("random(0.2)", "column(\"weight\")")]), good),
    ];
    for (code, recipe, summary) in cases {
        assert_eq!(codes(recipe, summary), [*code], "{recipe}\n{summary}");
    }
    for code in ERRORS.iter().filter(|code| code.id.starts_with("E07")) {
        assert!(cases.iter().any(|c| c.0 == code.id), "no case for {}", code.id);
    }
}

#[test]
fn what_an_override_names_is_underlined_there() {
    let set = ["data.label=\"bread\"".parse::<Override>().unwrap()];
    let found = RecipeText::new("dogs.recipe", RECIPE, &set).verify(&summary().to_string()).render(false);
    assert!(found.contains("error[E0703]") && found.contains("--set data.label=\"bread\""), "{found}");
    assert!(!found.contains("label: \"breed\""), "{found}");
    let plain = RecipeText::new("dogs.recipe", RECIPE, &[]).result.unwrap().recipe;
    let other = RecipeText::new("dogs.recipe", RECIPE, &set).result.unwrap().recipe;
    assert!(summary().is_of(&plain) && !summary().is_of(&other));
}

#[test]
fn what_is_right_is_not_found() {
    let weight = REGRESSION.into_iter().chain([("\"breed\"", "\"weight\"")]).collect::<Vec<_>>();
    let numbers = counted(&["regression", "weight"], &[]);
    assert!(codes(&with(&weight), &numbers.to_string()).is_empty());
    let recipe = RecipeText::new("x", &with(&weight), &[]).result.unwrap().recipe;
    assert_eq!(numbers.facts(&recipe).classes, Some(1), "one output");
    let flagged = with(&[("random(0.2)", "column(\"held_out\")")]);
    assert!(codes(&flagged, &summary().to_string()).is_empty());
    // A summary that says nothing of labels and columns is held to nothing about them.
    let less = DataSummary { labels: Vec::new(), columns: Vec::new(), ..summary() };
    assert!(codes(RECIPE, &less.to_string()).is_empty());
    // One tag tells something where others lack it.
    let some = counted(&["multi_label", "breed", " "], &[("pug", 40, 10)]);
    let recipe = with(&[MULTI, ("accuracy", "f2"), ("[1, 2, 3]", "balanced")]);
    assert!(codes(&recipe, &some.to_string()).is_empty());
}

#[test]
fn labels_of_another_task_are_a_lint() {
    let multi = with(&[MULTI, ("accuracy", "f2")]);
    let plain = with(&[("[1, 2, 3]", "balanced")]);
    let single = |names: &[&str]| {
        let classes: Vec<(&str, u64, u64)> = names.iter().map(|name| (*name, 10, 2)).collect();
        counted(&["single_label", "breed"], &classes).to_string()
    };
    let one_each = DataSummary { labels: ["multi_label", "breed", " "].map(String::from).to_vec(), ..summary() };
    let tags = single(&["clear primary", "clear primary water", "haze", "haze primary", "haze water", "primary"]);
    for (recipe, summary, help) in [
        (&multi, one_each.to_string(), "`task: single_label`"),
        (&plain, tags, "`separator: \" \"`"),
        (&plain, single(&["0.5", "1", "2.25"]), "`task: regression`"),
    ] {
        let source = RecipeText::new("dogs.recipe", recipe, &[]).verify(&summary);
        assert!(source.result.is_ok(), "{}", source.render(false));
        assert_eq!(codes(recipe, &summary), ["labels_of_another_task"]);
        let text = source.render(false).replace("with `", "`");
        assert!(text.contains(help), "{help}: {text}");
        let allowed = format!("#[allow(labels_of_another_task)]\n{recipe}");
        assert!(codes(&allowed, &summary).is_empty());
        let denied = recipe.replace("    task:", "    #[deny(labels_of_another_task)]\n    task:");
        assert!(RecipeText::new("x", &denied, &[]).verify(&summary).result.is_err());
    }
    let dogs = single(&["black dog", "black cat", "hot dog", "white cat"]);
    for summary in [dogs, single(&["0", "1", "2"]), single(&["n02085620", "n02085782"])] {
        assert!(codes(&plain, &summary).is_empty(), "{summary}");
    }
}

#[test]
fn columns_of_flags_beside_the_labels_are_a_lint() {
    let recipe = with(&[("[1, 2, 3]", "balanced"), ("label: \"breed\"", "label: \"healthy\"")]);
    let flags = DataSummary {
        labels: ["single_label", "healthy"].map(String::from).to_vec(),
        header: Some(["id", "healthy", "rust", "scab"].map(String::from).to_vec()),
        columns: vec![Cells::Text, Cells::Flag, Cells::Flag, Cells::Flag],
        classes: [("0".to_string(), (40, 10)), ("1".to_string(), (40, 10))].into(),
        ..summary()
    };
    let source = RecipeText::new("dogs.recipe", &recipe, &[]).verify(&flags.to_string());
    assert_eq!(codes(&recipe, &flags.to_string()), ["labels_of_another_task"], "{}", source.render(false));
    assert!(source.render(false).contains("`columns: [\"healthy\", \"rust\", \"scab\"]` instead of `label`"));
    // With `columns`, each of them is looked up.
    let several = recipe.replace("label: \"healthy\"", "columns: [\"healthy\", \"rust\", \"scb\"]");
    let flags = DataSummary { labels: ["single_label", "healthy", "rust", "scb"].map(String::from).to_vec(), ..flags };
    assert_eq!(codes(&several, &flags.to_string()), ["E0703"]);
}

#[test]
fn classes_that_differ_in_case_or_blanks_are_a_lint() {
    let plain = with(&[("[1, 2, 3]", "balanced")]);
    for (names, expected) in [
        (&[("Pug", 1, 1), ("beagle", 4, 1), ("pug", 4, 1)][..], &["classes_alike"][..]),
        (&[("basset hound", 4, 1), ("bassethound", 4, 1), ("pug", 4, 1)], &["classes_alike"]),
        (&[("basset", 4, 1), ("hound", 4, 1), ("pug", 4, 1)], &[]),
    ] {
        let summary = counted(&["single_label", "breed"], names).to_string();
        assert_eq!(codes(&plain, &summary), expected);
        assert!(codes(&format!("#[allow(classes_alike)]\n{plain}"), &summary).is_empty());
    }
}

#[test]
fn a_top_k_of_all_classes_is_a_lint() {
    let metrics = |metrics: &str| with(&[("[1, 2, 3]", "balanced"), ("[accuracy]", metrics)]);
    let data = summary().to_string();
    for (all, k) in [("[top_k]", 5), ("[accuracy, top_k(3)]", 3)] {
        let recipe = metrics(all);
        assert_eq!(codes(&recipe, &data), ["top_k_of_all"]);
        let said = RecipeText::new("dogs.recipe", &recipe, &[]).verify(&data).render(false);
        assert!(said.contains(&format!("takes in the {k} most probable classes, and there are 3")), "{said}");
        assert!(said.contains("`top_k(2)` or less"), "{said}");
        assert!(codes(&format!("#[allow(top_k_of_all)]\n{recipe}"), &data).is_empty());
    }
    assert!(codes(&metrics("[top_k(2)]"), &data).is_empty());
    // The metrics of an argument are not in the text.
    let set = ["metrics=[top_k]".parse::<Override>().unwrap()];
    let source = RecipeText::new("dogs.recipe", &metrics("[accuracy]"), &set).verify(&data);
    let said = source.render(false);
    assert!(said.contains("--set metrics=[top_k]") && !said.contains("dogs.recipe:"), "{said}");
    assert!(source.diagnostics().iter().all(|found| !source.is_in_text(found.site)));
}

#[test]
fn a_wrong_name_has_a_help() {
    let source = RecipeText::new("dogs.recipe", &RECIPE.replace("label: \"breed\"", "label: \"bread\""), &[]);
    let text = source.verify(&summary().to_string()).render(false);
    assert!(text.contains("did you mean `breed`?") && text.contains("dogs.recipe:3:"), "{text}");
}
