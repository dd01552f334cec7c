//! Code that helps propose: taken from a text's backticks, put where it belongs, and checked.
#![allow(dead_code)] // each test program uses a part

pub mod findings;

use fastai_dsl::schema::{OPTIMIZERS, SECTIONS, constructs};
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Severity, explain};

/// The program's commands.
const COMMANDS: &[&str] = &["show", "plan", "submit", "predict", "explain", "run"];
/// Options of Rust code, a shell command, and what stands for something else.
const ELSEWHERE: &[&str] = &[
    "name: value",
    "RunOptions",
    "Dataset::",
    "iconv",
    "recipe!",
    "//",
    "#[",
    "report.html",
    ".prepared",
    "fastai prepare",
];

/// A recipe without a mistake.
pub const HEAD: &str = "Demo {\n    task: single_label,\n    data: folders { root: \"d\" },\n    transforms: side_on { size: 64 },\n    \
                    model: squeezenet1_1,\n    metrics: [accuracy],\n    train: { fit(1e-2, 1); },\n}\n";

/// The pieces of `text` in backticks.
pub fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Checks a proposed piece of code: a step in some state, a section of some task, a key of some block, an argument, or a
/// word that is explained.
pub fn check(piece: &str) -> Result<(), String> {
    if piece.contains("..") || ELSEWHERE.iter().any(|part| piece.contains(part)) {
        return Ok(());
    }
    if let Some(command) = piece.strip_prefix("fastai ") {
        let command = command.split(' ').next().unwrap_or_default();
        return if COMMANDS.contains(&command) { Ok(()) } else { Err(format!("no command `{command}`")) };
    }
    if piece.ends_with(';') {
        return any(&STATES.map(|before| recipe("", "single_label", &format!("{before} {piece} fit(1e-3, 1);"))));
    }
    if piece.starts_with("for ") {
        return any(&[recipe("", "single_label", &format!("{piece} {{ fit(1e-2, 1); }}"))]);
    }
    let before = |separator: &str| {
        let (name, value) = piece.split_once(separator)?;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_name.then(|| (name, value.trim_end_matches(',')))
    };
    let mut places = Vec::new();
    if let Some((name, value)) = before(": ") {
        places.extend(as_section(name, value).into_iter().chain(as_key(name, value)));
    } else if let Some((name, value)) = before(" = ") {
        places.extend(as_argument(name, value));
    } else if piece.contains('(') {
        // A call by itself: a step, a split, statistics or an augmentation.
        places.extend(STATES.map(|state| recipe("", "single_label", &format!("{state} {piece}; fit(1e-3, 1);"))));
        places.extend(as_key("valid", piece).into_iter().chain(as_key("stats", piece)));
        places.extend(as_key("augment", &format!("[{piece}]")));
    }
    match places.is_empty() {
        true => word(piece),
        false => any(&places).or_else(|why| word(piece).map_err(|_| why)),
    }
}

const TASKS: [&str; 3] = ["single_label", "multi_label", "regression"];

fn as_section(name: &str, value: &str) -> Vec<String> {
    if !SECTIONS.iter().any(|section| section.name == name) {
        return Vec::new();
    }
    TASKS.map(|task| recipe(&format!("{name}: {value},"), task, "fit(1e-2, 1);")).to_vec()
}

fn as_key(name: &str, value: &str) -> Vec<String> {
    let blocks = constructs().filter(|c| c.key(name).is_some()).flat_map(|c| {
        let required = c.keys.iter().filter(|k| k.required && k.name != name);
        let mut keys: String = required.map(|k| format!("{}: {}, ", k.name, instance(k.name))).collect();
        if name == "label" {
            // A proposed position is not that of the id.
            keys += "id: 9, ";
        }
        let block = |word: &str| format!("{word} {{ {keys}{name}: {value} }}");
        let section = match c.name {
            "folders" | "csv" | "given" => format!("data: {},", block(c.name)),
            "transforms" => format!("transforms: {},", block("side_on")),
            "model" => format!("model: {},", block("squeezenet1_1")),
            optimizer if OPTIMIZERS.iter().any(|of| of.name == optimizer) => {
                format!("optimizer: {},", block(optimizer))
            }
            _ => return Vec::new(),
        };
        TASKS.map(|task| recipe(&section, task, "fit(1e-2, 1);")).to_vec()
    });
    blocks.collect()
}

/// What may stand before a proposed step.
const STATES: [&str; 4] = [
    "let lr = 1e-2; let lrs = [lr / 9, lr / 3, lr]; let sz = 64; let size = 64; fit(lr, 1); resize(sz); resize(size); \
     unfreeze(); fit(lrs, 1);",
    "let lr = 1e-2; fit(lr, 1);",
    "precompute(on); fit(1e-2, 1);",
    "fit(1e-2, 1); save(\"224_all\");",
];

fn instance(key: &str) -> &str {
    match key {
        "size" => "64",
        "root" | "images" | "name" | "path" => "\"d\"",
        "labels" => "\"l.csv\"",
        "share" | "contrast" | "brightness" | "stretch" | "zoom" | "max" => "0.2",
        "lrs" => "1e-2",
        "state" => "on",
        "mean" | "std" => "0.5",
        "positions" => "[1]",
        _ => "1",
    }
}

fn recipe(section: &str, task: &str, steps: &str) -> String {
    let given = section.split(':').next().unwrap_or_default();
    let metric = match task {
        "multi_label" => "f2",
        "regression" => "mae",
        _ => "accuracy",
    };
    let data = if task == "regression" {
        "csv { root: \"d\", labels: \"l\", images: \"i\" }"
    } else {
        "folders { root: \"d\" }"
    };
    let base = [
        ("task", task.to_string()),
        ("data", data.to_string()),
        ("transforms", "side_on { size: 64 }".to_string()),
        ("model", "squeezenet1_1".to_string()),
        // A proposed option may name any metric of the task.
        (
            "metrics",
            if task == "single_label" { "[accuracy, log_loss, auroc]".to_string() } else { format!("[{metric}]") },
        ),
    ];
    let others = base.iter().filter(|(name, _)| *name != given || section.is_empty());
    let others: String = others.map(|(name, value)| format!("{name}: {value},\n")).collect();
    let train = if given == "train" { String::new() } else { format!("train: {{ {steps} }},") };
    format!("Demo {{\n{others}{section}\n{train}\n}}")
}

/// An argument of a step, a split or an augmentation.
fn as_argument(name: &str, value: &str) -> Vec<String> {
    let takes = constructs().filter(|c| c.key(name).is_some());
    takes
        .flat_map(|c| {
            let required = c.keys.iter().filter(|k| k.required && k.name != name);
            let mut arguments: Vec<String> = required.map(|k| format!("{} = {}", k.name, instance(k.name))).collect();
            arguments.push(format!("{name} = {value}"));
            if matches!(name, "cycle_mult" | "anneal") {
                arguments.push("cycle_len = 1".to_string());
            }
            let call = format!("{}({})", c.name, arguments.join(", "));
            let bound = if c.name == "lr_find" { format!("let lr = {call}; fit(lr, 1)") } else { call.clone() };
            let mut places: Vec<String> =
                STATES.map(|state| recipe("", "single_label", &format!("{state} {bound}; fit(1e-3, 1);"))).to_vec();
            places.extend(as_key("valid", &call));
            places.extend(as_key("augment", &format!("[{call}]")));
            places.extend(as_key("stats", &call));
            places
        })
        .collect()
}

/// A word, a number, a string, a list, or a call: explained, or a value that some place takes.
fn word(piece: &str) -> Result<(), String> {
    let name = piece.split(['(', ' ', '{']).next().unwrap_or_default();
    let known = explain::page(name).is_ok();
    let literal = name.starts_with(['"', '[', '-']) || name.starts_with(|c: char| c.is_ascii_digit());
    let parsed = fastai_dsl::parse::parse_value(piece.trim_end_matches(','));
    // The name of a recipe.
    let is_type = name == piece && name.starts_with(|c: char| c.is_ascii_uppercase());
    match known || is_type || (literal && parsed.is_some()) || name.starts_with('_') || name.len() == 1 {
        true => Ok(()),
        false => Err(format!("`{piece}` is neither explained nor a value")),
    }
}

fn any(texts: &[String]) -> Result<(), String> {
    let mut last = "no place takes it".to_string();
    for text in texts {
        let source = RecipeText::new("proposed.recipe", text, &[]);
        if source.diagnostics().iter().all(|d| d.severity != Severity::Error) {
            return Ok(());
        }
        last = source.render(false);
    }
    Err(last)
}
