//! The text front end: turns a recipe file's text into a checked recipe or rendered errors.

mod quotes;
mod render;
mod valued;

use std::ops::Range;

use proc_macro2::{Span, TokenStream};

use crate::catalog as c;
use crate::check::{Checked, check_words};
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, ValueKind};
use crate::overrides::{self, Override};
use crate::parse::{Parsed, parse, too_deep};
use crate::prepared;
use crate::scan::{ScanError, partner, scan};
use crate::spelling::{Capitals, read_words};
use quotes::{double_quotes, single_quotes, unknown_escape};
pub use valued::with_values;

/// The largest recipe file, in bytes. Ten thousand steps, one a line, are smaller.
pub const LARGEST: usize = 256 << 10;

/// The result of reading a text: the recipe or the reasons why there is none, and the places in the text.
#[derive(Debug)]
pub struct RecipeText {
    /// The name of the file, for messages.
    pub path: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// The recipe with its warnings, or all errors (and warnings).
    pub result: Result<Checked, Diagnostics>,
    /// The draft, checked or not; `None` if there is not even a name.
    pub draft: Option<Draft>,
    /// Byte ranges of the sites in the text. Behind them each override has two, in their order: one of its
    /// key and one of its value.
    pub places: Vec<Range<usize>>,
    overrides: Vec<Override>,
    /// The overrides, as they are written on a command line.
    arguments: Vec<String>,
    public: bool,
}

impl RecipeText {
    /// Reads and checks the bytes of a recipe's text. Does not panic on any input.
    pub fn from_bytes(path: &str, bytes: &[u8], overrides: &[Override]) -> RecipeText {
        let read = RecipeText::read(path, bytes, |draft, places, found| checked(draft, places, found, overrides));
        let arguments = overrides.iter().map(ToString::to_string).collect();
        RecipeText { overrides: overrides.to_vec(), arguments, ..read }
    }

    /// Reads and checks a text. Does not panic on any input.
    pub fn new(path: &str, text: &str, overrides: &[Override]) -> RecipeText {
        RecipeText::from_bytes(path, text.as_bytes(), overrides)
    }

    /// Verifies the recipe, if there is one, against the text of its data's [summary](crate::prepared).
    pub fn verify(mut self, summary: &str) -> RecipeText {
        let Some(mut draft) = self.draft.clone() else { return self };
        // What they get wrong, the recipe's own check has found.
        overrides::apply(&mut draft, &self.overrides, self.places.len() as u32, &mut Diagnostics::default());
        self.result = self.result.and_then(|checked| prepared::verify(checked, &draft, summary));
        self
    }

    /// The recipe's name, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.draft.as_ref().map(|draft| draft.name.text.as_str())
    }

    /// Parses without checking; the findings are those of the parser.
    pub(crate) fn parse_only(path: &str, bytes: &[u8]) -> RecipeText {
        RecipeText::read(path, bytes, |_, _, found| Err(found))
    }

    fn read(
        path: &str,
        bytes: &[u8],
        check: impl FnOnce(Draft, usize, Diagnostics) -> Result<Checked, Diagnostics>,
    ) -> RecipeText {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                let text = String::from_utf8_lossy(bytes);
                let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
                let message = format!("the text is not UTF-8: byte {:#04x} in line {line}", bytes[at]);
                let found = Diagnostic::error(&c::NOT_UTF8, Site(0), message)
                    .help(format!("save it as UTF-8, or convert it: `iconv -f {} -t UTF-8 {path}`", encoding(bytes)));
                return RecipeText::failed(path, &text, found, at..at + '\u{fffd}'.len_utf8());
            }
        };
        let scanned = match scan(text) {
            Ok(scanned) => scanned,
            Err(error) => {
                let (diagnostic, place) = scan_error(error, text);
                return RecipeText::failed(path, text, diagnostic, place);
            }
        };
        let quotes = single_quotes(text, &scanned);
        let readable = double_quotes(text, &quotes);
        let tokens: TokenStream = match readable.parse() {
            Ok(tokens) => tokens,
            Err(error) => {
                if let Some((found, place)) = unknown_escape(text, &scanned) {
                    return RecipeText::failed(path, text, found, place);
                }
                let place = error.span().byte_range();
                let found = Diagnostic::error(&c::LEX, Site(0), "this character has no place in a recipe")
                    .help("comments begin with `//`, strings are in double quotes: `\"data\"`");
                return RecipeText::failed(path, text, found, place);
            }
        };
        let first = tokens.clone().into_iter().next().map(|token| token.span().byte_range().start);
        // The lexer counts bytes over all texts of a thread.
        let offset = first.map_or(0, |lexer| lexer.wrapping_sub(first_code(text, &scanned.comments)));
        let Parsed { draft, mut diagnostics, spans, visibility, originals, .. } = parse(tokens);
        let all_places = |spans: &[(Span, Span)]| -> Vec<Range<usize>> {
            spans.iter().map(|(a, b)| place(text, offset, a.byte_range(), b.byte_range())).collect()
        };
        let (mut places, originals) = (all_places(&spans), all_places(&originals));
        for place in quotes {
            // Answered with the statement of the original that it stands in.
            if originals.iter().any(|o| o.start <= place.start && place.end <= o.end) {
                continue;
            }
            let inner = &text[place.start + 1..place.end - 1];
            let site = Site(places.len() as u32);
            diagnostics.error(&c::LITERAL, site, "strings are in double quotes", format!("`\"{inner}\"`"));
            places.push(place);
        }
        let result = match draft.clone() {
            None => Err(diagnostics),
            Some(draft) => check(draft, places.len(), diagnostics),
        };
        let public = !visibility.is_empty();
        let (path, text) = (path.to_string(), text.to_string());
        RecipeText { path, text, result, draft, places, overrides: Vec::new(), arguments: Vec::new(), public }
    }

    fn failed(path: &str, text: &str, diagnostic: Diagnostic, place: Range<usize>) -> RecipeText {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        RecipeText {
            path: path.to_string(),
            text: text.to_string(),
            result: Err(diagnostics),
            draft: None,
            public: false,
            overrides: Vec::new(),
            arguments: Vec::new(),
            places: vec![clamp(text, place)],
        }
    }

    /// Whether the recipe begins with `pub`.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Errors and warnings, or just the warnings.
    pub fn diagnostics(&self) -> &Diagnostics {
        match &self.result {
            Ok(checked) => &checked.warnings,
            Err(diagnostics) => diagnostics,
        }
    }

    /// Whether a site is one of the text, rather than that of an override or of nothing.
    pub fn is_in_text(&self, site: Site) -> bool {
        site != Site::NONE && self.argument(site).is_none()
    }

    /// The override whose site this is, and the bytes of its key, without the section, or of its value.
    fn argument(&self, site: Site) -> Option<(&str, Range<usize>)> {
        let index = (site.0 as usize).checked_sub(self.places.len())?;
        let argument = self.arguments.get(index / 2)?;
        let sign = argument.find('=').unwrap_or(argument.len());
        let path = &argument[..sign];
        let part = match index % 2 {
            0 => path.find('.').or(path.find(' ')).map_or(0, |mark| mark + 1)..sign,
            _ => (sign + 1).min(argument.len())..argument.len(),
        };
        Some((argument, part))
    }

    /// The byte range of a site; the end of the text if it has none.
    pub fn place(&self, site: Site) -> Range<usize> {
        self.places.get(site.0 as usize).cloned().unwrap_or_else(|| end_of(&self.text))
    }
}

/// What `iconv` calls the likely encoding of a text that is not UTF-8.
fn encoding(bytes: &[u8]) -> &'static str {
    match bytes {
        // The byte order marks of UTF-16.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ => "LATIN1",
    }
}

/// Checks a draft with so many places in its text.
fn checked(
    mut draft: Draft,
    places: usize,
    parsed: Diagnostics,
    overrides: &[Override],
) -> Result<Checked, Diagnostics> {
    let mut diagnostics = parsed;
    overrides::apply(&mut draft, overrides, places as u32, &mut diagnostics);
    read_words(&mut draft, Capitals::Word);
    // A name in capitals is an error where it is bound.
    let bound = draft.bound_names();
    draft.for_each_value(&mut |value| {
        if let ValueKind::Const(path) = &value.kind
            && !bound.contains(path)
        {
            let help = "write its value; constants are for `recipe!` in Rust source";
            diagnostics.error(&c::CONSTANT, value.site, format!("a file has no Rust constant `{path}`"), help);
            value.kind = ValueKind::Broken;
        }
    });
    check_words(&draft, diagnostics)
}

/// The first byte that is neither blank nor comment: that of the first token.
fn first_code(text: &str, comments: &[Range<usize>]) -> usize {
    let past_blank = |at: usize| text.len() - text[at..].trim_start().len();
    comments.iter().fold(past_blank(0), |at, comment| if comment.start == at { past_blank(comment.end) } else { at })
}

fn place(text: &str, offset: usize, first: Range<usize>, last: Range<usize>) -> Range<usize> {
    // `call_site`, which stands for the end of the text, has an empty range.
    if first.is_empty() && last.is_empty() {
        return end_of(text);
    }
    clamp(text, first.start.wrapping_sub(offset)..last.end.wrapping_sub(offset))
}

fn end_of(text: &str) -> Range<usize> {
    let end = text.trim_end().len();
    end..end
}

fn clamp(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start);
    start..text.ceil_char_boundary(range.end.clamp(start, text.len()))
}

fn scan_error(error: ScanError, text: &str) -> (Diagnostic, Range<usize>) {
    match error {
        ScanError::Unbalanced { open, at, met } => {
            let closing = matches!(open, '}' | ')' | ']');
            let (message, help) = match closing {
                true => (format!("`{open}` closes nothing"), "remove it".to_string()),
                false => (format!("`{open}` is never closed"), format!("add `{}`", partner(open))),
            };
            let mut found = Diagnostic::error(&c::UNBALANCED, Site(0), message).help(help);
            if let Some((met, range)) = met {
                let line = text[..range.start].matches('\n').count() + 1;
                found = found.note(format!("it met `{met}` in line {line}"));
            }
            (found, at)
        }
        ScanError::TooDeep(at) => (too_deep(Site(0)), at),
        ScanError::Unfinished { what, at } => {
            let help = if what == "string" { "close it with `\"`" } else { "close it with `*/`" };
            (Diagnostic::error(&c::LEX, Site(0), format!("this {what} never ends")).help(help), at)
        }
    }
}
