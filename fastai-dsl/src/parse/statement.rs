//! The statements of `train`.

use proc_macro2::Delimiter;

use super::Parser;
use crate::catalog as c;
use crate::diagnostic::Diagnostic;
use crate::draft::{Arg, Name, StepCall, Stmt, Value, ValueKind};
use crate::habits;
use crate::schema::STEPS;

impl Parser<'_, '_> {
    /// Parses statements up to the end of the group; also returns whether one of them failed.
    pub(super) fn statements(&mut self) -> (Vec<Stmt>, bool) {
        let mut body = Vec::new();
        let mut broken = false;
        while !self.cursor.eof() {
            if self.punct(';') {
                continue;
            }
            let (_, lints) = self.attributes();
            if self.cursor.eof() {
                break;
            }
            match self.peek_word().as_deref() {
                Some(word) => {
                    let stmt = match word {
                        "let" => self.binding(),
                        "for" => self.repeat(),
                        "if" | "while" | "loop" | "match" | "def" | "import" | "from" => self.foreign(),
                        _ => match self.step() {
                            Some(Stmt::Step(step)) => Some(Stmt::Step(StepCall { lints, ..step })),
                            other => other,
                        },
                    };
                    broken |= stmt.is_none();
                    body.extend(stmt);
                }
                None => {
                    broken = true;
                    let error = self.error_here(&c::EXPECTED_STEP, "expected a step").help("`fit(1e-2, 3);`");
                    self.report(error);
                    self.skip_past(';');
                }
            }
        }
        (body, broken)
    }

    fn semicolon(&mut self, what: &str) {
        if self.punct(';') {
            return;
        }
        if self.peek_punct(',') {
            let error =
                self.error_here(&c::MISSING_SEMICOLON, format!("`,` after {what}")).help("statements end with `;`");
            self.report(error);
            self.skip_one();
            return;
        }
        let error = self.error_after(&c::MISSING_SEMICOLON, format!("expected `;` after {what}")).help("add `;` here");
        self.report(error);
        // The next statement most likely begins here.
        if self.cursor.ident().is_none() && !self.peek_punct('#') {
            self.skip_past(';');
        }
    }

    fn binding(&mut self) -> Option<Stmt> {
        self.skip_one();
        if self.peek_word().as_deref() == Some("mut") {
            let error = self
                .error_here(&c::EXPECTED_STEP, "nothing in a recipe changes")
                .help("remove `mut`; bind anew: `let lr = 1e-2;`");
            self.report(error);
            self.skip_one();
        }
        let Some(name) = self.name() else {
            let error = self.error_here(&c::EXPECTED_STEP, "expected a name after `let`").help("`let lr = 1e-2;`");
            self.report(error);
            self.skip_past(';');
            return None;
        };
        if !self.punct('=') {
            let error = self
                .error_here(&c::EXPECTED_STEP, format!("expected `=` after `let {}`", name.text))
                .help(format!("`let {} = 1e-2;`", name.text));
            self.report(error);
            self.skip_past(';');
            return None;
        }
        let value = self.value();
        if let ValueKind::Word(word) = &value.kind {
            self.out.begun.push(Name { text: word.clone(), site: value.site });
        }
        self.semicolon(&format!("`let {} = ..`", name.text));
        Some(Stmt::Let { name, value })
    }

    fn repeat(&mut self) -> Option<Stmt> {
        self.skip_one();
        let name = self.name();
        let has_in = self.peek_word().as_deref() == Some("in");
        let (Some(name), true) = (name, has_in) else {
            let error = self
                .error_here(&c::EXPECTED_STEP, "expected `for name in [..] { .. }`")
                .help("`for size in [64, 128] { resize(size); fit(1e-2, 1); }`");
            self.report(error);
            while !self.cursor.eof() && self.group(Delimiter::Brace).is_none() && !self.punct(';') {
                self.skip_one();
            }
            return None;
        };
        self.skip_one();
        let list = self.value();
        let Some((content, end)) = self.group(Delimiter::Brace) else {
            let error =
                self.error_here(&c::EXPECTED_STEP, "expected the loop's body in braces").help("`{ fit(1e-2, 1); }`");
            self.report(error);
            self.skip_past(';');
            return None;
        };
        let (body, _) = self.inside(content, end).statements();
        Some(Stmt::For { name, list, body })
    }

    /// A statement of another language: reported and skipped with its block.
    fn foreign(&mut self) -> Option<Stmt> {
        let line = self.here().start().line;
        let word = self.peek_word().unwrap_or_default();
        let help = habits::instead(&word).unwrap_or("only `let`, `for` over a list, and steps");
        let error = self.error_here(&c::EXPECTED_STEP, format!("a recipe has no `{word}`")).help(help);
        self.report(error);
        // `import x` ends with its line, the others with their block.
        let is_line = matches!(word.as_str(), "import" | "from");
        while !self.cursor.eof() && !self.punct(';') {
            if is_line && self.here().start().line > line {
                break;
            }
            if self.group(Delimiter::Brace).is_some() {
                break;
            }
            self.skip_one();
        }
        None
    }

    fn step(&mut self) -> Option<Stmt> {
        let first = self.here();
        let mut word = self.name()?;
        // `learn.fit(..)`, `learn.sched.plot()`: the notebook's habit.
        let mut object: Option<Name> = None;
        while self.punct('.') {
            let Some(method) = self.name() else { break };
            object.get_or_insert(word);
            word = method;
        }
        if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
            let mut args = self.inside(content, end).arguments(true);
            let site = self.site(first);
            let known = STEPS.iter().any(|s| s.name == word.text);
            if let Some(object) = object {
                self.no_object(&object, habits::method_help(&word.text, &args));
                // The help says everything.
                habits::translate(&mut args);
                if !known || self.peek_punct('.') {
                    self.skip_past(';');
                    return None;
                }
            }
            self.semicolon(&format!("`{}(..)`", word.text));
            return Some(call(word, args, site));
        }
        if self.punct('=') {
            return Some(self.assignment(object.as_ref(), word, first));
        }
        let error = self
            .error_after(&c::EXPECTED_STEP, format!("`{}` is not a call", word.text))
            .help(format!("steps are calls: `{}();`", word.text));
        self.report(error);
        self.out.begun.push(word);
        self.skip_past(';');
        None
    }

    fn no_object(&mut self, object: &Name, help: String) {
        let message = format!("there is no object `{}` in a recipe", object.text);
        self.report(Diagnostic::error(&c::EXPECTED_STEP, object.site, message).help(help));
    }

    /// `precompute = True`, `learn.precompute = True`, `lr = 0.2`: Python assignments, parsed as the intended steps so that
    /// the steps after them are checked in the right state.
    fn assignment(&mut self, object: Option<&Name>, word: Name, first: proc_macro2::Span) -> Stmt {
        let right = self.peek_word().and_then(|w| habits::instead(&w));
        // Errors in the value add no information.
        let value = self.quietly(Self::value);
        let site = self.site(first);
        let at = object.map_or(word.site, |o| o.site);
        let error = Diagnostic::error(&c::EXPECTED_STEP, at, "nothing is assigned in a recipe");
        let stmt = if STEPS.iter().any(|s| s.name == word.text && s.keys.len() == 1) {
            let kind = match &value.kind {
                ValueKind::Word(w) => ValueKind::Word(habits::python(w).unwrap_or(w).to_string()),
                other => other.clone(),
            };
            let value = Value { kind, ..value };
            self.report(error.help(format!("`{}({value});`", word.text)));
            call(word, vec![Arg { name: None, value }], site)
        } else {
            let theirs = match &value.kind {
                ValueKind::Call(name, _) => habits::instead(&name.text),
                _ => None,
            };
            let mut readable = true;
            value.clone().for_each(&mut |v| readable &= v.kind != ValueKind::Broken);
            let help = match theirs {
                Some(text) => text.to_string(),
                None if readable => format!("`let {} = {value};`", word.text),
                None => right.map_or_else(|| format!("`let {} = 1e-2;` binds a name", word.text), str::to_string),
            };
            self.report(error.help(help));
            let kind = if bindable(&value) { value.kind } else { ValueKind::Broken };
            Stmt::Let { name: word, value: Value { kind, ..value } }
        };
        if !self.punct(';') {
            self.skip_past(';');
        }
        stmt
    }
}

fn bindable(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Call(name, _) => name.text == "lr_find",
        ValueKind::Block(..) => false,
        _ => true,
    }
}

fn call(word: Name, args: Vec<Arg>, site: crate::diagnostic::Site) -> Stmt {
    Stmt::Step(StepCall { word, args, lints: Vec::new(), site, rounds: Vec::new(), binds: None })
}
