//! The registry executes: every key of every construct with values of every kind is either refused with a reason or kept.

use fastai_dsl::schema::{self, Construct, Key};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{LossSpec, MetricKind, StepKind, TaskKind};

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
        "brightness" | "contrast" | "max" | "zoom" | "stretch" | "share" => "0.1",
        "holes" | "length" | "cycles" | "epochs" => "3",
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

#[test]
fn every_key_takes_every_value_or_says_why_not() {
    for construct in schema::constructs() {
        for (key, value) in construct.keys.iter().flat_map(|key| VALUES.iter().map(move |value| (key, *value))) {
            let within = |list: &[&Construct]| list.iter().any(|other| other.name == construct.name);
            let call = with(construct, construct.name, key, value, false);
            let block = |word: &str| with(construct, word, key, value, true);
            let text = if within(schema::SOURCES) {
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
            };
            holds(&text);
        }
    }
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
