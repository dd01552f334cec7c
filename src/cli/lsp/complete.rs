//! What stands or may stand at a place of a recipe, from the registry.

use std::ops::Range;

use fastai_dsl::arch::ARCHS;
use fastai_dsl::recipe::METRICS;
use fastai_dsl::schema::{Construct, SECTIONS, STEPS, choices, chosen, constructs};
use fastai_dsl::{KeepBest, LossSpec, MetricKind, TaskKind, TransformSet};
use serde_json::{Value, json};

/// The bracket that a place is in.
#[derive(Clone, Debug, PartialEq)]
struct Bracket {
    open: char,
    /// The word before it: `fit` of `fit(`, `data` of `data: csv {` is that of the next bracket, `csv`.
    word: String,
    /// The key whose value it is or belongs to: `train` of `train: {`.
    key: String,
}

/// Where a place is.
#[derive(Clone, Debug, Default, PartialEq)]
struct CursorContext {
    brackets: Vec<Bracket>,
    /// The key whose value stands at the place, if one does.
    key: Option<String>,
}

impl CursorContext {
    /// Reads the text before the place. Neither comments nor strings count. `meets` is called with each word, where it stands:
    /// the number of brackets around it, and the key whose value it may be.
    fn read(before: &str, mut meets: impl FnMut(usize, &str, &str)) -> Option<Self> {
        let mut context = CursorContext::default();
        let (mut word, mut key) = (String::new(), String::new());
        // Keys of the brackets around, to which their ends lead back.
        let mut outer = Vec::new();
        let mut rest = before;
        while let Some(c) = rest.chars().next() {
            if rest.starts_with("//") {
                rest = &rest[rest.find('\n')?..];
                continue;
            }
            if rest.starts_with("/*") {
                rest = &rest[rest.find("*/")? + 2..];
                continue;
            }
            if c == '"' {
                let mut escaped = false;
                let inside = rest[1..].char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                rest = &rest[inside?.0 + 2..];
                word.clear();
                continue;
            }
            if c.is_alphanumeric() || c == '_' {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                word = rest[..end].to_string();
                meets(context.brackets.len(), &key, &word);
                rest = &rest[end..];
                continue;
            }
            match c {
                '{' | '(' | '[' => {
                    context.brackets.push(Bracket { open: c, word: std::mem::take(&mut word), key: key.clone() });
                    outer.push(std::mem::take(&mut key));
                }
                '}' | ')' | ']' => {
                    context.brackets.pop();
                    key = outer.pop().unwrap_or_default();
                    word.clear();
                }
                ':' | '=' => key = std::mem::take(&mut word),
                ',' | ';' => {
                    key.clear();
                    word.clear();
                }
                // Behind an attribute or an operator, a value goes on.
                c if c.is_whitespace() => {}
                _ => word.clear(),
            }
            rest = &rest[c.len_utf8()..];
        }
        context.key = Some(key).filter(|key| !key.is_empty());
        Some(context)
    }
}

fn item(label: &str, kind: u32, detail: &str, doc: &str, insert: String) -> Value {
    json!({
        "label": label, "kind": kind, "detail": detail, "insertText": insert,
        "documentation": { "kind": "markdown", "value": doc.trim() },
    })
}

/// The construct whose keys or arguments stand in the bracket.
fn construct(of: &Bracket) -> Option<&'static Construct> {
    // The keys of a section stand in braces; `let model = lr_find(` is a call.
    let of_section = if of.open == '{' { chosen(&of.key, &of.word) } else { None };
    of_section.or_else(|| constructs().find(|construct| construct.name == of.word))
}

/// The construct of which the word at these bytes is a key or an argument's name.
pub fn construct_of_key(text: &str, word: &Range<usize>) -> Option<&'static Construct> {
    let context = CursorContext::read(&text[..word.start], |_, _, _| {})?;
    let is_key = context.key.is_none() && text[word.end..].trim_start().starts_with([':', '=']);
    construct(context.brackets.last().filter(|_| is_key)?)
}

/// Kinds of items, by the protocol's numbers.
const FUNCTION: u32 = 3;
const FIELD: u32 = 5;
const MODULE: u32 = 9;
const KEYWORD: u32 = 14;
const VALUE: u32 = 12;

/// The task of the recipe in a text that need not be complete, if it names one.
fn task_of(text: &str) -> Option<TaskKind> {
    let mut task = None;
    CursorContext::read(text, |depth, key, word| {
        if depth == 1 && key == "task" {
            task = task.or_else(|| TaskKind::parse(word));
        }
    });
    task
}

/// Whether a word may stand for the value of a section of a recipe with this task; any may while the task is unknown.
fn suits(section: &str, word: &str, task: Option<TaskKind>) -> bool {
    let Some(task) = task else { return true };
    match section {
        "metrics" => MetricKind::parse(word).is_none_or(|metric| metric.measures(task)),
        "keep_best" => match KeepBest::parse(word) {
            Some(KeepBest::Metric(metric)) => metric.measures(task),
            Some(KeepBest::ValLoss) | None => true,
        },
        "loss" => LossSpec::words(task).contains(&word),
        _ => true,
    }
}

/// What may stand behind `before`, the beginning of `text` up to the word at the place.
pub fn items(before: &str, text: &str) -> Vec<Value> {
    let Some(CursorContext { brackets, key }) = CursorContext::read(before, |_, _, _| {}) else { return Vec::new() };
    let words = |words: &[&str]| -> Vec<Value> {
        words.iter().map(|word| item(word, VALUE, "", "", word.to_string())).collect()
    };
    let with_calls = |legal: &[&str], calls: &[&Construct]| -> Vec<Value> {
        let calls = calls.iter().map(|c| item(c.name, MODULE, &c.signature(), c.doc, c.name.to_string()));
        words(legal).into_iter().chain(calls).collect()
    };
    let task = task_of(text);
    let metrics = || -> Vec<Value> {
        let legal = METRICS.iter().filter(|(kind, _)| suits("metrics", kind.word(), task));
        legal.map(|(kind, doc)| item(kind.word(), VALUE, "metric", doc, kind.word().to_string())).collect()
    };
    let Some(last) = brackets.last() else { return Vec::new() };
    // A list is the value of its key, wherever in it.
    let key = if last.open == '[' { Some(last.key.clone()) } else { key };
    let around: Vec<&Bracket> = brackets.iter().filter(|bracket| bracket.open != '[').collect();
    let Some(bracket) = around.last() else { return Vec::new() };
    let in_recipe = around.len() == 1;
    let in_steps = bracket.open == '{' && around.iter().any(|b| b.key == "train" && b.word.is_empty()) && !in_recipe;
    match key.as_deref().filter(|key| !key.is_empty()) {
        Some("model") if in_recipe => {
            ARCHS.iter().map(|arch| item(arch.name, VALUE, "network", arch.doc, arch.name.to_string())).collect()
        }
        Some("metrics") if in_recipe => metrics(),
        Some("transforms") if in_recipe => words(TransformSet::WORDS),
        Some(name) if in_recipe => {
            let section = SECTIONS.iter().find(|section| section.name == name);
            let all = section.map_or(&[][..], |section| section.words).iter().copied();
            let legal: Vec<&str> = all.filter(|word| suits(name, word, task)).collect();
            let calls: Vec<&Construct> = choices(name).iter().copied().filter(|c| suits(name, c.name, task)).collect();
            with_calls(&legal, &calls)
        }
        Some(name) => {
            let key = construct(bracket).and_then(|c| Some(c.key(name)?.1));
            key.map_or(Vec::new(), |key| with_calls(key.legal_words(), key.ty.calls()))
        }
        None if in_recipe => {
            let of = |section: &fastai_dsl::schema::Section| {
                item(section.name, FIELD, section.example, section.doc, format!("{}: ", section.name))
            };
            SECTIONS.iter().map(of).collect()
        }
        None if in_steps => {
            let steps = STEPS.iter().map(|s| item(s.name, FUNCTION, &s.signature(), s.doc, format!("{}(", s.name)));
            steps.chain(["let", "for"].map(|word| item(word, KEYWORD, "", "", format!("{word} ")))).collect()
        }
        None => {
            let Some(of) = construct(bracket) else { return Vec::new() };
            let sign = if bracket.open == '(' { " = " } else { ": " };
            let keys = of.keys.iter();
            keys.map(|k| item(k.name, FIELD, k.ty.expected(), k.doc, format!("{}{sign}", k.name))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(before: &str) -> Vec<String> {
        items(before, before).iter().map(|item| item["label"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn words_of_other_tasks_are_left_out() {
        for task in TaskKind::ALL {
            // A recipe that is being written, whose task may stand behind the place, and words that are not the task.
            let around = format!("task: {} }}", task.word());
            for (section, end, all) in [("keep_best: ", "", KeepBest::WORDS), ("metrics: [", "]", MetricKind::WORDS)] {
                let before = format!("Cats {{ data: csv {{ task: regression, root: \"task: x\" }}, {section}");
                let found = items(&before, &format!("{before}{end}, {around}"));
                let found: Vec<&str> = found.iter().map(|item| item["label"].as_str().unwrap()).collect();
                let measures = |word: &&&str| MetricKind::parse(word).is_none_or(|metric| metric.measures(*task));
                let legal: Vec<&str> = all.iter().filter(measures).copied().collect();
                assert_eq!(found, legal, "{section} of {}", task.word());
            }
            let mut found = labels(&format!("Cats {{ task: {}, loss: ", task.word()));
            let mut legal = LossSpec::words(*task);
            found.sort_unstable();
            legal.sort_unstable();
            assert_eq!(found, legal, "losses of {}", task.word());
        }
        // In one pass: a search behind every `task` would take a minute.
        let nested = "Cats { ".to_string() + &"x: { task: regression }, ".repeat(10_000);
        assert_eq!(task_of(&nested), None);
        assert_eq!(task_of(&(nested + "task: single_label")), Some(TaskKind::SingleLabel));
        assert_eq!(task_of("/// task: regression\nCats { data: csv { root: \"task: regression\" } }"), None);
    }

    #[test]
    fn what_may_stand_somewhere_is_what_the_registry_says() {
        let has = |before: &str, wanted: &[&str], unwanted: &[&str]| {
            let found = labels(before);
            wanted.iter().for_each(|word| assert!(found.iter().any(|f| f == word), "{before}: {word}: {found:?}"));
            unwanted.iter().for_each(|word| assert!(found.iter().all(|f| f != word), "{before}: {word}: {found:?}"));
        };
        has("Cats { ", &["task", "data", "train"], &["fit", "accuracy"]);
        has("Cats { task: ", &["single_label", "multi_label"], &["data"]);
        has("Cats { train: { let model = lr_find(", &["suggest", "ratio"], &["cut", "weights"]);
        has("/// {(\nCats { task: single_label, // {(\n", &["model"], &["fit"]);
        has("Cats { data: csv { ", &["root", "labels", "images"], &["task"]);
        has("Cats { data: csv { root: \"{\\\"\", sampler: ", &["balanced"], &["root"]);
        has("Cats { data: csv { root: \"x\" }, ", &["model"], &["root"]);
        has("Cats { model: ", &["resnet34", "convnext_tiny"], &[]);
        has("Cats { metrics: [accuracy, ", &["f2", "accuracy"], &["fit"]);
        has("Cats { transforms: ", &["side_on", "top_down"], &[]);
        has("Cats { data: ", &["folders", "csv", "given"], &["adamw", "focal", "random"]);
        has("Cats { optimizer: ", &["sgd", "adamw", "lamb"], &["csv", "focal", "flip"]);
        has("Cats { loss: ", &["focal", "huber", "given"], &["csv", "adamw"]);
        has("Cats { data: csv { valid: ", &["random", "folds", "none"], &["flip", "adamw"]);
        has("Cats { transforms: basic { size: 64, augment: [flip, ", &["rotate", "cutout"], &["random", "adamw"]);
        has("Cats { transforms: basic { ", &["size", "augment"], &["dropout"]);
        has("Cats { model: resnet34 { ", &["dropout", "cut"], &["size"]);
        has("Cats { train: { ", &["fit", "lr_find", "unfreeze", "let"], &["task"]);
        has("Cats { train: { fit(0.1, 1); ", &["fit"], &["cycle_len"]);
        has("Cats { train: { fit(0.1, ", &["cycle_len", "cycle_mult"], &["fit"]);
        has("Cats { train: { for i in 0..3 { ", &["fit"], &["task"]);
        assert!(
            labels("").is_empty()
                && labels("Cats { data: csv { root: \"").is_empty()
                && labels("Cats { // ").is_empty()
        );
    }
}
