//! A recursive-descent parser from tokens to a [`Draft`] that does not stop at the first mistake.
//!
//! A production that fails reports the mistake, skips token trees to the next `,` or `;` of its own level, and continues.
//! Groups are atomic, so a mistake never leaves its brackets. Unparsed text becomes
//! [`ValueKind::Broken`](crate::draft::ValueKind::Broken), about which the checks stay silent. Values are read in `syntax`.

mod statement;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::buffer::{Cursor, TokenBuffer};

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Entry, Name, Stmt, Train, relocate};
use crate::scan::MAX_DEPTH;
use crate::schema::SECTIONS;
pub use crate::syntax::parse_value;
use crate::syntax::{Out, Parser, broken_entry};

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
    let (draft, visibility, name) = match excess(&tokens) {
        Some((span, error)) => {
            let site = out.site(span, span);
            out.diagnostics.push(error(site));
            let (visibility, name) = header(tokens);
            (None, visibility, name)
        }
        None => Parser::new(&TokenBuffer::new2(tokens), SECTIONS, &mut out).recipe(),
    };
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

/// The error of brackets nested deeper than [`MAX_DEPTH`].
pub(crate) fn too_deep(site: Site) -> Diagnostic {
    let error = Diagnostic::error(&c::TOO_DEEP, site, format!("brackets are nested more than {MAX_DEPTH} deep"));
    error.help("one value, or a list of them: `[accuracy]`")
}

fn too_many(site: Site) -> Diagnostic {
    let error = Diagnostic::error(&c::OUT_OF_RANGE, site, format!("more than {MAX_TOKENS} tokens"));
    error.help("loop over a list: `for size in [64, 128]`")
}

/// The error of something at a site.
type ErrorAt = fn(Site) -> Diagnostic;

/// Where what is too much for the recursive parser begins, and its error. Searches without recursion.
fn excess(tokens: &TokenStream) -> Option<(Span, ErrorAt)> {
    let mut stack = vec![tokens.clone().into_iter()];
    let mut count = 0;
    while let Some(top) = stack.last_mut() {
        let Some(token) = top.next() else {
            stack.pop();
            continue;
        };
        count += 1;
        if count > MAX_TOKENS {
            return Some((token.span(), too_many));
        }
        if let TokenTree::Group(group) = token {
            if stack.len() > MAX_DEPTH {
                return Some((group.span_open(), too_deep));
            }
            stack.push(group.stream().into_iter());
        }
    }
    None
}

impl<'a> Parser<'a, '_> {
    fn recipe(&mut self) -> (Option<Draft>, TokenStream, Option<proc_macro2::Ident>) {
        if let Some((content, end)) = self.rust_around() {
            // With the errors of the recipe itself, which would only come up once the rest is taken away.
            return self.inside(content, end).recipe();
        }
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
                let help = "a recipe begins with its name: `DogBreed { .. }`";
                self.report_here(&c::HEADER, format!("`{word}` has no place here"), help);
                self.skip_one();
            }
        }
        let Some(ident) = self.ident() else {
            self.report_here(&c::HEADER, "expected the recipe's name", "`DogBreed { task: single_label, .. }`");
            return (None, visibility, None);
        };
        let name = Name { text: ident.to_string(), site: self.site(ident.span()) };
        if name.text.starts_with(|ch: char| ch.is_lowercase() || ch == '_') {
            let good = camel_case(&name.text);
            let text = format!("`{}` is the name of a type", name.text);
            let help = format!("begin it with a capital letter: `{good}`");
            self.out.diagnostics.error(&c::HEADER, name.site, text, help);
        }
        let mut draft = Draft { name, doc, lints, sections: Vec::new(), train: None };
        match self.group(Delimiter::Brace) {
            Some((content, end)) => self.inside(content, end).sections(&mut draft),
            None => {
                let help = format!("`{} {{ task: single_label, .. }}`", draft.name.text);
                self.report_here(&c::HEADER, format!("expected `{{` after `{}`", draft.name.text), help);
                // Text that could not be parsed may hold the missing keys.
                draft.sections.push(*broken_entry(Name { text: String::new(), site: draft.name.site }));
                return (Some(draft), visibility, Some(ident));
            }
        }
        if !self.cursor.eof() {
            let help = "one recipe a file, or a macro call: another `recipe! { .. }`";
            self.report_here(&c::TRAILING, "a recipe ends with its closing brace", help);
        }
        (Some(draft), visibility, Some(ident))
    }

    /// What `recipe! { .. }` holds, if that comes next, or comes after lines of `use`. A file holds the recipe alone.
    fn rust_around(&mut self) -> Option<(Cursor<'a>, Span)> {
        let mut inside = self.cursor;
        while inside.ident().is_some_and(|(word, _)| word == "use") {
            while let Some((token, rest)) = inside.token_tree() {
                inside = rest;
                if matches!(token, TokenTree::Punct(end) if end.as_char() == ';') {
                    break;
                }
            }
        }
        let (_, after) = inside.ident().filter(|(word, _)| word == "recipe")?;
        let (_, after) = after.punct().filter(|(mark, _)| mark.as_char() == '!')?;
        let (content, span, _) = after.group(Delimiter::Brace)?;
        let (word, uses) = if self.cursor == inside { ("recipe!", "") } else { ("use", "`use ..;`, ") };
        let help = format!("a recipe begins with its name: take away {uses}`recipe! {{` and the last `}}`");
        self.report_here(&c::HEADER, format!("`{word}` has no place here"), help);
        Some((content, span.close()))
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
                            let text = "section `train` is given twice";
                            let help = "one `train: { .. }` holds all steps";
                            let first = (first, "first given here");
                            self.out.diagnostics.error_beside(&c::TWICE, key.site, text, help, first);
                        }
                        None => draft.train = Some(Train { key, lints, body, broken }),
                    }
                } else {
                    let help = "`train: { fit(1e-2, 3); }`";
                    self.report_here(&c::EXPECTED_VALUE, "`train` holds its steps in braces", help);
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
}

fn camel_case(word: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
    };
    word.split('_').map(capital).collect()
}

/// Parses statements of `train` that the language itself wrote, all at one place.
fn statements_of(text: &str, site: Site) -> Vec<Stmt> {
    let Ok(tokens) = text.parse::<TokenStream>() else { return Vec::new() };
    let mut out = Out::default();
    let buffer = TokenBuffer::new2(tokens);
    let mut statements = Parser::new(&buffer, SECTIONS, &mut out).statements().0;
    relocate(&mut statements, site);
    statements
}
