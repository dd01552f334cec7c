//! Checks a draft and lowers it to a [`Recipe`]: everything that needs no data. Reports all findings at once; a mistake in one
//! section never hides a mistake in another.

mod augment;
mod bind;
mod course;
mod data;
mod lints;
mod loss;
mod metrics;
mod model;
mod optimizer;
mod steps;
mod transforms;

use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Draft, LintAttr, LintLevel, Name, Stmt, Value, ValueKind, number};
use crate::evaluate::{evaluate, is_word};
use crate::habits;
use crate::help;
use crate::legal;
use crate::rate_names::RateNames;
use crate::recipe::{ClassWeights, DeviceWish, Metric, Options, Precision, Recipe, StepKind, TaskKind};
use crate::schema::{self, SECTIONS, Type};
use crate::spelling::{self, Capitals};
use crate::suggest::list;
use crate::syntax::parse_value;
use crate::word::{self, Off, On};

pub(crate) use lints::of_section as lint_of_section;

/// A recipe that passed the checks, and what the front end needs besides.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The recipe.
    pub recipe: Recipe,
    /// `trace[i]` is the place of the `i`-th step of the recipe in the text.
    pub trace: Vec<Site>,
    /// The draft without `let`, `for` and arithmetic, as a builder collects it.
    pub flat: Draft,
    /// The lints that fired.
    pub warnings: Diagnostics,
}

/// Checks a draft; nothing else makes a [`Recipe`].
///
/// # Errors
/// All findings, warnings included, if one of them is an error.
pub fn check(draft: &Draft) -> Result<Checked, Diagnostics> {
    check_with(draft, Diagnostics::default())
}

/// [`check`], preceded by the findings of the parser.
///
/// # Errors
/// Those of [`check`].
pub fn check_with(draft: &Draft, parsed: Diagnostics) -> Result<Checked, Diagnostics> {
    let mut draft = draft.clone();
    spelling::read_words(&mut draft, Capitals::Constant);
    check_words(&draft, parsed)
}

/// [`check_with`] for a draft whose words are read.
pub(crate) fn check_words(draft: &Draft, parsed: Diagnostics) -> Result<Checked, Diagnostics> {
    let mut out = parsed;
    let (flat, unused) = evaluate(draft, &mut out);
    let recipe = lower(&flat, draft, &unused, &mut out);
    lints::default_valid(draft, &mut out);
    lints::known(draft, &mut out);
    debug_assert!(recipe.is_some() || out.has_errors(), "the checks refused a recipe and did not say why");
    match recipe {
        Some((recipe, trace)) if !out.has_errors() => Ok(Checked { recipe, trace, flat, warnings: out }),
        _ => Err(out),
    }
}

/// Reports unknown, duplicate and missing sections.
fn names_of_sections(draft: &Draft, out: &mut Diagnostics) {
    for (i, entry) in draft.sections.iter().enumerate() {
        let name = entry.key.text.as_str();
        if name.is_empty() {
            continue;
        }
        if !SECTIONS.iter().any(|s| s.name == name) {
            let help = help::section_help(name, &entry.value);
            out.error(&c::UNKNOWN_SECTION, entry.key.site, format!("unknown section `{name}`"), help);
        }
        if let Some(first) = draft.sections[..i].iter().find(|e| e.key.text == name) {
            let text = format!("section `{name}` is given twice");
            let help = format!("keep one `{name}`");
            out.error_beside(&c::TWICE, entry.key.site, text, help, (first.key.site, "first given here"));
        }
    }
    let unread = draft.sections.iter().any(|e| e.key.text.is_empty());
    let meant: Vec<&str> = draft
        .sections
        .iter()
        .filter(|e| !SECTIONS.iter().any(|s| s.name == e.key.text))
        .filter_map(|e| help::meant_section(&e.key.text))
        .collect();
    for section in SECTIONS.iter().filter(|s| s.required && s.name != "train" && !unread) {
        if !meant.contains(&section.name) && draft.section(section.name).is_none() {
            let message = format!("`{}` has no section `{}`", draft.name.text, section.name);
            out.error(&c::MISSING_SECTION, draft.name.site, message, format!("`{},`", section.example));
        }
    }
}

/// The task, and where the recipe sets it.
type TaskAt = (TaskKind, Site);

fn lower(flat: &Draft, draft: &Draft, unused: &[Name], out: &mut Diagnostics) -> Option<(Recipe, Vec<Site>)> {
    names_of_sections(flat, out);
    let value = |name: &str| flat.section(name).map(|e| &e.value);
    let task = value("task").and_then(|v| Some((choice("task", v, TaskKind::parse, out)?, v.site)));
    let kind = task.map(|(kind, _)| kind);
    let data = value("data").and_then(|v| data::data(v, kind, out));
    let transforms = value("transforms").and_then(|v| transforms::transforms(v, out));
    let model = value("model").and_then(|v| model::model(v, out));
    // A section's valid keys count even if another of its keys is broken, so that no mistake hides the next.
    let facts = value("model").and_then(model::facts);
    if let Some((size, site)) = value("transforms").and_then(transforms::size) {
        model::size_fits(size, facts, site, out);
    }
    let copies = value("data").and_then(data::resize_to);
    if let (Some((size, _)), Some((side, site))) = (value("transforms").and_then(transforms::size), copies) {
        data::copies_fit(size, side, site, site, out);
    }
    let metrics = value("metrics").and_then(|v| metrics::metrics(v, task, out));
    let options = options(flat, task, metrics.as_deref(), out);
    let valid = value("data").and_then(data::valid_images);
    let context = steps::Context {
        task: kind,
        facts,
        random: value("model").and_then(model::random_weights),
        valid,
        head: value("model").and_then(model::section_head),
        copies,
        ema: options.ema.and_then(|_| value("ema")).map(|value| value.site),
    };
    let balanced = value("data").and_then(data::balanced);
    let before = out.errors();
    let steps = steps::steps(flat, &context, out);
    let train_is_fine = out.errors() == before;
    if let (Some((false, site)), Some(best)) = (valid, value("keep_best")) {
        let text = "`keep_best` needs validation images";
        let help = "hold some out: `valid: random(0.2)`";
        out.error_beside(&c::NEEDS_VALIDATION, best.site, text, help, (site, "none are held out here"));
    }
    let (steps, trace) = steps?;
    // The states that broken steps lead through are not those that were meant.
    if let (Some(transforms), Some(model), true) = (&transforms, &model, train_is_fine) {
        let batch = data.as_ref().map_or(0, |data| data.batch);
        let parts = lints::Subject { transforms, model, steps: &steps, copies, options: &options, batch, balanced };
        lints::run(&parts, flat, draft, unused, out);
    }
    let recipe = Recipe {
        name: draft.name.text.clone(),
        doc: draft.doc.clone(),
        task: kind?,
        data: data?,
        transforms: transforms?,
        model: model?,
        metrics: metrics?,
        steps,
        options,
        rate_names: rate_names(flat),
    };
    Some((recipe, trace))
}

/// What the recipe calls the rate of each `lr_find`.
fn rate_names(flat: &Draft) -> RateNames {
    let steps = flat.train.iter().flat_map(|train| &train.body);
    RateNames::new(steps.filter_map(|stmt| match stmt {
        Stmt::Step(call) if call.word.text == StepKind::LrFind.word() => {
            Some(call.binds.as_ref().map(|name| name.text.as_str()).filter(|name| reads_as_name(name)))
        }
        _ => None,
    }))
}

/// Whether what `let` binds to this name is what a step after it reads: no word of the language and no constant is called so.
fn reads_as_name(name: &str) -> bool {
    let is_name = matches!(parse_value(name), Some(Value { kind: ValueKind::Word(word), .. }) if word == name);
    is_name && !is_word(name)
}

fn unexpected(key: &str, value: &Value, words: &[&str], out: &mut Diagnostics) {
    let (code, text) = match &value.kind {
        ValueKind::Broken => return,
        ValueKind::Word(w) if words == Type::Switch.words() => {
            (&c::UNKNOWN_WORD, format!("`{key}` expects {}, got `{w}`", Type::Switch.expected()))
        }
        ValueKind::Word(w) => (&c::UNKNOWN_WORD, format!("unknown {key} `{w}`")),
        _ => {
            let expected = list(words.iter().copied());
            (&c::WRONG_TYPE, format!("`{key}` expects {expected}, got {}", value.kind_name()))
        }
    };
    let first = || format!("`{key}: {}`", words[0]);
    let near =
        |word: &str| habits::meant_word(word, words).map_or_else(first, |near| format!("did you mean `{near}`?"));
    let help = match &value.kind {
        ValueKind::Word(w) => habits::word_help(w, words),
        ValueKind::Text(s) if words.contains(&s.as_str()) => format!("without quotes: `{s}`"),
        ValueKind::Text(s) | ValueKind::Const(s) => near(s),
        ValueKind::Number(x) => near(&number(*x)),
        ValueKind::Call(name, _) if words.contains(&name.text.as_str()) => not_called(key, &name.text),
        ValueKind::Call(name, _) => habits::instead(&name.text).map_or_else(first, str::to_string),
        _ => first(),
    };
    out.error(code, value.site, text, help);
}

/// The help for a word of a section that is written as a call: its keys stand in braces.
fn not_called(section: &str, word: &str) -> String {
    let keys = schema::chosen(section, word).into_iter().flat_map(|construct| construct.keys);
    let required: Vec<String> =
        keys.filter(|key| key.required).map(|key| format!("{}: {}", key.name, key.instance())).collect();
    match required.is_empty() {
        true => format!("the word alone: `{word}`"),
        false => format!("options stand in braces: `{word} {{ {} }}`", required.join(", ")),
    }
}

/// Returns the variant of a section's word.
fn choice<T>(section: &str, value: &Value, parse: impl Fn(&str) -> Option<T>, out: &mut Diagnostics) -> Option<T> {
    let words = schema::section(section).words;
    let found = match &value.kind {
        ValueKind::Word(word) if words.contains(&word.as_str()) => parse(word),
        _ => None,
    };
    if found.is_none() {
        unexpected(section, value, words, out);
    }
    found
}

fn options(draft: &Draft, task: Option<TaskAt>, metrics: Option<&[Metric]>, out: &mut Diagnostics) -> Options {
    let number = |name: &str, out: &mut Diagnostics| {
        let value = &draft.section(name)?.value;
        match value.kind {
            ValueKind::Number(x) => in_range(name, x, value.site, out).then_some((x, value.site)),
            ValueKind::Broken => None,
            ValueKind::Const(_) => Some((1.0, value.site)),
            _ => {
                let text = format!("`{name}` expects a number, got {}", value.kind_name());
                out.error(&c::WRONG_TYPE, value.site, text, number_help(name, value));
                None
            }
        }
    };
    let whole = |name: &str, out: &mut Diagnostics| {
        let (x, site) = number(name, out)?;
        if x.fract() != 0.0 {
            let text = format!("`{name}` is a whole number, got {x}");
            out.error(&c::NOT_WHOLE, site, text, format!("`{}`", schema::section(name).example));
            return None;
        }
        Some(x as u64)
    };
    let label_smoothing = number("label_smoothing", out);
    let mixup = number("mixup", out);
    let cutmix = number("cutmix", out);
    let mut for_task = |name: &str, given: Option<(f64, Site)>, legal: &[TaskKind], needs: &str| {
        let (x, site) = given?;
        if let Some((kind, set)) = task.filter(|(kind, _)| !legal.contains(kind)) {
            let text = format!("`{name}` needs {needs}, the task is `{}`", kind.word());
            let task_set = (set, "the task is set here");
            out.error_beside(&c::TASK_OPTION, site, text, format!("remove `{name}`"), task_set);
            return None;
        }
        Some(x)
    };
    let labels = [TaskKind::SingleLabel, TaskKind::MultiLabel];
    let label_smoothing = for_task("label_smoothing", label_smoothing, &labels[..1], "one label per image");
    let mixup = for_task("mixup", mixup, &labels, "labels");
    let cutmix = for_task("cutmix", cutmix, &labels, "labels");
    let value = |name: &str| draft.section(name).map(|entry| &entry.value);
    let measured = metrics.zip(value("metrics")).map(|(metrics, list)| (metrics, list.site));
    let class_weights = value("class_weights").and_then(|v| class_weights(v, task, out));
    let loss = value("loss").and_then(|v| loss::loss(v, task, out));
    for (key, given) in [
        ("label_smoothing", label_smoothing.is_some_and(|share| share > 0.0)),
        ("class_weights", class_weights.is_some()),
    ] {
        if let (Some(loss), Some(given), Some(set), true) = (loss, value(key), value("loss"), given) {
            loss::takes(loss, key, given.site, set.site, out);
        }
    }
    let plain = |name: &str, out: &mut Diagnostics| number(name, out).map(|(x, _)| x);
    Options {
        seed: whole("seed", out),
        device: value("device").and_then(|v| choice("device", v, DeviceWish::parse, out)),
        precision: value("precision").and_then(|v| choice("precision", v, Precision::parse, out)),
        report: value("report").and_then(|v| choice("report", v, |word| Some(word == On::WORD), out)),
        loss,
        class_weights,
        label_smoothing,
        mixup,
        cutmix,
        optimizer: value("optimizer").and_then(|v| optimizer::optimizer(v, out)),
        clip: plain("clip", out),
        clip_value: plain("clip_value", out),
        accumulate: whole("accumulate", out).map(|batches| batches as u32),
        ema: plain("ema", out),
        keep_best: value("keep_best").and_then(|v| metrics::keep_best(v, task, measured, out)),
    }
}

/// The help for what is no number in a section of one: no section where nothing is meant, else its example.
fn number_help(name: &str, value: &Value) -> String {
    const NONE: &str = word::none.0;
    match &value.kind {
        ValueKind::Word(word) if matches!(habits::python(word).unwrap_or(word), Off::WORD | NONE) => {
            format!("nothing: remove `{name}`")
        }
        _ => format!("`{}`", schema::section(name).example),
    }
}

/// Checks that a section's number is within its range and reports a violation.
fn in_range(section: &str, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    schema::section(section).range.is_none_or(|range| legal::range_ok(section, &range, x, site, out))
}

fn class_weights(value: &Value, task: Option<TaskAt>, out: &mut Diagnostics) -> Option<ClassWeights> {
    if let Some((TaskKind::Regression, set)) = task {
        let text = "`class_weights` needs classes, the task is `regression`";
        out.error_beside(&c::TASK_OPTION, value.site, text, "remove `class_weights`", (set, "the task is set here"));
        return None;
    }
    match &value.kind {
        ValueKind::Word(w) if w == "balanced" => Some(ClassWeights::Balanced),
        ValueKind::List(items) => {
            let mut weights = Vec::new();
            for item in items {
                match item.kind {
                    ValueKind::Number(x) if in_range("class_weights", x, item.site, out) => {
                        weights.push(x);
                    }
                    ValueKind::Const(_) => weights.push(1.0),
                    ValueKind::Number(_) | ValueKind::Broken => {}
                    _ => {
                        let text = format!("expected a number, got {}", item.kind_name());
                        out.error(&c::WRONG_TYPE, item.site, text, "one positive number a class");
                    }
                }
            }
            (weights.len() == items.len()).then_some(ClassWeights::Given(weights))
        }
        _ => {
            unexpected("class_weights", value, schema::section("class_weights").words, out);
            None
        }
    }
}

/// The level of a lint at a step: its own attributes, then the section's, then the recipe's, then the default.
fn level(lint: &c::Code, near: &[&[LintAttr]]) -> LintLevel {
    near.iter()
        .flat_map(|attrs| attrs.iter().rev())
        .find(|a| a.name.text == lint.id)
        .map(|a| a.level)
        .or(lint.lint)
        .unwrap_or(LintLevel::Warn)
}
