//! A recursive-descent parser from tokens to a [`Draft`] that does not stop at the first mistake.
//!
//! A production that fails reports the mistake, skips token trees to the next `,` or `;` of its own level, and continues.
//! Groups are atomic, so a mistake never leaves its brackets. Unparsed text becomes [`ValueKind::Broken`], about which the
//! checks stay silent.

mod literal;
mod statement;
mod value;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::buffer::{Cursor, TokenBuffer};

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Entry, LintAttr, LintLevel, Name, Train, Value, ValueKind};
use crate::scan::MAX_DEPTH;
use crate::schema::SECTIONS;

/// The parser's result; [`Site`]s are indices into `spans`.
#[derive(Debug)]
pub struct Parsed {
    /// The draft, possibly with broken parts; `None` without a name.
    pub draft: Option<Draft>,
    /// The findings about the text.
    pub diagnostics: Diagnostics,
    /// First and last token of each site.
    pub spans: Vec<(Span, Span)>,
    /// The visibility: tokens before the name other than doc comments and lints.
    pub visibility: TokenStream,
    /// The name as it was written.
    pub name: Option<proc_macro2::Ident>,
    /// First and last token of each statement of the original, which were answered as a whole.
    pub originals: Vec<(Span, Span)>,
    /// Words in place of a step, or alone after `let name =`, which an editor completes to steps.
    pub begun: Vec<Name>,
}

/// Parses one recipe. Never panics, and does not stop at the first mistake.
pub fn parse(tokens: TokenStream) -> Parsed {
    let mut out = Out::default();
    if let Some(excess) = excess(&tokens) {
        let (code, span, message, help) = match excess {
            Excess::Depth(span) => (
                &c::TOO_DEEP,
                span,
                format!("brackets are nested more than {MAX_DEPTH} deep"),
                "one value, or a list of them: `[accuracy]`",
            ),
            Excess::Tokens(span) => (
                &c::OUT_OF_RANGE,
                span,
                format!("more than {MAX_TOKENS} tokens"),
                "loop over a list: `for size in [64, 128]`",
            ),
        };
        let site = out.site(span, span);
        out.diagnostics.push(Diagnostic::error(code, site, message).help(help));
        let Out { spans, diagnostics, originals, begun } = out;
        let (visibility, name) = header(tokens);
        return Parsed { draft: None, diagnostics, spans, visibility, name, originals, begun };
    }
    let buffer = TokenBuffer::new2(tokens);
    let end = Span::call_site();
    let mut parser = Parser { cursor: buffer.begin(), end, last: end, out: &mut out };
    let (draft, visibility, name) = parser.recipe();
    let Out { spans, diagnostics, originals, begun } = out;
    Parsed { draft, diagnostics, spans, visibility, name, originals, begun }
}

/// Visibility and name of a recipe that is not parsed any further.
fn header(tokens: TokenStream) -> (TokenStream, Option<proc_macro2::Ident>) {
    let mut visibility = TokenStream::new();
    for token in tokens {
        match &token {
            TokenTree::Ident(word) if word == "pub" => visibility.extend([token]),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => visibility.extend([token]),
            TokenTree::Ident(name) => return (visibility, Some(name.clone())),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            _ => {}
        }
    }
    (visibility, None)
}

/// The most tokens that are read.
const MAX_TOKENS: usize = 100_000;

/// What is too much for the recursive parser, and where it begins.
enum Excess {
    /// A bracket nested deeper than [`MAX_DEPTH`].
    Depth(Span),
    /// The first of too many tokens.
    Tokens(Span),
}

/// Searches without recursion.
fn excess(tokens: &TokenStream) -> Option<Excess> {
    let mut stack = vec![tokens.clone().into_iter()];
    let mut count = 0;
    while let Some(top) = stack.last_mut() {
        let Some(token) = top.next() else {
            stack.pop();
            continue;
        };
        count += 1;
        if count > MAX_TOKENS {
            return Some(Excess::Tokens(token.span()));
        }
        if let TokenTree::Group(group) = token {
            if stack.len() > MAX_DEPTH {
                return Some(Excess::Depth(group.span_open()));
            }
            stack.push(group.stream().into_iter());
        }
    }
    None
}

#[derive(Default)]
struct Out {
    spans: Vec<(Span, Span)>,
    diagnostics: Diagnostics,
    originals: Vec<(Span, Span)>,
    begun: Vec<Name>,
}

impl Out {
    fn site(&mut self, first: Span, last: Span) -> Site {
        self.spans.push((first, last));
        Site((self.spans.len() - 1) as u32)
    }
}

/// The most sections, keys of a construct, or arguments of a call that are read.
const MAX_KEYS: usize = 500;

/// A place in one group of tokens.
struct Parser<'a, 'o> {
    cursor: Cursor<'a>,
    /// The closing bracket of the group, which errors at its end point to.
    end: Span,
    /// The last consumed token.
    last: Span,
    out: &'o mut Out,
}

impl<'a> Parser<'a, '_> {
    fn inside(&mut self, cursor: Cursor<'a>, end: Span) -> Parser<'a, '_> {
        Parser { cursor, end, last: end, out: self.out }
    }

    fn site(&mut self, first: Span) -> Site {
        let last = self.last;
        self.out.site(first, last)
    }

    fn here(&self) -> Span {
        if self.cursor.eof() { self.end } else { self.cursor.span() }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.out.diagnostics.push(diagnostic);
    }

    /// The next token as a help text may quote it.
    fn upcoming(&self) -> String {
        match self.cursor.token_tree() {
            Some((token @ (TokenTree::Literal(_) | TokenTree::Ident(_)), _)) => {
                let text = token.to_string();
                crate::habits::python(&text).map_or(text, str::to_string)
            }
            _ => "..".to_string(),
        }
    }

    /// An error at the next token.
    fn error_here(&mut self, code: &'static c::Code, message: impl Into<String>) -> Diagnostic {
        let span = self.here();
        Diagnostic::error(code, self.out.site(span, span), message)
    }

    /// An error at the last token taken, after which something is missing.
    fn error_after(&mut self, code: &'static c::Code, message: impl Into<String>) -> Diagnostic {
        let span = self.last;
        Diagnostic::error(code, self.out.site(span, span), message)
    }

    fn peek_punct(&self, ch: char) -> bool {
        matches!(self.cursor.punct(), Some((p, _)) if p.as_char() == ch)
    }

    fn punct(&mut self, ch: char) -> bool {
        match self.cursor.punct() {
            Some((p, rest)) if p.as_char() == ch => {
                self.last = p.span();
                self.cursor = rest;
                true
            }
            _ => false,
        }
    }

    fn peek_word(&self) -> Option<String> {
        self.cursor.ident().map(|(i, _)| i.to_string())
    }

    fn ident(&mut self) -> Option<proc_macro2::Ident> {
        let (ident, rest) = self.cursor.ident()?;
        self.last = ident.span();
        self.cursor = rest;
        Some(ident)
    }

    fn name(&mut self) -> Option<Name> {
        let ident = self.ident()?;
        let site = self.site(ident.span());
        Some(Name { text: ident.to_string(), site })
    }

    /// The group with that delimiter, if it comes next: its content and closing bracket.
    fn group(&mut self, delimiter: Delimiter) -> Option<(Cursor<'a>, Span)> {
        let (content, span, rest) = self.cursor.group(delimiter)?;
        self.last = span.close();
        self.cursor = rest;
        Some((content, span.close()))
    }

    fn skip_one(&mut self) {
        if let Some((token, rest)) = self.cursor.token_tree() {
            self.last = token.span();
            self.cursor = rest;
        }
    }

    /// Skips past the next `separator`, or to the end of the group.
    fn skip_past(&mut self, separator: char) {
        while !self.cursor.eof() && !self.punct(separator) {
            self.skip_one();
        }
    }

    /// Whether a group has more keys or arguments than any construct could take; reports it and skips the rest, so that no
    /// check has to compare a hundred thousand of them.
    fn crowded(&mut self, count: usize, what: &str) -> bool {
        if count < MAX_KEYS {
            return false;
        }
        let error =
            self.error_here(&c::TOO_MANY, format!("more than {MAX_KEYS} {what}")).help("remove those that repeat");
        self.report(error);
        while !self.cursor.eof() {
            self.skip_one();
        }
        true
    }

    /// Skips past the next comma, or a semicolon in its place.
    fn skip_entry(&mut self) {
        while !self.cursor.eof() && !self.punct(',') && !self.punct(';') {
            self.skip_one();
        }
    }

    fn recipe(&mut self) -> (Option<Draft>, TokenStream, Option<proc_macro2::Ident>) {
        let (doc, lints) = self.attributes();
        let mut visibility = TokenStream::new();
        if self.peek_word().as_deref() == Some("pub") {
            let keyword = self.ident().expect("just peeked");
            visibility.extend([TokenTree::Ident(keyword)]);
            if let Some((_, _, rest)) = self.cursor.group(Delimiter::Parenthesis)
                && let Some((group, _)) = self.cursor.token_tree()
            {
                self.last = group.span();
                visibility.extend([group]);
                self.cursor = rest;
            }
        }
        for word in ["struct", "recipe", "fn"] {
            if self.peek_word().as_deref() == Some(word) {
                let error = self
                    .error_here(&c::HEADER, format!("`{word}` has no place here"))
                    .help("a recipe begins with its name: `DogBreed { .. }`");
                self.report(error);
                self.skip_one();
            }
        }
        let Some(ident) = self.ident() else {
            let error =
                self.error_here(&c::HEADER, "expected the recipe's name").help("`DogBreed { task: single_label, .. }`");
            self.report(error);
            return (None, visibility, None);
        };
        let name = Name { text: ident.to_string(), site: self.site(ident.span()) };
        if name.text.starts_with(|ch: char| ch.is_lowercase() || ch == '_') {
            let good = camel_case(&name.text);
            self.report(
                Diagnostic::error(&c::HEADER, name.site, format!("`{}` is the name of a type", name.text))
                    .help(format!("begin it with a capital letter: `{good}`")),
            );
        }
        let mut draft = Draft { name, doc, lints, sections: Vec::new(), train: None };
        match self.group(Delimiter::Brace) {
            Some((content, end)) => self.inside(content, end).sections(&mut draft),
            None => {
                let error = self
                    .error_here(&c::HEADER, format!("expected `{{` after `{}`", draft.name.text))
                    .help(format!("`{} {{ task: single_label, .. }}`", draft.name.text));
                self.report(error);
                // Text that could not be parsed may hold the missing keys.
                draft.sections.push(*broken_entry(Name { text: String::new(), site: draft.name.site }));
                return (Some(draft), visibility, Some(ident));
            }
        }
        if !self.cursor.eof() {
            let error = self
                .error_here(&c::TRAILING, "a recipe ends with its closing brace")
                .help("one recipe a file, or a macro call: another `recipe! { .. }`");
            self.report(error);
        }
        (Some(draft), visibility, Some(ident))
    }

    fn sections(&mut self, draft: &mut Draft) {
        while !self.cursor.eof() && !self.crowded(draft.sections.len(), "sections") {
            let (_, lints) = self.attributes();
            if self.cursor.eof() {
                break;
            }
            let key = match self.key("a section") {
                Ok(key) => key,
                Err(broken) => {
                    draft.sections.push(*broken);
                    continue;
                }
            };
            if key.text == "train" {
                if let Some((content, end)) = self.group(Delimiter::Brace) {
                    let (body, broken) = self.inside(content, end).statements();
                    match &draft.train {
                        Some(first) => {
                            let first = first.key.site;
                            self.report(
                                Diagnostic::error(&c::TWICE, key.site, "section `train` is given twice")
                                    .help("one `train: { .. }` holds all steps")
                                    .also(first, "first given here"),
                            );
                        }
                        None => draft.train = Some(Train { key, lints, body, broken }),
                    }
                } else {
                    let error = self
                        .error_here(&c::EXPECTED_VALUE, "`train` holds its steps in braces")
                        .help("`train: { fit(1e-2, 3); }`");
                    self.report(error);
                    draft.train.get_or_insert(Train { key, lints, body: Vec::new(), broken: true });
                    self.skip_past(',');
                    continue;
                }
            } else {
                let value = self.value();
                draft.sections.push(Entry { key, lints, value });
            }
            self.separator("a section");
        }
    }

    /// Parses `key:`. On anything else, reports an error, skips past the next comma or semicolon, and returns a broken
    /// entry.
    fn key(&mut self, what: &str) -> Result<Name, Box<Entry>> {
        let Some(key) = self.name() else {
            let error =
                self.error_here(&c::EXPECTED_KEY, format!("expected the name of {what}")).help("`name: value,`");
            self.report(error);
            let site = self.site(self.here());
            self.skip_entry();
            return Err(broken_entry(Name { text: String::new(), site }));
        };
        if self.punct(':') {
            return Ok(key);
        }
        if self.peek_punct('=') {
            let error = self.error_here(&c::WRONG_COLON, format!("`{}` is followed by `=`", key.text));
            self.skip_one();
            let help = format!("keys in braces take a colon: `{}: {}`", key.text, self.upcoming());
            self.report(error.help(help));
            return Ok(key);
        }
        let error = self.error_after(&c::EXPECTED_KEY, format!("expected `:` after `{}`", key.text)).help(
            match SECTIONS.iter().find(|s| s.name == key.text) {
                Some(section) => format!("`{},`", section.example),
                None => format!("`{}: ..,`", key.text),
            },
        );
        self.report(error);
        self.skip_entry();
        Err(broken_entry(key))
    }

    /// Parses the comma between two entries. Reports a missing one and continues if the next entry starts there.
    fn separator(&mut self, what: &str) {
        if self.cursor.eof() || self.punct(',') {
            return;
        }
        if self.peek_punct(';') {
            let error = self.error_here(&c::MISSING_COMMA, format!("`;` after {what}")).help("separate with `,`");
            self.report(error);
            self.skip_one();
            return;
        }
        let error = self.error_after(&c::MISSING_COMMA, format!("expected `,` after {what}")).help("add `,` here");
        self.report(error);
        let begins_entry = self.cursor.ident().is_some() || self.peek_punct('#');
        if !begins_entry {
            self.skip_past(',');
        }
    }

    /// Doc comments and lint levels.
    fn attributes(&mut self) -> (Option<String>, Vec<LintAttr>) {
        let mut doc: Option<String> = None;
        let mut lints = Vec::new();
        while self.peek_punct('#') {
            let hash = self.here();
            self.punct('#');
            let Some((content, end)) = self.group(Delimiter::Bracket) else {
                let site = self.out.site(hash, hash);
                self.report(
                    Diagnostic::error(&c::ATTRIBUTE, site, "expected an attribute after `#`")
                        .help("comments begin with two strokes: `// ..`"),
                );
                // Python's comment ends with its line.
                let line = hash.start().line;
                while !self.cursor.eof() && self.here().start().line == line {
                    self.skip_one();
                }
                continue;
            };
            let mut inner = self.inside(content, end);
            let word = inner.ident().map(|i| i.to_string()).unwrap_or_default();
            let level = match word.as_str() {
                "doc" => {
                    if inner.punct('=')
                        && let Some((literal, _)) = inner.cursor.literal()
                        && let syn::Lit::Str(text) = syn::Lit::new(literal)
                    {
                        let line = text.value();
                        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
                        doc = Some(doc.map_or(line.to_string(), |d| format!("{d}\n{line}")));
                    }
                    continue;
                }
                "allow" => LintLevel::Allow,
                "warn" => LintLevel::Warn,
                "deny" | "forbid" => LintLevel::Deny,
                _ => {
                    let site = inner.out.site(hash, end);
                    inner.report(
                        Diagnostic::error(&c::ATTRIBUTE, site, format!("attribute `{word}` means nothing here"))
                            .help("`#[allow(lint)]`, `#[warn(lint)]`, `#[deny(lint)]` or a doc comment"),
                    );
                    continue;
                }
            };
            if let Some((content, end)) = inner.group(Delimiter::Parenthesis) {
                let mut names = inner.inside(content, end);
                while let Some(name) = names.name() {
                    lints.push(LintAttr { level, name });
                    if !names.punct(',') {
                        break;
                    }
                }
            }
        }
        (doc, lints)
    }
}

fn broken_entry(key: Name) -> Box<Entry> {
    let value = Value { kind: ValueKind::Broken, site: key.site };
    Box::new(Entry { key, lints: Vec::new(), value })
}

fn camel_case(word: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
    };
    word.split('_').map(capital).collect()
}

/// Parses statements of `train` that the language itself wrote, all at one place.
fn statements_of(text: &str, site: Site) -> Vec<crate::draft::Stmt> {
    let Ok(tokens) = text.parse::<TokenStream>() else { return Vec::new() };
    let mut out = Out::default();
    let buffer = TokenBuffer::new2(tokens);
    let end = Span::call_site();
    let mut statements = Parser { cursor: buffer.begin(), end, last: end, out: &mut out }.statements().0;
    crate::draft::relocate(&mut statements, site);
    statements
}

/// Parses a single value, as `--set` takes it, without places; `None` if the text is not one value.
pub fn parse_value(text: &str) -> Option<crate::draft::Value> {
    read_value(text).ok()
}

/// [`parse_value`], with what is said about a text that is not one value.
pub(crate) fn read_value(text: &str) -> Result<crate::draft::Value, Diagnostics> {
    crate::scan::scan(text).map_err(|_| Diagnostics::default())?;
    let tokens: TokenStream = text.parse().map_err(|_| Diagnostics::default())?;
    let mut out = Out::default();
    let buffer = TokenBuffer::new2(tokens);
    let end = Span::call_site();
    let mut parser = Parser { cursor: buffer.begin(), end, last: end, out: &mut out };
    let value = parser.value();
    if !parser.cursor.eof() || out.diagnostics.has_errors() {
        return Err(out.diagnostics);
    }
    let mut value = value;
    value.forget_sites();
    Ok(value)
}
