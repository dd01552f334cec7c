//! The statements of `train`.

use proc_macro2::Delimiter;

use super::Parser;
use crate::catalog as c;
use crate::diagnostic::Diagnostic;
use crate::draft::{StepCall, Stmt};

impl Parser<'_, '_> {
    /// Statements up to the end of the group, and whether one of them could not be read.
    pub(super) fn statements(&mut self) -> (Vec<Stmt>, bool) {
        let mut body = Vec::new();
        let mut broken = false;
        while !self.cursor.eof() {
            if self.punct(';') {
                continue;
            }
            let (_, lints) = self.attributes();
            match self.peek_word().as_deref() {
                Some(word) => {
                    let stmt = match word {
                        "let" => self.binding(),
                        "for" => self.repeat(),
                        _ => self.step().map(|step| Stmt::Step(StepCall { lints, ..step })),
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
        // The next statement most likely begins right here.
        if self.cursor.ident().is_none() && !self.peek_punct('#') {
            self.skip_past(';');
        }
    }

    fn binding(&mut self) -> Option<Stmt> {
        self.skip_one();
        if self.peek_word().as_deref() == Some("mut") {
            let error = self
                .error_here(&c::EXPECTED_STEP, "nothing in a recipe changes")
                .help("remove `mut`; bind anew instead");
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

    fn step(&mut self) -> Option<StepCall> {
        let first = self.here();
        let mut word = self.name()?;
        // `learn.fit(..)`: the notebook's habit.
        if self.peek_punct('.') {
            let object = word.text.clone();
            self.skip_one();
            let method = self.name()?;
            self.report(
                Diagnostic::error(&c::EXPECTED_STEP, word.site, format!("there is no object `{object}` in a recipe"))
                    .help(format!("steps stand alone: `{}(..);`", method.text)),
            );
            word = method;
        }
        if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
            let args = self.inside(content, end).arguments(true);
            let site = self.site(first);
            self.semicolon(&format!("`{}(..)`", word.text));
            return Some(StepCall { word, args, lints: Vec::new(), site, rounds: Vec::new(), binds: None });
        }
        let error = if self.peek_punct('=') {
            self.assignment(&word.text)
        } else {
            self.error_after(&c::EXPECTED_STEP, format!("`{}` is not a call", word.text))
                .help(format!("steps are calls: `{}();`", word.text))
        };
        self.report(error);
        self.skip_past(';');
        None
    }

    /// `precompute=True`, `lr = 0.2`: Python's way.
    fn assignment(&mut self, word: &str) -> Diagnostic {
        let error = self.error_here(&c::EXPECTED_STEP, "nothing is assigned in a recipe");
        match word {
            "precompute" | "bn_freeze" => error.help(format!("`{word}(on);` or `{word}(off);`")),
            "if" | "while" | "loop" | "match" => error.help("only `let`, `for` over a list, and steps"),
            _ => error.help(format!("`let {word} = ..;` binds a name")),
        }
    }
}
