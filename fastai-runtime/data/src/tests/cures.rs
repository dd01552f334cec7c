//! What a finding proposes is legal, and ends the trouble: each proposal is written into the recipe, which then opens.

use fastai_dsl::source::RecipeText;

use super::*;

/// The keys of a recipe's data, changed as messages propose.
struct Keys(Vec<(String, String)>);

impl Keys {
    fn new(keys: &[(&str, &str)]) -> Keys {
        Keys(keys.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    /// Sets the keys of `id: 1, label: 2`.
    fn set(&mut self, keys: &str) {
        // A comma that parts keys is followed by a word and a colon.
        let is_key =
            |part: &str| part.split_once(": ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase()));
        for part in keys.split(", ") {
            match part.split_once(": ").filter(|_| is_key(part)) {
                Some((key, value)) => {
                    self.0.retain(|(known, _)| known != key);
                    self.0.push((key.to_string(), value.to_string()));
                }
                None => {
                    let value = &mut self.0.last_mut().unwrap().1;
                    *value = format!("{value}, {part}");
                }
            }
        }
    }

    /// Opens the data as a whole recipe says, which must be one of the language.
    fn open(&self, root: &Path, source: &str, task: &str) -> Result<Dataset, DataError> {
        let keys: String = self.0.iter().map(|(key, value)| format!("{key}: {value}, ")).collect();
        let metric = match task {
            "single_label" => "accuracy",
            "multi_label" => "f2",
            _ => "rmse",
        };
        let text = format!(
            "Cure {{ task: {task}, data: {source} {{ root: {root:?}, {keys} }}, transforms: side_on {{ size: 64 }},
                model: squeezenet1_1, metrics: [{metric}], train: {{ fit(1e-2, 1); }}, }}"
        );
        let recipe =
            RecipeText::new("cure", &text, &[]).result.unwrap_or_else(|error| panic!("{text}\n{error:?}")).recipe;
        Dataset::open(recipe.data(), recipe.task())
    }
}

/// The proposal after `say` in a text.
fn proposed(text: &str) -> &str {
    let (_, rest) = text.split_once("say `").unwrap_or_else(|| panic!("nothing is proposed in {text}"));
    rest.split_once('`').unwrap().0
}

/// A data set of rows called `00` and so on, with these further cells.
fn numbered<S: AsRef<str>>(header: &str, cells: &[S]) -> TempDir {
    let row = |(i, cells): (usize, &S)| format!("{i:02},{}\n", cells.as_ref());
    let rows: String = cells.iter().enumerate().map(row).collect();
    let images: Vec<String> = (0..cells.len()).map(|i| format!("{i:02}.jpg")).collect();
    table(format!("{header}\n{rows}"), &images)
}

const CSV: [(&str, &str); 4] =
    [("labels", "\"labels.csv\""), ("images", "\"img\""), ("suffix", "\".jpg\""), ("valid", "all")];

/// Opens a table with `keys`, applies what its last finding proposes, and opens it again.
fn cure(root: &TempDir, keys: &[(&str, &str)], task: &str) -> (String, Dataset) {
    let mut all = Keys::new(&CSV);
    keys.iter().for_each(|(key, value)| all.set(&format!("{key}: {value}")));
    let findings = all.open(root.path(), "csv", task).unwrap_err().findings;
    // A name is no number, where the labels' column is another.
    assert_eq!(findings.len(), if task == "regression" { 2 } else { 1 }, "{findings:#?}");
    let said: Vec<&str> =
        findings[findings.len() - 1].text.split("say `").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    let said = said.join(", ");
    all.set(&said);
    let dataset = all.open(root.path(), "csv", task).unwrap_or_else(|error| panic!("{said}: {error}"));
    (said, dataset)
}

#[test]
fn another_column_of_names_comes_with_that_of_the_labels() {
    let images = ["a0.jpg", "a1.jpg", "a2.jpg", "a3.jpg"];
    for (text, task, expected, classes) in [
        // An index of pandas.
        (",id,breed\n0,a0,cat\n1,a1,dog\n2,a2,cat\n3,a3,dog\n", "single_label", "id: 1, label: 2", vec!["cat", "dog"]),
        (",id,size\n0,a0,1.5\n1,a1,2.5\n2,a2,3.5\n3,a3,9\n", "regression", "id: 1, label: 2", vec!["size"]),
        (",id,tags\n0,a0,x\n1,a1,x y\n2,a2,y\n3,a3,z\n", "multi_label", "id: 1, label: 2", vec!["x", "y", "z"]),
        // Sorted otherwise, with a column that is empty, and one that is all different.
        (
            "n,id,more,url,breed\n7,a0,,u,cat\n3,a1,,v,dog\n9,a2,,w,cat\n4,a3,,x,dog\n",
            "single_label",
            "id: 1, label: 4",
            vec!["cat", "dog"],
        ),
        // With the suffix in the names.
        (
            ",file,breed\n0,a0.jpg,cat\n1,a1.jpg,dog\n2,a2.jpg,cat\n3,a3.jpg,dog\n",
            "single_label",
            "id: 1, label: 2, suffix: \"\"",
            vec!["cat", "dog"],
        ),
        ("breed,id\ncat,a0\ndog,a1\ncat,a2\ndog,a3\n", "single_label", "id: 1, label: 0", vec!["cat", "dog"]),
    ] {
        let (said, dataset) = cure(&table(text, &images), &[], task);
        assert_eq!((said.as_str(), dataset.classes), (expected, classes.iter().map(|c| c.to_string()).collect()));
    }
    // Which of two columns holds the labels only its owner knows.
    let text = ",id,breed,sex\n0,a0,cat,f\n1,a1,dog,m\n2,a2,cat,m\n3,a3,dog,f\n";
    let root = table(text, &images);
    let finding = Keys::new(&CSV).open(root.path(), "csv", "single_label").unwrap_err().findings.remove(0).text;
    assert!(finding.ends_with("say `id: 1`, and `label: 2` or `label: 3`, whichever holds the labels"), "{finding}");
}

#[test]
fn names_with_and_without_suffix_need_both() {
    let images = ["a.jpg", "b.jpg", "c.jpg", "d.png"];
    for (names, suffix, expected) in [
        (["a.jpg", "b.jpg", "c", "d.png"], "\".jpg\"", "suffix: [\".jpg\", \"\"]"),
        (["a.jpg", "b.jpg", "c", "d.png"], "\"\"", "suffix: [\"\", \".jpg\"]"),
        (["a.jpg", "b", "c", "d"], "\".jpg\"", "suffix: [\".jpg\", \"\", \".png\"]"),
        (["a.jpg", "b", "c", "d"], "\".bmp\"", "suffix: [\"\", \".jpg\", \".png\"]"),
        (["a.jpg", "b.jpg", "c.jpg", "d.png"], "[\".jpg\", \".png\"]", "suffix: \"\""),
    ] {
        let rows: String =
            names.iter().zip(["x", "y", "x", "y"]).map(|(id, label)| format!("{id},{label}\n")).collect();
        let root = table(format!("id,label\n{rows}"), &images);
        let mut keys = Keys::new(&CSV);
        keys.set(&format!("suffix: {suffix}"));
        let findings = keys.open(root.path(), "csv", "single_label").unwrap_err().findings;
        // Whichever of the findings is followed.
        for finding in findings {
            assert_eq!(proposed(&finding.text), expected, "{finding}");
            keys.set(proposed(&finding.text));
            assert_eq!(keys.open(root.path(), "csv", "single_label").unwrap().train.len(), 4);
        }
    }
    // A cure of some rows keeps the others.
    for (names, expected) in [
        (["a", " b.jpg"], "take them out of the file, and say `suffix: [\".jpg\", \"\"]`"),
        (["a", "img/b"], "take the start, \"img/\", out of the names"),
        (["a", "b;x"], "the cells are parted by \";\", and those of other rows by \",\": write all alike"),
        (["a", "z"], "say `images: \".\"`, and write the folder's name before each image's"),
    ] {
        let root = table(format!("id,label\n{},x\n{},y\n", names[0], names[1]), &images);
        std::fs::create_dir(root.path().join("other")).unwrap();
        std::fs::write(root.path().join("other/z.jpg"), "").unwrap();
        let findings = Keys::new(&CSV).open(root.path(), "csv", "single_label").unwrap_err().findings;
        assert!(findings.len() == 1 && findings[0].text.ends_with(expected), "{expected}: {findings:#?}");
    }
}

#[test]
fn a_split_that_helps_is_proposed_and_none_where_none_does() {
    let open = |labels: &[&str], valid: &str, task: &str| {
        let root = numbered("id,label", labels);
        let mut keys = Keys::new(&CSV);
        keys.set(&format!("valid: {valid}"));
        keys.open(root.path(), "csv", task)
    };
    // `valid: stratified(0.5)`, as a finding or a note proposes it.
    let split = |text: &str| text.rsplit_once("`valid: ").unwrap().1.split_once('`').unwrap().0.to_string();
    let distinct: Vec<String> = (0..24).map(|i| format!("class {i}")).collect();
    let distinct: Vec<&str> = distinct.iter().map(String::as_str).collect();
    let hopeless = "each image is the only one of its class, so that no split can help";
    for valid in ["stratified(0.25)", "folds(4)"] {
        let error = open(&distinct, valid, "single_label").unwrap_err();
        assert!(error.findings.len() == 1 && error.findings[0].text.contains(hopeless), "{error}");
        assert!(!error.to_string().contains("random("), "{error}");
    }
    assert_eq!(open(&distinct, "all", "single_label").unwrap().train.len(), 24);
    let notes = open(&distinct, "random(0.25)", "single_label").unwrap().notes.join("\n");
    assert!(notes.contains(hopeless) && !notes.contains("stratified"), "{notes}");

    // One class has two images; what is drawn are others.
    for count in [3, 5, 8, 13, 24] {
        let mut labels = distinct[..count].to_vec();
        labels[0] = labels[1];
        for valid in ["stratified(0.2)", "stratified(0.34)", "random(0.34)"] {
            let (said, measured) = match open(&labels, valid, "single_label") {
                Ok(dataset) => (dataset.notes.join("\n"), dataset.class_counts().iter().all(|count| *count > 0)),
                Err(error) => (error.texts().collect::<Vec<_>>().join("\n"), false),
            };
            if measured || said.ends_with("give a larger part") {
                continue;
            }
            assert!(said.contains("`valid: stratified("), "{count} {valid}: {said}");
            let dataset =
                open(&labels, &split(&said), "single_label").unwrap_or_else(|error| panic!("{said}: {error}"));
            assert!(!dataset.valid.is_empty() && dataset.class_counts().iter().all(|count| *count > 0), "{said}");
        }
    }
    // Tags, of which each stands at one image only.
    let tags = ["a", "b", "c", "d"];
    let error = open(&tags, "stratified(0.5)", "multi_label").unwrap_err();
    let notes = open(&tags, &split(&error.findings[0].text), "multi_label").unwrap().notes.join("\n");
    assert!(!notes.contains("stratified"), "{notes}");
}

#[test]
fn splits_that_keep_images_together_are_mended_by_splits_of_their_kind() {
    // Two images of each of six patients, in the order of the file; `c` is the class of the last ones alone.
    let open = |first_of_c: usize, valid: &str| {
        let label = |image: usize| if image / 2 >= first_of_c { "c" } else { ["a", "b"][image % 2] };
        let cells: Vec<String> = (0..12).map(|i| format!("{},p{}", label(i), i / 2)).collect();
        let root = numbered("id,label,patient", &cells);
        let mut keys = Keys::new(&CSV);
        keys.set("label: \"label\"");
        keys.set(&format!("valid: {valid}"));
        let dataset = keys.open(root.path(), "csv", "single_label").unwrap();
        let trains_all = dataset.class_counts().iter().all(|count| *count > 0);
        (dataset.notes.join("\n"), trains_all && !dataset.valid.is_empty())
    };
    let mut mended = [0; 3];
    for seed in 0..40 {
        for fold in 0..2 {
            let draws = [
                format!("grouped(\"patient\", share = 0.34, seed = {seed}, fold = {fold})"),
                format!("folds(3, seed = {seed}, fold = {fold}, grouped = \"patient\")"),
                format!("blocks(2, share = 0.34, seed = {seed}, fold = {fold})"),
            ];
            for (draw, mended) in draws.iter().zip(&mut mended) {
                let (said, serves) = open(4, draw);
                if serves {
                    continue;
                }
                let (kind, _) = draw.split_once('(').unwrap();
                let proposed = said.rsplit_once("`valid: ").unwrap().1.split_once('`').unwrap().0;
                assert!(proposed.starts_with(kind) && !said.contains("stratified"), "{draw}: {said}");
                let turns = proposed.strip_prefix("folds(").map(|rest| rest[..1].parse::<u32>().unwrap());
                for turn in 0..turns.unwrap_or(1) {
                    let one = match turns {
                        Some(_) => format!("{}, fold = {turn})", proposed.trim_end_matches(')')),
                        None => proposed.to_string(),
                    };
                    let (after, serves) = open(4, &one);
                    assert!(serves, "{draw}: {one}: {after}");
                }
                *mended += 1;
            }
        }
    }
    assert!(mended.iter().all(|count| *count > 0), "{mended:?}");

    // All images of a class are of one patient, who is in one of the folds.
    let lost = (0..3).map(|fold| open(5, &format!("folds(3, fold = {fold}, grouped = \"patient\")")));
    let lost: Vec<String> = lost.filter(|(_, serves)| !serves).map(|(said, _)| said).collect();
    assert!(
        lost.len() == 1
            && lost[0].contains("all images of \"c\" lie in one group, ")
            && !lost[0].contains("stratified"),
        "{lost:?}"
    );
}

#[test]
fn classes_that_no_split_by_groups_can_train_are_named() {
    let notes = |rows: &[(&str, &str)], valid: &str| {
        let cells: Vec<String> = rows.iter().map(|(label, of)| format!("{label},{of}")).collect();
        let root = numbered("id,label,patient", &cells);
        let mut keys = Keys::new(&CSV);
        keys.set("label: \"label\"");
        keys.set(&format!("valid: {valid}"));
        keys.open(root.path(), "csv", "single_label").unwrap().notes.join("\n")
    };
    // `wolf` is of one patient, the others are of several.
    let mut rows = vec![("wolf", "p0"), ("wolf", "p0")];
    rows.extend((0..6).flat_map(|patient| [("fox", ["p1", "p2", "p3", "p4", "p5", "p6"][patient]), ("cat", "p7")]));
    rows.extend([("cat", "p8"), ("cat", "p1"), ("cat", "p6")]);
    let said: Vec<String> =
        (0..2).map(|fold| notes(&rows, &format!("folds(2, fold = {fold}, grouped = \"patient\")"))).collect();
    let said: Vec<&String> = said.iter().filter(|said| said.contains("no training image")).collect();
    assert!(!said.is_empty());
    assert!(said.iter().all(|said| said.contains("all images of \"wolf\" lie in one group, ")), "{said:?}");

    let rows = [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b"), ("c", "c"), ("c", "c")];
    let said = notes(&rows, "grouped(\"patient\", share = 0.34)");
    assert!(said.contains("the groups are the classes") && said.contains("`valid: stratified(0.2)`"), "{said}");
}
