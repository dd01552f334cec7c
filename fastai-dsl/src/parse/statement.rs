//! The statements of `train`.

use proc_macro2::Delimiter;

use crate::catalog as c;
use crate::draft::{Name, Op, StepCall, Stmt, Value, ValueKind};
use crate::evaluate::counted;
use crate::habits;
use crate::help;
use crate::schema::STEPS;
use crate::syntax::{Parser, is_constant};
use crate::translation;

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
                        "if" | "while" | "loop" | "match" | "import" | "from" => self.foreign(),
                        _ if self.is_original() => {
                            let found = self.original();
                            broken |= found.is_empty();
                            body.extend(found);
                            continue;
                        }
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
                    self.report_here(&c::EXPECTED_STEP, "expected a step", "`fit(1e-2, 3);`");
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
            self.report_here(&c::MISSING_SEMICOLON, format!("`,` after {what}"), "statements end with `;`");
            self.skip_one();
            return;
        }
        self.report_after(&c::MISSING_SEMICOLON, format!("expected `;` after {what}"), "add `;` here");
        // The next statement most likely begins here.
        if self.cursor.ident().is_none() && !self.peek_punct('#') {
            self.skip_past(';');
        }
    }

    fn binding(&mut self) -> Option<Stmt> {
        self.skip_one();
        if self.peek_word().as_deref() == Some("mut") {
            let help = "remove `mut`; bind anew: `let lr = 1e-2;`";
            self.report_here(&c::EXPECTED_STEP, "nothing in a recipe changes", help);
            self.skip_one();
        }
        let Some(name) = self.hyphenated() else {
            self.report_here(&c::EXPECTED_STEP, "expected a name after `let`", "`let lr = 1e-2;`");
            self.skip_past(';');
            return None;
        };
        if !self.punct('=') {
            let text = format!("expected `=` after `let {}`", name.text);
            self.report_here(&c::EXPECTED_STEP, text, format!("`let {} = 1e-2;`", bindable(&name.text)));
            self.skip_past(';');
            return None;
        }
        let value = self.value();
        self.refuse_name(&name, |name| format!("`let {name} = {};`", habits::shown(&value)));
        if let ValueKind::Word(word) = &value.kind {
            self.out.begun.push(Name { text: word.clone(), site: value.site });
        }
        self.semicolon(&format!("`let {} = ..`", name.text));
        Some(Stmt::Let { name, value })
    }

    /// Reports a name that no step could read: what hyphens join is a difference, and capitals are those of a constant. The help
    /// binds the name that is meant.
    fn refuse_name(&mut self, name: &Name, bound: impl Fn(&str) -> String) {
        let Name { text, site } = name;
        let message = match is_constant(text) {
            true => format!("`{text}` is the name of a constant, in capitals"),
            false if text.contains('-') => format!("`{text}` is no name: a hyphen subtracts"),
            false => return,
        };
        let help = bound(&bindable(text));
        self.out.diagnostics.error(&c::EXPECTED_STEP, *site, message, help);
    }

    fn repeat(&mut self) -> Option<Stmt> {
        self.skip_one();
        let name = self.hyphenated();
        let has_in = self.peek_word().as_deref() == Some("in");
        let (Some(name), true) = (name, has_in) else {
            let help = "`for size in [64, 128] { resize(size); fit(1e-2, 1); }`";
            self.report_here(&c::EXPECTED_STEP, "expected `for name in [..] { .. }`", help);
            while !self.cursor.eof() && self.group(Delimiter::Brace).is_none() && !self.punct(';') {
                self.skip_one();
            }
            return None;
        };
        self.skip_one();
        let list = self.loop_list(&name);
        self.refuse_name(&name, |name| format!("`for {name} in {}`", habits::shown(&list)));
        let Some((content, end)) = self.group(Delimiter::Brace) else {
            self.report_here(&c::EXPECTED_STEP, "expected the loop's body in braces", "`{ fit(1e-2, 1); }`");
            self.skip_past(';');
            return None;
        };
        let (body, _) = self.inside(content, end).statements();
        Some(Stmt::For { name, list, body })
    }

    /// What a loop goes over. A range, `1..3`, is reported and taken as the list that it stands for.
    fn loop_list(&mut self, name: &Name) -> Value {
        let first = self.here();
        let from = self.before_body();
        if !self.peek_punct('.') {
            return from;
        }
        while self.punct('.') {}
        let past = if self.punct('=') { 0.0 } else { 1.0 };
        let open = self.cursor.group(Delimiter::Brace).is_some();
        let to = if open { Value::new(ValueKind::Broken) } else { self.before_body() };
        let site = self.site(first);
        let list = match (&from.kind, &to.kind) {
            (ValueKind::Number(from), ValueKind::Number(to)) => counted(*from, to - past),
            _ => None,
        };
        let example = list.as_ref().map_or("[1, 2, 3]".to_string(), Value::to_string);
        let help = format!("write the list out: `for {} in {example}`", name.text);
        self.out.diagnostics.error(&c::LOOP_LIST, site, "a loop over a range", help);
        // The names of the bounds are read and the body is checked, even if nothing is known about the numbers.
        let unknown = |bound| {
            let broken = Value { kind: ValueKind::Broken, site };
            Value { kind: ValueKind::Binary(Op::Add, Box::new(broken), Box::new(bound)), site }
        };
        let rounds = || ValueKind::List(vec![unknown(from), unknown(to)]);
        Value { kind: list.map_or_else(rounds, |list| list.kind), site }
    }

    /// A value with the loop's body behind it: a name there begins no block.
    fn before_body(&mut self) -> Value {
        let begins_body = self.cursor.ident().is_some_and(|(_, rest)| rest.group(Delimiter::Brace).is_some());
        match begins_body.then(|| self.name()).flatten() {
            Some(name) => Value { kind: ValueKind::Word(name.text), site: name.site },
            None => self.value(),
        }
    }

    /// A statement of another language: reported and skipped with its block.
    fn foreign(&mut self) -> Option<Stmt> {
        let line = self.here().start().line;
        let word = self.peek_word().unwrap_or_default();
        let help = habits::instead(&word).unwrap_or("only `let`, `for` over a list, and steps");
        self.report_here(&c::EXPECTED_STEP, format!("a recipe has no `{word}`"), help);
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
        let word = self.hyphenated()?;
        let known = STEPS.iter().any(|s| s.name == word.text);
        if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
            let args = match known {
                true => self.inside(content, end).arguments(true),
                // What is wrong with the arguments of an unknown step adds nothing.
                false => {
                    let before = std::mem::take(&mut self.out.diagnostics);
                    let args = self.inside(content, end).arguments(true);
                    self.out.diagnostics = before;
                    args
                }
            };
            let site = self.site(first);
            match known {
                true => self.semicolon(&format!("`{}(..)`", word.text)),
                false => {
                    self.line();
                    self.out.originals.push((first, self.last));
                }
            }
            return Some(Stmt::Step(StepCall::new(word, args, site)));
        }
        let near = crate::suggest::closest(&word.text, STEPS.iter().map(|s| s.name));
        let help = match near {
            Some(step) => format!("steps are calls: `{}`", help::step(step)),
            None => "a name by itself does nothing here; remove it".to_string(),
        };
        self.report_after(&c::EXPECTED_STEP, format!("`{}` is not a call", word.text), help);
        self.out.begun.push(word);
        self.line();
        None
    }

    /// Whether a statement of the original begins here: `learn.fit(..)`, `lr = 0.2`, `x, y = f()`, `def f(x):`, `return x`.
    fn is_original(&self) -> bool {
        let Some((word, rest)) = self.cursor.ident() else { return false };
        if word == "def" || word == "return" {
            return true;
        }
        match rest.punct() {
            Some((p, after)) if p.as_char() == '=' => !matches!(after.punct(), Some((q, _)) if q.as_char() == '='),
            Some((p, after)) if p.as_char() == '.' => after.ident().is_some(),
            Some((p, _)) => p.as_char() == ',',
            None => false,
        }
    }

    /// Skips to the end of the statement: past its `;`, or before the first token on another line. Returns its text.
    fn line(&mut self) -> String {
        let mut tokens = proc_macro2::TokenStream::new();
        while !self.cursor.eof() && !self.punct(';') {
            if self.here().start().line > self.last.end().line {
                break;
            }
            let Some((token, rest)) = self.cursor.token_tree() else { break };
            self.last = token.span();
            self.cursor = rest;
            tokens.extend([token]);
        }
        tokens.to_string()
    }

    /// A statement of the original: reported with what to type, and taken as that, so that the steps after it are checked in
    /// the right state.
    fn original(&mut self) -> Vec<Stmt> {
        let first = self.here();
        let word = self.peek_word().unwrap_or_default();
        let is_object =
            matches!(self.cursor.ident().and_then(|(_, rest)| rest.punct()), Some((p, _)) if p.as_char() == '.');
        // The first token is on the line of the statement.
        self.last = first;
        let text = self.line();
        if word == "def" {
            // The body is what is further to the right.
            while !self.cursor.eof() && self.here().start().column > first.start().column {
                self.last = self.here();
                self.line();
            }
        }
        let site = self.site(first);
        self.out.originals.push((first, self.last));
        let message = match word.as_str() {
            "def" | "return" => format!("a recipe has no `{word}`"),
            _ if is_object => format!("there is no object `{word}` in a recipe"),
            _ => "nothing is assigned in a recipe".to_string(),
        };
        let answer = translation::answer(&text).unwrap_or_default();
        let help = match answer.help() {
            empty if empty.is_empty() => "`train` holds `let`, `for` and steps: `fit(1e-2, 3);`".to_string(),
            help => help,
        };
        self.out.diagnostics.error(&c::EXPECTED_STEP, site, message, help);
        let mut statements = super::statements_of(&answer.steps.join(" "), site);
        let names = translation::bound_names(&text);
        for name in names {
            // What later statements may name, of which nothing is known.
            if !statements.iter().any(|s| matches!(s, Stmt::Let { name: bound, .. } if bound.text == name)) {
                let value = Value { kind: ValueKind::Broken, site };
                statements.push(Stmt::Let { name: Name { text: name, site }, value });
            }
        }
        statements
    }
}

/// A name as steps read it, without hyphens and not in capitals.
fn bindable(name: &str) -> String {
    name.replace('-', "_").to_lowercase()
}
