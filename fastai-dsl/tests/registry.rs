//! The registry executes: every key of every construct with values of every kind is either refused with a reason or kept.

mod common;

use fastai_dsl::schema::{self, Construct, Key};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{LossSpec, MetricKind, Severity, StepKind, TaskKind};

/// Values of every kind, at the edges of ranges and beyond them.
const VALUES: &[&str] = &[
    "-1",
    "0",
    "0.5",
    "1",
    "2",
    "14",
    "224",
    "1e9",
    "\"\"",
    "\"x\"",
    "\".jpg\"",
    "\"../x\"",
    "\"7\"",
    "on",
    "none",
    "all",
    "search",
    "pretrained",
    "imagenet",
    "balanced",
    "linear",
    "macro",
    "samples",
    "quadratic",
    "nonsense",
    "[]",
    "[1]",
    "[0.9, 0.1]",
    "[0.9, 0.8, 0.9]",
    "[0.1, 0.2]",
    "[0.25, 0.25, 0.25, 0.25]",
    "[1, \"x\"]",
    "[flip]",
    "random(0.2)",
    "random(0.2, fold = 9)",
    "column(\"c\")",
    "normalize(0.5, [0.1, 0.2])",
    "nonsense(1)",
];

/// A recipe with one of its sections replaced.
fn recipe(section: &str, value: &str) -> String {
    let sections = [
        ("task", "single_label"),
        ("data", "folders { root: \"d\" }"),
        ("transforms", "basic { size: 64 }"),
        ("model", "squeezenet1_1"),
        ("metrics", "[accuracy]"),
        ("train", "{ fit(1e-2, 1); }"),
    ];
    let mut text = String::from("Demo {");
    for (name, usual) in sections {
        text += &format!(" {name}: {},", if name == section { value } else { usual });
    }
    if !sections.iter().any(|(name, _)| *name == section) {
        text += &format!(" {section}: {value},");
    }
    text + " }"
}

/// Nothing is refused without a reason, and what is kept survives its canonical text.
fn holds(text: &str) {
    let source = RecipeText::new("x", text, &[]);
    match &source.result {
        Ok(checked) => {
            let canonical = checked.recipe.to_string();
            let again = RecipeText::new("y", &canonical, &[]);
            let kept = again.result.as_ref().map(|again| &again.recipe).ok();
            assert_eq!(kept, Some(&checked.recipe), "{text}\n{canonical}\n{}", again.render(false));
        }
        Err(_) => assert!(source.diagnostics().has_errors(), "refused without a reason: {text}"),
    }
}

/// What the keys that must be given are set to while another one is tried.
fn usual(key: &Key) -> &'static str {
    match key.name {
        "degrees" => "10",
        "brightness" | "contrast" | "zoom" | "stretch" | "share" => "0.1",
        "max" => "2",
        "holes" | "length" | "cycles" | "epochs" => "3",
        "count" => "5",
        "size" => "64",
        "lrs" | "mean" | "std" | "beta" => "0.1",
        "group" => "-2",
        "state" => "off",
        _ => "\"x\"",
    }
}

/// The construct with one key tried, as a call or as a block.
fn with(construct: &Construct, word: &str, key: &Key, value: &str, block: bool) -> String {
    let is = if block { ": " } else { " = " };
    let mut keys = vec![format!("{}{is}{value}", key.name)];
    let others = construct.keys.iter().filter(|other| other.required && other.name != key.name);
    keys.extend(others.map(|other| format!("{}{is}{}", other.name, usual(other))));
    let keys = keys.join(", ");
    if block { format!("{word} {{ {keys} }}") } else { format!("{word}({keys})") }
}

/// A recipe with one key of a construct tried.
fn around(construct: &Construct, key: &Key, value: &str) -> String {
    let within = |list: &[&Construct]| list.iter().any(|other| other.name == construct.name);
    let call = with(construct, construct.name, key, value, false);
    let block = |word: &str| with(construct, word, key, value, true);
    if within(schema::SOURCES) {
        recipe("data", &block(construct.name))
    } else if within(schema::SPLITS) {
        recipe("data", &format!("csv {{ root: \"d\", labels: \"l\", images: \"i\", valid: {call} }}"))
    } else if within(schema::CHECKS) {
        recipe("data", &format!("folders {{ root: \"d\", preflight: {call} }}"))
    } else if construct.name == schema::TRANSFORMS.name {
        recipe("transforms", &block("none"))
    } else if construct.name == schema::NORMALIZE.name {
        recipe("transforms", &format!("none {{ size: 64, stats: {call} }}"))
    } else if within(schema::AUGMENTATIONS) {
        recipe("transforms", &format!("none {{ size: 64, augment: [{call}] }}"))
    } else if construct.name == schema::MODEL.name {
        recipe("model", &block("squeezenet1_1"))
    } else if within(schema::LOSSES) {
        let task = |task: &&TaskKind| LossSpec::words(**task).contains(&construct.name);
        let task = TaskKind::ALL.iter().rev().find(task).unwrap();
        let recipe = recipe("loss", &block(construct.name)).replace("single_label", task.word());
        recipe.replace("[accuracy]", "[]")
    } else if within(schema::OPTIMIZERS) {
        recipe("optimizer", &block(construct.name))
    } else if within(schema::STEPS) {
        recipe("train", &format!("{{ fit(1e-2, 1); {call}; fit(1e-2, 1); }}"))
    } else {
        let metric = MetricKind::parse(construct.name).unwrap();
        recipe("metrics", &format!("[{call}]")).replace("single_label", metric.tasks()[0].word())
    }
}

/// Every key with each of these values.
fn tried(values: &'static [&'static str]) -> impl Iterator<Item = (&'static Construct, &'static Key, &'static str)> {
    let keys = schema::constructs().flat_map(|construct| construct.keys.iter().map(move |key| (construct, key)));
    keys.flat_map(move |(construct, key)| values.iter().map(move |value| (construct, key, *value)))
}

#[test]
fn every_key_takes_every_value_or_says_why_not() {
    for (construct, key, value) in tried(VALUES) {
        holds(&around(construct, key, value));
    }
}

/// Values of kinds that many keys do not take: words, numbers, strings, lists and calls.
const KINDS: &[&str] = &[
    "cat",
    "on",
    "1",
    "0.3",
    "-1",
    "\"cat\"",
    "\"1\"",
    "\"cat, dog\"",
    "[\"cat\"]",
    "[1]",
    "[0.3]",
    "[cat]",
    "cat(1)",
    "random(0.2)",
];

/// Errors of a value that is of the wrong kind: an unknown word, another kind, no whole number, no suffix.
const OF_KIND: [&str; 4] = ["E0206", "E0301", "E0303", "E0307"];

/// Whether what a help proposes is no value of the key.
fn goes_elsewhere(key: &Key, value: &str, help: &str) -> bool {
    // `let` goes before the step, and gives the name the value of one's choice.
    help.starts_with("bind `")
        // `average` names two models: one that is saved before it goes beside the one of this list.
        || (key.name == "names" && (help.starts_with("another model beside it: ") || value.starts_with('[')))
        // The nearest number in the range is smaller than the images of this recipe.
        || (key.name == "resize_to" && value == "0.3")
        // A number by itself is none of the four that `ps` are.
        || (key.name == "ps" && value == "\"1\"")
}

#[test]
fn what_is_proposed_in_place_of_a_value_of_the_wrong_kind_is_accepted() {
    let (mut proposals, mut refused) = (0, Vec::new());
    for (construct, key, value) in tried(KINDS) {
        let helps = |value: &str, codes: &[&str]| -> Vec<String> {
            let source = RecipeText::new("x", &around(construct, key, value), &[]);
            let errors = source.diagnostics().iter().filter(|d| d.severity == Severity::Error);
            errors.filter(|d| codes.contains(&d.code.id)).map(|d| d.help.clone().unwrap_or_default()).collect()
        };
        // It may be out of the range, too, and may stand for one item of the list.
        let judged = [&OF_KIND[..], &["E0302"]].concat();
        let fits = |proposed: &str| {
            helps(proposed, &judged).is_empty()
                || (value.starts_with('[') && helps(&format!("[{proposed}]"), &judged).is_empty())
        };
        for help in helps(value, &OF_KIND).iter().filter(|help| !goes_elsewhere(key, value, help)) {
            // What follows a semicolon is a remark.
            let proposed = common::code(help.split("; ").next().unwrap_or_default());
            let value_of = |piece: &str| {
                let is = |separator: &str| piece.strip_prefix(key.name)?.strip_prefix(separator);
                is(": ").or_else(|| is(" = ")).unwrap_or(piece).to_string()
            };
            proposals += proposed.len();
            if proposed.is_empty() || !proposed.iter().all(|piece| fits(&value_of(piece))) {
                refused.push(format!("{} of {}: {value}: {help:?}", key.name, construct.name));
            }
        }
    }
    assert!(refused.is_empty(), "{} of {proposals}\n{}", refused.len(), refused.join("\n"));
    assert!(proposals > 1000, "{proposals} proposals");
}

#[test]
fn every_section_takes_every_value_or_says_why_not() {
    for section in schema::SECTIONS {
        for value in VALUES {
            holds(&recipe(section.name, value));
        }
    }
}

#[test]
fn every_enum_of_words_is_in_the_registry() {
    let steps: Vec<&str> = schema::STEPS.iter().map(|step| step.name).collect();
    assert_eq!(steps, StepKind::WORDS);
    for kind in MetricKind::ALL.iter().copied() {
        assert!(TaskKind::ALL.iter().any(|task| kind.measures(*task)), "{kind:?}");
        assert_eq!(MetricKind::parse(kind.word()), Some(kind));
    }
    for task in TaskKind::ALL.iter().copied() {
        assert!(MetricKind::of_task(task).is_some_and(|kind| kind.measures(task)), "{task:?}");
    }
}
