//! Lints: findings about recipes that run, but probably not as intended.

mod sections;
mod steps;

use super::level;
use crate::catalog::{self as c, Code, LINTS};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, LintAttr, LintLevel, Name, StepCall, Stmt, ValueKind};
use crate::plan::State;
use crate::recipe::{Crop, Model, Options, Step, TransformSet, Transforms};
use crate::suggest::did_you_mean;

/// Reports lint attributes that name no lint.
pub(super) fn known(draft: &Draft, out: &mut Diagnostics) {
    fn steps<'d>(body: &'d [Stmt], attrs: &mut Vec<&'d LintAttr>) {
        for stmt in body {
            match stmt {
                Stmt::Step(call) => attrs.extend(&call.lints),
                Stmt::For { body, .. } => steps(body, attrs),
                Stmt::Let { .. } => {}
            }
        }
    }
    let mut attrs: Vec<&LintAttr> = draft.lints.iter().collect();
    attrs.extend(draft.sections.iter().flat_map(|e| &e.lints));
    if let Some(train) = &draft.train {
        attrs.extend(&train.lints);
        steps(&train.body, &mut attrs);
    }
    for attr in attrs {
        if !LINTS.iter().any(|l| l.id == attr.name.text) {
            let help = did_you_mean(&attr.name.text, LINTS.iter().map(|l| l.id));
            out.error(&c::UNKNOWN_LINT, attr.name.site, format!("there is no lint `{}`", attr.name.text), help);
        }
    }
}

/// The sections that the lints are about.
pub(super) struct Subject<'a> {
    pub(super) transforms: &'a Transforms,
    pub(super) model: &'a Model,
    pub(super) steps: &'a [Step],
    /// Side of the images' scaled copies, and where the recipe sets it.
    pub(super) copies: Option<(u32, Site)>,
    pub(super) options: &'a Options,
    /// Images per batch.
    pub(super) batch: u32,
    /// Where the recipe sets a balanced sampler, if it does.
    pub(super) balanced: Option<Site>,
}

impl Subject<'_> {
    /// The state before the first step.
    fn start(&self) -> State {
        State::of(self.model, self.transforms.size, self.batch)
    }

    /// Whether training images are augmented.
    fn augments(&self) -> bool {
        let t = self.transforms;
        t.set != TransformSet::None || !t.augment.is_empty() || t.max_zoom[1] > 1.0 || t.crop == Crop::Googlenet
    }
}

struct Lints<'a> {
    draft: &'a Draft,
    out: &'a mut Diagnostics,
}

impl<'a> Lints<'a> {
    /// Reports a lint at a step of `train`.
    fn fire(&mut self, lint: &'static Code, call: &StepCall, message: impl Into<String>, help: &str) {
        self.in_train(&call.lints, Diagnostic::error(lint, call.word.site, message).help(help));
    }

    /// Reports a lint in a step of `train` with these attributes.
    fn in_train(&mut self, step: &[LintAttr], diagnostic: Diagnostic) {
        self.at(&[step, self.train(), &self.draft.lints], diagnostic);
    }

    /// Reports a lint at a place with these attributes, innermost first.
    fn at(&mut self, attrs: &[&[LintAttr]], mut diagnostic: Diagnostic) {
        diagnostic.severity = match level(diagnostic.code, attrs) {
            LintLevel::Allow => return,
            LintLevel::Warn => Severity::Warning,
            LintLevel::Deny => Severity::Error,
        };
        // The lints see a loop's step in every round.
        if !self.out.has(diagnostic.code, diagnostic.site) {
            self.out.push(diagnostic);
        }
    }

    /// Reports a lint about a section.
    fn at_section(&mut self, section: &str, diagnostic: Diagnostic) {
        self.at(&[self.section(section), &self.draft.lints], diagnostic);
    }

    /// Whether one of these keys of a section is a Rust constant, whose value is unknown here.
    fn has_constant(&self, section: &str, keys: &[&str]) -> bool {
        let section = self.draft.section(section);
        let Some(ValueKind::Block(_, entries)) = section.map(|e| &e.value.kind) else { return false };
        entries.iter().any(|e| keys.contains(&e.key.text.as_str()) && e.value.has_constant())
    }

    /// The attributes of a section.
    fn section(&self, name: &str) -> &'a [LintAttr] {
        self.draft.section(name).map_or(&[], |e| &e.lints)
    }

    /// The attributes of `train`.
    fn train(&self) -> &'a [LintAttr] {
        self.draft.train.as_ref().map_or(&[], |t| &t.lints)
    }
}

pub(super) fn run(parts: &Subject, flat: &Draft, draft: &Draft, unused: &[Name], out: &mut Diagnostics) {
    let calls = flat.train.iter().flat_map(|t| &t.body).filter_map(|stmt| match stmt {
        Stmt::Step(call) => Some(call),
        _ => None,
    });
    let mut lints = Lints { draft, out };
    for binding in unused {
        // A statement that must change anyhow.
        if lints.out.iter().any(|d| d.site == binding.site) {
            continue;
        }
        let error = Diagnostic::error(&c::UNUSED_LET, binding.site, format!("`{}` is never read", binding.text));
        lints.in_train(&[], error.help(format!("remove it, or call it `_{}`", binding.text)));
    }
    // The lints run only when every step was lowered, so the two lists are parallel.
    let steps: Vec<(&Step, &StepCall)> = parts.steps.iter().zip(calls).collect();
    sections::run(parts, &steps, &mut lints);
    steps::run(parts, &steps, &mut lints);
}

/// The lint that depends on `data` alone.
pub(super) fn default_valid(draft: &Draft, out: &mut Diagnostics) {
    let Some(ValueKind::Block(word, entries)) = draft.section("data").map(|e| &e.value.kind) else { return };
    if word.text == "csv" && !entries.iter().any(|e| e.key.text == "valid" || e.key.text.is_empty()) {
        let diagnostic = Diagnostic::error(&c::DEFAULT_VALID, word.site, "a random fifth of the images is held out")
            .help("say so: `valid: random(0.2, seed = 42)`");
        of_section("data", diagnostic, draft, out);
    }
}

/// Reports a finding about a section at the lint's level for that section.
pub(crate) fn of_section(section: &str, diagnostic: Diagnostic, draft: &Draft, out: &mut Diagnostics) {
    Lints { draft, out }.at_section(section, diagnostic);
}
