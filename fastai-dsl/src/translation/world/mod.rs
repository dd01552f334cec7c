//! What is known at a statement: names, sections and the steps so far.

mod recipe;
mod resolve;

use std::collections::BTreeMap;
use std::fmt::Write;

use super::specs::{DataSpec, ModelSpec, TransformSpec};
use crate::habits;
use crate::plan::BodyState;
use crate::python::{Assigned, CallArgument, Expr, Function, Statement, StatementKind};
pub(super) use resolve::{literal, text};

/// Deepest calls of the notebook's own functions that are followed.
const MAX_CALLS: usize = 8;
/// Statements that a loop is unrolled to.
const MAX_STATEMENTS: usize = 5_000;

/// The value of a name.
#[derive(Clone, Debug)]
pub(super) enum NamedValue {
    /// A literal or a computation with names.
    Value(Expr),
    Transforms(TransformSpec),
    Data(DataSpec),
    /// A split in the recipe's language.
    Split(String),
    Learner,
    Function(Function),
    /// The result of an `lr_find`: a rate.
    Rate,
    /// Predictions, images, tables: nothing that a recipe names.
    Nothing,
}

/// A line of `train`.
#[derive(Clone, Debug)]
enum TrainLine {
    Step(String),
    /// `let name = value;`, written if a later line reads the name; otherwise `unread` stands in its place, if anything.
    Let {
        name: String,
        value: String,
        unread: Option<String>,
    },
    /// A statement that was not translated.
    Comment(String),
}

#[derive(Default)]
pub(crate) struct World {
    names: BTreeMap<String, NamedValue>,
    pub(super) data: Option<DataSpec>,
    pub(super) transforms: Option<TransformSpec>,
    pub(super) model: Option<ModelSpec>,
    pub(super) metrics: Vec<String>,
    pub(super) clip: Option<String>,
    pub(super) optimizer: Option<&'static str>,
    /// Comments before the first learner.
    head: Vec<String>,
    lines: Vec<TrainLine>,
    pub(super) body: Option<BodyState>,
    pub(super) size: Option<u32>,
    pub(super) batch: Option<u32>,
    pub(super) saved: Vec<String>,
    /// Whether a single line is read, whose names are unknown.
    pub(super) alone: bool,
    calls: usize,
    statements: usize,
    /// The statement at hand, and whether a part of it was translated.
    current: String,
    used: bool,
    /// Whether the statement at hand stands in the recipe beside what was translated of it.
    remarked: bool,
    reasons: Vec<String>,
    pub(crate) translated: usize,
    pub(crate) comments: usize,
    pub(crate) left_out: usize,
}

impl World {
    /// The world of a line by itself: `learn` is a learner, everything else unknown.
    pub(super) fn of_a_line() -> Self {
        World {
            names: BTreeMap::from([("learn".to_string(), NamedValue::Learner)]),
            alone: true,
            body: Some(BodyState::Frozen),
            ..World::default()
        }
    }

    /// Reads a statement of the notebook.
    pub(crate) fn statement(&mut self, statement: &Statement) {
        self.statements += 1;
        if self.statements > MAX_STATEMENTS {
            return;
        }
        if let StatementKind::For { name, list, body } = &statement.kind
            && let Some(Expr::List(items)) = Some(self.resolve(list))
            && !self.alone
        {
            for item in items {
                self.names.insert(name.clone(), NamedValue::Value(item));
                body.iter().for_each(|inner| self.statement(inner));
            }
            return;
        }
        self.current.clone_from(&statement.text);
        self.used = false;
        self.remarked = false;
        self.reasons.clear();
        match &statement.kind {
            StatementKind::Import => {
                self.left_out += 1;
                return;
            }
            StatementKind::Def(function) => {
                self.names.insert(function.name.clone(), NamedValue::Function(function.clone()));
                self.reason("a recipe has no functions: write what the function does where it is called");
                // What it does is translated where it is called.
                self.used = !self.alone;
            }
            StatementKind::Assign { targets, value } => self.assign(targets, value),
            StatementKind::Expr(value) | StatementKind::Return(value) => {
                self.evaluate(value);
            }
            StatementKind::For { .. } => self.reason("loops are `for size in [64, 128] { fit(1e-2, 1); }`"),
            StatementKind::Other => {
                let first = statement.text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                let help = habits::instead(first).unwrap_or("a recipe has no such statement; remove it");
                self.reason(help);
            }
        }
        match self.used {
            true => {
                self.translated += 1;
                self.comments += usize::from(self.remarked);
            }
            false => self.comment(),
        }
    }

    /// Keeps the statement at hand as a comment, with the reasons.
    fn comment(&mut self) {
        self.comments += 1;
        let mut text = self.current.replace('\n', "\n// ");
        // A comment need not be removed.
        let reasons: Vec<&str> = self.reasons.iter().map(|r| r.split("; remove").next().unwrap_or(r)).collect();
        if !reasons.is_empty() {
            let _ = write!(text, "\n//   ({})", reasons.join("; "));
        }
        self.keep(text);
    }

    fn keep(&mut self, comment: String) {
        match self.model {
            Some(_) => self.lines.push(TrainLine::Comment(comment)),
            None => self.head.push(comment),
        }
    }

    /// Adds a remark to a statement that was translated in part.
    pub(super) fn remark(&mut self, text: &str) {
        if self.alone {
            return self.reason(text);
        }
        self.remarked = true;
        self.keep(format!("{}\n//   ({text})", self.current));
    }

    pub(super) fn reason(&mut self, text: &str) {
        if !self.reasons.iter().any(|r| r == text) {
            self.reasons.push(text.to_string());
        }
    }

    pub(super) fn step(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.used = true;
        let last = matches!(self.lines.last(), Some(TrainLine::Step(last)) if *last == text);
        if !(last && text == "freeze();") {
            self.lines.push(TrainLine::Step(text));
        }
    }

    /// Notes that the statement at hand became a part of a section.
    pub(super) fn done(&mut self) {
        self.used = true;
    }

    fn assign(&mut self, targets: &[Assigned], value: &Expr) {
        if let [Assigned::Attribute(object, attribute)] = targets {
            return match object.root().map(|root| self.names.get(root)) {
                Some(Some(NamedValue::Learner)) => self.set_attribute(attribute, value),
                _ => self.reason("a recipe has no objects; remove it"),
            };
        }
        if let ([Assigned::Name(name)], Some("True" | "False"), true) = (targets, value.name(), self.alone)
            && matches!(name.as_str(), "precompute" | "bn_freeze")
        {
            return self.set_attribute(name, value);
        }
        let known = self.evaluate(value);
        for target in targets {
            let Assigned::Name(name) = target else {
                if let Assigned::Names(names) = target {
                    names.iter().for_each(|name| _ = self.names.insert(name.clone(), NamedValue::Nothing));
                }
                continue;
            };
            match &known {
                NamedValue::Rate => {
                    let found = match self.lines.pop() {
                        Some(TrainLine::Step(step)) => step,
                        _ => "lr_find();".to_string(),
                    };
                    let value = found.trim_end_matches(';').replace("lr_find()", "lr_find(or = 1e-2)");
                    self.lines.push(TrainLine::Let { name: name.clone(), value, unread: Some(found) });
                }
                NamedValue::Value(value) if is_plain(value) => {
                    self.lines.push(TrainLine::Let { name: name.clone(), value: value.to_string(), unread: None });
                    self.used = true;
                }
                NamedValue::Value(Expr::Other(_) | Expr::Index(..) | Expr::Attribute(..) | Expr::Choice { .. }) => {}
                NamedValue::Value(_) => self.used = !self.alone,
                _ => {}
            }
            self.names.insert(name.clone(), known.clone());
        }
    }

    /// The value of an expression, with the steps that its calls mean.
    pub(super) fn evaluate(&mut self, value: &Expr) -> NamedValue {
        if let Some((object, name, arguments)) = value.call() {
            let arguments = arguments.to_vec();
            if object.is_none()
                && let Some(NamedValue::Function(function)) = self.names.get(name).cloned()
            {
                return self.call(&function, &arguments);
            }
            if let Some(found) = self.known_call(object, name, &arguments) {
                return found;
            }
            self.no_equivalent(value, name);
            return NamedValue::Nothing;
        }
        match value {
            Expr::Name(name) => match self.names.get(name) {
                Some(known) => {
                    // A name by itself only shows its value.
                    self.used |= !self.alone;
                    known.clone()
                }
                None => NamedValue::Value(value.clone()),
            },
            Expr::Choice { condition, yes, no } => match self.holds(condition) {
                Some(true) => self.evaluate(&yes.clone()),
                Some(false) => self.evaluate(&no.clone()),
                None => NamedValue::Value(value.clone()),
            },
            // `probs[0], y`, `x[1]`: what is shown.
            Expr::List(items) if items.iter().any(|item| item.call().is_some()) => {
                for item in items {
                    if let Some((_, name, _)) = item.call() {
                        self.no_equivalent(item, name);
                    }
                }
                NamedValue::Nothing
            }
            Expr::Index(..) | Expr::Attribute(..) | Expr::Other(_) => {
                self.about(value);
                NamedValue::Value(value.clone())
            }
            Expr::Binary(..) if value.has_object() => {
                self.about(value);
                NamedValue::Nothing
            }
            _ => NamedValue::Value(value.clone()),
        }
    }

    /// Says what to do without a function of the original.
    fn no_equivalent(&mut self, value: &Expr, name: &str) {
        match habits::instead(name).or_else(|| habits::shows(name)) {
            Some(text) => self.reason(text),
            None => self.about(value),
        }
    }

    /// Says what to do without an object of the original.
    fn about(&mut self, value: &Expr) {
        let names = value.names();
        let known = names.iter().find_map(|name| habits::shows(name).or_else(|| habits::instead(name)));
        let learner = names.first().is_some_and(|name| matches!(self.names.get(*name), Some(NamedValue::Learner)));
        self.reason(match known {
            Some(text) => text,
            None if learner => "a recipe has no such step; remove it",
            None => {
                "a recipe computes and shows nothing itself: the run's `report.html` shows the data and the results"
            }
        });
    }

    /// Calls a function of the notebook.
    fn call(&mut self, function: &Function, arguments: &[CallArgument]) -> NamedValue {
        if self.calls >= MAX_CALLS {
            self.reason("the functions call each other too deeply");
            return NamedValue::Nothing;
        }
        let outer = self.names.clone();
        let mut positional = arguments.iter().filter(|a| a.name.is_none());
        for (name, default) in &function.parameters {
            let named = arguments.iter().find(|a| a.name.as_deref() == Some(name));
            let value = named.or_else(|| positional.next()).map(|a| &a.value).or(default.as_ref());
            if let Some(value) = value {
                let known = match value {
                    Expr::Name(other) => outer.get(other).cloned(),
                    _ => None,
                };
                self.names.insert(name.clone(), known.unwrap_or_else(|| NamedValue::Value(self.resolve(value))));
            }
        }
        self.calls += 1;
        let mut result = NamedValue::Nothing;
        for statement in &function.body {
            match &statement.kind {
                StatementKind::Return(value) => {
                    result = self.evaluate(value);
                    break;
                }
                StatementKind::Assign { targets, value } => {
                    let lines = self.lines.len();
                    self.assign(targets, value);
                    // Local names are no `let`s of the recipe.
                    let kept = self.lines.split_off(lines);
                    self.lines
                        .extend(kept.into_iter().filter(|line| !matches!(line, TrainLine::Let { unread: None, .. })));
                }
                StatementKind::Expr(value) => _ = self.evaluate(value),
                _ => {}
            }
        }
        self.calls -= 1;
        self.names = outer;
        result
    }

    pub(super) fn known(&self, name: &str) -> Option<&NamedValue> {
        self.names.get(name)
    }

    /// Whether the object of a method is the learner.
    pub(super) fn is_learner(&self, object: &Expr) -> bool {
        object.name().is_some_and(|name| matches!(self.names.get(name), Some(NamedValue::Learner)))
    }
}

/// Whether an expression is one of numbers and names, which a `let` binds.
fn is_plain(value: &Expr) -> bool {
    match value {
        Expr::Number(_) => true,
        Expr::List(items) => !items.is_empty() && items.iter().all(|item| is_plain(item) || is_scaled(item)),
        Expr::Negate(_) | Expr::Binary(..) => is_scaled(value),
        _ => false,
    }
}

/// A name or a number, or a computation with them.
fn is_scaled(value: &Expr) -> bool {
    match value {
        Expr::Number(_) | Expr::Name(_) => true,
        Expr::Negate(inner) => is_scaled(inner),
        Expr::Binary(_, left, right) => is_scaled(left) && is_scaled(right),
        _ => false,
    }
}
