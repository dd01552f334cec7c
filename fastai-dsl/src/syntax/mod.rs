//! Values from tokens, and what every part of a recipe is read with: a place in a group of tokens, and how to go on from a
//! mistake. Sections and steps are read in [`parse`](crate::parse).

mod attribute;
mod literal;
mod value;

pub(crate) use value::is_constant;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::buffer::{Cursor, TokenBuffer};

use crate::catalog as c;
use crate::construct::Section;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Entry, Name, Value, ValueKind};
use crate::habits;
use crate::scan::scan;

/// What is read besides the draft; [`Site`]s are indices into `spans`.
#[derive(Default)]
pub(crate) struct Out {
    /// First and last token of each site.
    pub(crate) spans: Vec<(Span, Span)>,
    /// The findings.
    pub(crate) diagnostics: Diagnostics,
    /// First and last token of each statement of the original.
    pub(crate) originals: Vec<(Span, Span)>,
    /// Words in place of a step.
    pub(crate) begun: Vec<Name>,
}

impl Out {
    /// The site of these tokens.
    pub(crate) fn site(&mut self, first: Span, last: Span) -> Site {
        self.spans.push((first, last));
        Site((self.spans.len() - 1) as u32)
    }
}

/// The most sections, keys of a construct, or arguments of a call that are read.
const MAX_KEYS: usize = 500;

/// A place in one group of tokens.
pub(crate) struct Parser<'a, 'o> {
    /// What comes next.
    pub(crate) cursor: Cursor<'a>,
    /// The closing bracket of the group, which errors at its end point to.
    end: Span,
    /// The last consumed token.
    pub(crate) last: Span,
    /// The sections whose examples helps quote.
    sections: &'static [Section],
    /// Where findings go.
    pub(crate) out: &'o mut Out,
}

impl<'a, 'o> Parser<'a, 'o> {
    /// A parser of a whole text.
    pub(crate) fn new(tokens: &'a TokenBuffer, sections: &'static [Section], out: &'o mut Out) -> Self {
        let end = Span::call_site();
        Parser { cursor: tokens.begin(), end, last: end, sections, out }
    }
}

impl<'a> Parser<'a, '_> {
    /// A parser of the content of a group.
    pub(crate) fn inside(&mut self, cursor: Cursor<'a>, end: Span) -> Parser<'a, '_> {
        Parser { cursor, end, last: end, sections: self.sections, out: self.out }
    }

    /// The site from `first` to the last consumed token.
    pub(crate) fn site(&mut self, first: Span) -> Site {
        let last = self.last;
        self.out.site(first, last)
    }

    /// The next token, or the end of the group.
    pub(crate) fn here(&self) -> Span {
        if self.cursor.eof() { self.end } else { self.cursor.span() }
    }

    /// The next token as a help text may quote it.
    pub(crate) fn upcoming(&self) -> String {
        match self.cursor.token_tree() {
            Some((token @ (TokenTree::Literal(_) | TokenTree::Ident(_)), _)) => {
                let text = token.to_string();
                habits::python(&text).map_or(text, str::to_string)
            }
            _ => "..".to_string(),
        }
    }

    /// The site of the next token.
    fn site_here(&mut self) -> Site {
        let span = self.here();
        self.out.site(span, span)
    }

    /// Reports an error at the next token with what to type instead.
    pub(crate) fn report_here(&mut self, code: &'static c::Code, message: impl Into<String>, help: impl Into<String>) {
        let site = self.site_here();
        self.out.diagnostics.error(code, site, message, help);
    }

    /// Reports an error at the last token taken, after which something is missing.
    pub(crate) fn report_after(&mut self, code: &'static c::Code, message: impl Into<String>, help: impl Into<String>) {
        let site = self.out.site(self.last, self.last);
        self.out.diagnostics.error(code, site, message, help);
    }

    /// Whether that character comes next.
    pub(crate) fn peek_punct(&self, ch: char) -> bool {
        matches!(self.cursor.punct(), Some((p, _)) if p.as_char() == ch)
    }

    /// Takes that character if it comes next.
    pub(crate) fn punct(&mut self, ch: char) -> bool {
        match self.cursor.punct() {
            Some((p, rest)) if p.as_char() == ch => {
                self.last = p.span();
                self.cursor = rest;
                true
            }
            _ => false,
        }
    }

    /// The word that comes next.
    pub(crate) fn peek_word(&self) -> Option<String> {
        self.cursor.ident().map(|(i, _)| i.to_string())
    }

    /// Takes the word that comes next.
    pub(crate) fn ident(&mut self) -> Option<proc_macro2::Ident> {
        let (ident, rest) = self.cursor.ident()?;
        self.last = ident.span();
        self.cursor = rest;
        Some(ident)
    }

    /// Takes the word that comes next, with its site.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let ident = self.ident()?;
        let site = self.site(ident.span());
        Some(Name { text: ident.to_string(), site })
    }

    /// Takes the name that comes next, with what hyphens join to it: `batch-size`. No name has hyphens, so this one is answered
    /// with the name that is meant.
    pub(crate) fn hyphenated(&mut self) -> Option<Name> {
        let first = self.ident()?;
        let mut text = first.to_string();
        while let Some(rest) = hyphen(self.cursor) {
            self.cursor = rest;
            text = format!("{text}-{}", self.ident()?);
        }
        Some(Name { text, site: self.site(first.span()) })
    }

    /// The group with that delimiter, if it comes next: its content and closing bracket.
    pub(crate) fn group(&mut self, delimiter: Delimiter) -> Option<(Cursor<'a>, Span)> {
        let (content, span, rest) = self.cursor.group(delimiter)?;
        self.last = span.close();
        self.cursor = rest;
        Some((content, span.close()))
    }

    /// Takes whatever comes next.
    pub(crate) fn skip_one(&mut self) {
        if let Some((token, rest)) = self.cursor.token_tree() {
            self.last = token.span();
            self.cursor = rest;
        }
    }

    /// Skips past the next `separator`, or to the end of the group.
    pub(crate) fn skip_past(&mut self, separator: char) {
        while !self.cursor.eof() && !self.punct(separator) {
            self.skip_one();
        }
    }

    /// Whether a group has more keys or arguments than any construct could take; reports it and skips the rest, so that no
    /// check has to compare a hundred thousand of them.
    pub(crate) fn crowded(&mut self, count: usize, what: &str) -> bool {
        if count < MAX_KEYS {
            return false;
        }
        self.report_here(&c::TOO_MANY, format!("more than {MAX_KEYS} {what}"), "remove those that repeat");
        while !self.cursor.eof() {
            self.skip_one();
        }
        true
    }

    /// Skips past the next comma, or a semicolon in its place.
    pub(crate) fn skip_entry(&mut self) {
        while !self.cursor.eof() && !self.punct(',') && !self.punct(';') {
            self.skip_one();
        }
    }

    /// Parses `key:`. On anything else, reports an error, skips past the next comma or semicolon, and returns a broken
    /// entry.
    pub(crate) fn key(&mut self, what: &str) -> Result<Name, Box<Entry>> {
        let Some(key) = self.hyphenated() else {
            self.report_here(&c::EXPECTED_KEY, format!("expected the name of {what}"), "`name: value,`");
            let site = self.site(self.here());
            self.skip_entry();
            return Err(broken_entry(Name { text: String::new(), site }));
        };
        if self.punct(':') {
            return Ok(key);
        }
        if self.peek_punct('=') {
            let site = self.site_here();
            self.skip_one();
            let meant = key.text.replace('-', "_");
            let help = format!("keys in braces take a colon: `{meant}: {}`", self.upcoming());
            self.out.diagnostics.error(&c::WRONG_COLON, site, format!("`{}` is followed by `=`", key.text), help);
            return Ok(key);
        }
        self.report_after(
            &c::EXPECTED_KEY,
            format!("expected `:` after `{}`", key.text),
            match self.sections.iter().find(|s| s.name == key.text) {
                Some(section) => format!("`{},`", section.example),
                None => format!("`{}: ..,`", key.text),
            },
        );
        self.skip_entry();
        Err(broken_entry(key))
    }

    /// Parses the comma between two entries. Reports a missing one and continues if the next entry starts there.
    pub(crate) fn separator(&mut self, what: &str) {
        if self.cursor.eof() || self.punct(',') {
            return;
        }
        if self.peek_punct(';') {
            self.report_here(&c::MISSING_COMMA, format!("`;` after {what}"), "separate with `,`");
            self.skip_one();
            return;
        }
        self.report_after(&c::MISSING_COMMA, format!("expected `,` after {what}"), "add `,` here");
        let begins_entry = self.cursor.ident().is_some() || self.peek_punct('#');
        if !begins_entry {
            self.skip_past(',');
        }
    }
}

/// The place behind a hyphen that joins a word to the one before it.
fn hyphen(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let (mark, rest) = at.punct()?;
    (mark.as_char() == '-' && rest.ident().is_some()).then_some(rest)
}

/// An entry whose value could not be read.
pub(crate) fn broken_entry(key: Name) -> Box<Entry> {
    let value = Value { kind: ValueKind::Broken, site: key.site };
    Box::new(Entry { key, lints: Vec::new(), value })
}

/// Parses a single value, as `--set` takes it, without places; `None` if the text is not one value.
pub fn parse_value(text: &str) -> Option<Value> {
    read_value(text).ok()
}

/// [`parse_value`], with what is said about a text that is not one value.
pub(crate) fn read_value(text: &str) -> Result<Value, Diagnostics> {
    scan(text).map_err(|_| Diagnostics::default())?;
    let tokens: TokenStream = text.parse().map_err(|_| Diagnostics::default())?;
    let mut out = Out::default();
    let buffer = TokenBuffer::new2(tokens);
    let mut parser = Parser::new(&buffer, &[], &mut out);
    let mut value = parser.value();
    if !parser.cursor.eof() || out.diagnostics.has_errors() {
        return Err(out.diagnostics);
    }
    value.relocate(Site::NONE);
    Ok(value)
}
