//! Values: literals, words, calls, blocks, lists, and arithmetic on them.

use proc_macro2::{Delimiter, Span, TokenTree};
use syn::buffer::Cursor;

use super::{Parser, hyphen};
use crate::catalog as c;
use crate::draft::{Arg, Entry, Name, Op, Value, ValueKind};
use crate::habits;

/// Operators of one precedence in a row.
const MAX_OPERATORS: usize = 64;
/// The most tokens of a string without its quotes. Before every value so many are read ahead, however long the text goes on.
const MAX_PATH: usize = 64;

impl<'a> Parser<'a, '_> {
    /// Parses a value. If there is none, reports an error and returns [`ValueKind::Broken`], consuming only tokens that
    /// cannot start the next entry.
    pub(crate) fn value(&mut self) -> Value {
        if let Some(path) = self.unquoted_path() {
            return path;
        }
        self.operators([('+', Op::Add), ('-', Op::Sub)], |parser| {
            parser.operators([('*', Op::Mul), ('/', Op::Div)], Self::unary)
        })
    }

    /// Operands with operators of one precedence between them.
    fn operators(&mut self, known: [(char, Op); 2], operand: fn(&mut Self) -> Value) -> Value {
        let mut left = operand(self);
        for _ in 0..MAX_OPERATORS {
            let Some((_, op)) = known.into_iter().find(|(mark, _)| self.punct(*mark)) else { return left };
            let right = operand(self);
            let first = self.out.spans[left.site.0 as usize].0;
            let site = self.site(first);
            left = Value { kind: ValueKind::Binary(op, Box::new(left), Box::new(right)), site };
        }
        if known.into_iter().any(|(mark, _)| self.peek_punct(mark)) { self.too_long(left) } else { left }
    }

    /// Rejects an expression that nests too deeply.
    fn too_long(&mut self, value: Value) -> Value {
        self.report_here(
            &c::TOO_DEEP,
            format!("a computation of more than {MAX_OPERATORS} operators"),
            "write its result: `0.01`",
        );
        while !self.cursor.eof() && !self.peek_punct(',') && !self.peek_punct(';') {
            self.skip_one();
        }
        Value { kind: ValueKind::Broken, site: value.site }
    }

    fn unary(&mut self) -> Value {
        let first = self.here();
        // Signs are counted rather than followed, so that a megabyte of them needs no stack.
        let mut signs = 0usize;
        while self.punct('-') {
            signs += 1;
        }
        let inner = self.atom();
        if signs == 0 {
            return inner;
        }
        let site = self.site(first);
        let kind = match inner.kind {
            ValueKind::Number(x) => ValueKind::Number(if !signs.is_multiple_of(2) { -x } else { x }),
            _ if signs.is_multiple_of(2) => inner.kind,
            _ => ValueKind::Negate(Box::new(inner)),
        };
        Value { kind, site }
    }

    fn atom(&mut self) -> Value {
        let first = self.here();
        if let Some(value) = self.literal() {
            return value;
        }
        if let Some((content, end)) = self.group(Delimiter::Bracket) {
            let items = self.inside(content, end).arguments(false);
            let site = self.site(first);
            return Value { kind: ValueKind::List(items.into_iter().map(|a| a.value).collect()), site };
        }
        if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
            if has_comma(content) {
                return self.tuple(content, end, first);
            }
            let mut inner = self.inside(content, end);
            let value = inner.value();
            if !inner.cursor.eof() {
                inner.report_here(&c::EXPECTED_VALUE, "expected `)`", "one value stands in parentheses: `(1 + 2)`");
            }
            return value;
        }
        if let Some(name) = self.name() {
            return self.word(name, first);
        }
        if self.peek_punct('.')
            && let Some((literal, _)) = self.cursor.token_tree().and_then(|(_, rest)| rest.literal())
        {
            return self.leading_dot(&literal.to_string(), first);
        }
        self.report_here(
            &c::EXPECTED_VALUE,
            "expected a value",
            "a number, a string in double quotes, a word, a list in `[ ]`, or a call",
        );
        let site = self.out.site(first, first);
        // Skips tokens that are neither a value nor a separator.
        if !self.cursor.eof() && !self.peek_punct(',') && !self.peek_punct(';') {
            self.skip_one();
        }
        Value { kind: ValueKind::Broken, site }
    }

    /// `(64, 128)`: a Python tuple, parsed as the intended list.
    fn tuple(&mut self, content: Cursor<'a>, end: Span, first: Span) -> Value {
        let items = self.inside(content, end).arguments(false);
        let site = self.site(first);
        let value = Value { kind: ValueKind::List(items.into_iter().map(|a| a.value).collect()), site };
        self.out.diagnostics.error(&c::EXPECTED_VALUE, site, "lists stand in square brackets", format!("`{value}`"));
        value
    }

    /// `.5`
    fn leading_dot(&mut self, digits: &str, first: Span) -> Value {
        self.skip_one();
        self.skip_one();
        let site = self.site(first);
        self.out.diagnostics.error(&c::LITERAL, site, "numbers begin with a digit", format!("`0.{digits}`"));
        let kind = format!("0.{digits}").parse().map_or(ValueKind::Broken, ValueKind::Number);
        Value { kind, site }
    }

    /// `.jpg`, `/data/dogs`, `data/train.csv`: takes a string without its quotes, if one comes next.
    fn unquoted_path(&mut self) -> Option<Value> {
        let first = self.here();
        let (mut end, mut last) = (self.cursor, first);
        let mut text = String::new();
        let mut after_word = false;
        for _ in 0..MAX_PATH {
            let Some((token, rest)) = end.token_tree() else { break };
            let is_word = matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
            let is_mark = matches!(&token, TokenTree::Punct(p) if matches!(p.as_char(), '.' | '/' | '-'));
            if !is_mark && (after_word || !is_word) {
                break;
            }
            text.push_str(&token.to_string());
            (after_word, end, last) = (is_word, rest, token.span());
        }
        let begins_with_mark = text.starts_with(['.', '/'])
            && text.trim_start_matches(['.', '/']).starts_with(|ch: char| ch.is_alphabetic() || ch == '_');
        let is_file = text.rsplit_once('.').is_some_and(|(_, ending)| habits::is_file_ending(ending))
            && end.group(Delimiter::Parenthesis).is_none();
        if text.contains('"') || !(begins_with_mark || is_file) {
            return None;
        }
        (self.cursor, self.last) = (end, last);
        let site = self.site(first);
        let help = format!("`{text:?}`");
        self.out.diagnostics.error(&c::EXPECTED_VALUE, site, "a string stands in double quotes", help);
        Some(Value { kind: ValueKind::Text(text), site })
    }

    /// `np.array([..])`, `models.resnet34`: a list is parsed as intended, everything else as broken.
    fn object(&mut self, object: &Name, first: Span) -> Value {
        let mut last: Option<Name> = None;
        let mut args: Option<Vec<Arg>> = None;
        while self.punct('.') {
            let Some(name) = self.name() else { break };
            last = Some(name);
            if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
                args = Some(self.inside(content, end).arguments(true));
            }
        }
        let site = self.site(first);
        let name = last.map_or_else(|| object.text.clone(), |n| n.text);
        let help = habits::value_help(&name, args.as_deref());
        let message = format!("there is no object `{}` in a recipe", object.text);
        self.out.diagnostics.error(&c::EXPECTED_VALUE, object.site, message, help);
        let kind = match args {
            Some(mut args) if args.len() == 1 && habits::is_array(&name) => args.remove(0).value.kind,
            _ => ValueKind::Broken,
        };
        Value { kind, site }
    }

    fn word(&mut self, name: Name, first: Span) -> Value {
        if self.peek_punct('.') {
            return self.object(&name, first);
        }
        if let Some((content, end)) = self.group(Delimiter::Parenthesis) {
            let args = self.inside(content, end).arguments(true);
            let site = self.site(first);
            return Value { kind: ValueKind::Call(name, args), site };
        }
        if let Some((content, end)) = self.group(Delimiter::Brace) {
            let entries = self.inside(content, end).entries();
            let site = self.site(first);
            return Value { kind: ValueKind::Block(name, entries), site };
        }
        let mut path = name.text.clone();
        let mut is_path = false;
        while self.peek_punct(':') {
            let before = (self.cursor, self.last);
            if self.punct(':')
                && self.punct(':')
                && let Some(part) = self.ident()
            {
                path.push_str("::");
                path.push_str(&part.to_string());
                is_path = true;
                continue;
            }
            (self.cursor, self.last) = before;
            break;
        }
        let site = self.site(first);
        let kind = if is_path || is_constant(&path) { ValueKind::Const(path) } else { ValueKind::Word(path) };
        Value { kind, site }
    }

    /// `key: value, ..` up to the end of the group.
    fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        while !self.cursor.eof() && !self.crowded(entries.len(), "keys") {
            let (_, lints) = self.attributes();
            if self.cursor.eof() {
                break;
            }
            let key = match self.key("a key") {
                Ok(key) => key,
                Err(broken) => {
                    entries.push(*broken);
                    continue;
                }
            };
            let value = self.value();
            let what = format!("`{}`", key.text);
            entries.push(Entry { key, lints, value });
            self.separator(&what);
        }
        entries
    }

    /// `value, name = value, ..` up to the end of the group; a list has no names.
    pub(crate) fn arguments(&mut self, named: bool) -> Vec<Arg> {
        let mut args = Vec::new();
        while !(self.cursor.eof() || named && self.crowded(args.len(), "arguments")) {
            let name = self.argument_name(named);
            let value = self.value();
            args.push(Arg { name, value });
            if self.cursor.eof() || self.punct(',') {
                continue;
            }
            let what = if named { "an argument" } else { "an item" };
            let help = match self.peek_punct('.') {
                true => "a recipe has no ranges; several values stand in a list: `[1e-3, 1e-2]`",
                false => "add `,` here",
            };
            self.report_after(&c::MISSING_COMMA, format!("expected `,` after {what}"), help);
            if self.cursor.ident().is_none() && self.cursor.literal().is_none() {
                self.skip_past(',');
            }
        }
        args
    }

    fn argument_name(&mut self, named: bool) -> Option<Name> {
        let (_, mut rest) = self.cursor.ident()?;
        while let Some((_, after)) = hyphen(rest).and_then(|part| part.ident()) {
            rest = after;
        }
        let (punct, after) = rest.punct()?;
        let double_colon = punct.as_char() == ':' && matches!(after.punct(), Some((p, _)) if p.as_char() == ':');
        if !matches!(punct.as_char(), '=' | ':') || double_colon {
            return None;
        }
        let name = self.hyphenated()?;
        if punct.as_char() == ':' {
            let site = self.site_here();
            self.skip_one();
            let meant = name.text.replace('-', "_");
            let help = format!("arguments of a call are named with `=`: `{meant} = {}`", self.upcoming());
            self.out.diagnostics.error(&c::WRONG_COLON, site, format!("`{}` is followed by `:`", name.text), help);
            return Some(name);
        } else if !named {
            self.report_here(&c::WRONG_COLON, "items of a list have no names", "the value alone: `[1, 2]`");
        }
        self.skip_one();
        Some(name)
    }
}

/// Whether a name is spelt as constants are in Rust: `BATCH`.
pub(crate) fn is_constant(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|ch: char| ch.is_ascii_uppercase())
        && name.chars().all(|ch| ch.is_ascii_uppercase() || ch.is_ascii_digit() || ch == '_')
}

fn has_comma(mut cursor: Cursor<'_>) -> bool {
    while let Some((token, rest)) = cursor.token_tree() {
        if matches!(&token, TokenTree::Punct(p) if p.as_char() == ',') {
            return true;
        }
        cursor = rest;
    }
    false
}
