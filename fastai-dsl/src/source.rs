//! The text front end: turns a recipe file's text into a checked recipe or rendered errors.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use proc_macro2::{Span, TokenStream};

use crate::catalog as c;
use crate::check::{Checked, check_words};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, ValueKind};
use crate::overrides::{self, Override};
use crate::parse::{Parsed, parse, too_deep};
use crate::prepared;
use crate::scan::{ScanError, partner, scan};
use crate::spelling::{Capitals, read_words};

/// The largest recipe file, in bytes. Ten thousand steps, one a line, are smaller.
pub const LARGEST: usize = 256 << 10;

/// The most bytes of the text that a finding shows.
const WINDOW: usize = 16 << 10;

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
    /// Byte ranges of the sites in the text. What an override sets is at a site behind them, in their order.
    pub places: Vec<Range<usize>>,
    /// The overrides, as they are written on a command line.
    arguments: Vec<String>,
    public: bool,
}

impl RecipeText {
    /// Reads and checks the bytes of a recipe's text. Does not panic on any input.
    pub fn from_bytes(path: &str, bytes: &[u8], overrides: &[Override]) -> RecipeText {
        let read = RecipeText::read(path, bytes, |draft, places, found| checked(draft, places, found, overrides));
        RecipeText { arguments: overrides.iter().map(ToString::to_string).collect(), ..read }
    }

    /// Reads and checks a text. Does not panic on any input.
    pub fn new(path: &str, text: &str, overrides: &[Override]) -> RecipeText {
        RecipeText::from_bytes(path, text.as_bytes(), overrides)
    }

    /// Verifies the recipe, if there is one, against the text of its data's [summary](crate::prepared).
    pub fn verify(mut self, summary: &str) -> RecipeText {
        let Some(draft) = &self.draft else { return self };
        self.result = self.result.and_then(|checked| prepared::verify(checked, draft, summary));
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
                    .help(format!("save it as UTF-8, or convert it: `iconv -f LATIN1 -t UTF-8 {path}`"));
                return RecipeText::failed(path, &text, found, at..at + '\u{fffd}'.len_utf8());
            }
        };
        if let Err(error) = scan(text) {
            let (diagnostic, place) = scan_error(error, text);
            return RecipeText::failed(path, text, diagnostic, place);
        }
        let quotes = single_quotes(text);
        let readable = double_quotes(text, &quotes);
        let tokens: TokenStream = match readable.parse() {
            Ok(tokens) => tokens,
            Err(error) => {
                if let Some((found, place)) = unknown_escape(text) {
                    return RecipeText::failed(path, text, found, place);
                }
                let place = error.span().byte_range();
                let found = Diagnostic::error(&c::LEX, Site(0), "this character has no place in a recipe")
                    .help("comments begin with `//`, strings are in double quotes: `\"data\"`");
                return RecipeText::failed(path, text, found, place);
            }
        };
        let offset = tokens.clone().into_iter().next().map_or(0, |t| first_offset(text, t.span().byte_range().start));
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
        RecipeText { path, text, result, draft, places, arguments: Vec::new(), public }
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

    /// The override whose site this is.
    fn argument(&self, site: Site) -> Option<&str> {
        let index = (site.0 as usize).checked_sub(self.places.len())?;
        self.arguments.get(index).map(String::as_str)
    }

    /// The byte range of a site; the end of the text if it has none.
    pub fn place(&self, site: Site) -> Range<usize> {
        self.places.get(site.0 as usize).cloned().unwrap_or_else(|| end_of(&self.text))
    }

    /// All findings in the compiler's style; `colour` for terminals.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut all: Vec<String> = self.diagnostics().iter().map(|d| self.render_one(d, &renderer)).collect();
        if self.diagnostics().dropped() > 0 {
            all.push(format!("and {} more", self.diagnostics().dropped()));
        }
        all.join("\n\n")
    }

    /// Each finding separately in the compiler's style, without colour.
    pub fn render_each(&self) -> Vec<String> {
        self.diagnostics().iter().map(|d| self.render_one(d, &Renderer::plain())).collect()
    }

    fn render_one(&self, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&*diagnostic.message).id(diagnostic.code.id);
        let mut group = annotate_snippets::Group::with_title(title);
        let also = diagnostic.also.as_ref();
        let also = also.map(|(site, label)| Mark { site: *site, kind: AnnotationKind::Context, label: Some(label) });
        let marks =
            [Mark { site: diagnostic.site, kind: AnnotationKind::Primary, label: None }].into_iter().chain(also);
        // Lines of the text are shown together, and each override by itself.
        let (in_text, elsewhere): (Vec<Mark>, Vec<Mark>) = marks.partition(|mark| self.is_in_text(mark.site));
        let lines = in_text.split_first().map(|(first, more)| self.lines(first, more.first()));
        let arguments = elsewhere.iter().filter_map(|mark| self.argument_line(mark));
        group = match self.is_in_text(diagnostic.site) {
            true => group.elements(lines).elements(arguments),
            false => group.elements(arguments).elements(lines),
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if let Some(note) = &diagnostic.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        renderer.render(&[group])
    }

    /// The lines of the text that these marks are in.
    fn lines<'a>(&'a self, mark: &Mark<'a>, also: Option<&Mark<'a>>) -> Snippet<'a, Annotation<'a>> {
        let mut at = self.place(mark.site);
        let mut also = also.map(|mark| (self.place(mark.site), mark));
        // The renderer walks its whole input for every finding, so it gets only the lines that are shown.
        let (mut first, mut last) = (at.start, at.end);
        if let Some((also, _)) = &also {
            (first, last) = (first.min(also.start), last.max(also.end));
        }
        first = self.text[..first].rfind('\n').map_or(0, |i| i + 1);
        last = self.text[last..].find('\n').map_or(self.text.len(), |i| last + i);
        if last - first > WINDOW {
            // A line may be a megabyte long; the place is shown with what is near it.
            first = first.max(self.text.floor_char_boundary(at.start.saturating_sub(WINDOW / 4)));
            last = last.min(self.text.ceil_char_boundary(at.start + WINDOW / 2));
            at.end = at.end.min(last);
            also = also.filter(|(also, _)| first <= also.start && also.end <= last);
        }
        let here = |range: Range<usize>| range.start - first..range.end - first;
        let snippet = Snippet::source(&self.text[first..last])
            .line_start(self.text[..first].matches('\n').count() + 1)
            .path(&self.path)
            .annotation(mark.over(here(at)));
        snippet.annotations(also.map(|(also, mark)| mark.over(here(also))))
    }

    /// The override that this mark is at, with its value marked, unless it is too long to be shown.
    fn argument_line<'a>(&'a self, mark: &Mark<'a>) -> Option<Snippet<'a, Annotation<'a>>> {
        let argument = self.argument(mark.site).filter(|argument| argument.len() <= WINDOW)?;
        let value = argument.find('=').map_or(0, |sign| sign + 1);
        Some(Snippet::source(argument).line_numbering(false).annotation(mark.over(value..argument.len())))
    }
}

/// A place that a finding shows.
struct Mark<'a> {
    site: Site,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

impl<'a> Mark<'a> {
    /// The mark over these bytes of what is shown.
    fn over(&self, range: Range<usize>) -> Annotation<'a> {
        self.kind.span(range).label(self.label)
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

/// The lexer counts bytes over all texts of a thread. The first token of this text is at its first byte that is neither
/// blank nor comment, which determines the offset.
fn first_offset(text: &str, lexer: usize) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.starts_with("//") && !rest.starts_with("///") && !rest.starts_with("//!") {
            rest = rest.split_once('\n').map_or("", |(_, r)| r);
        } else if rest.starts_with("/*") {
            let comment = scan(text).ok().and_then(|comments| {
                let at = text.len() - rest.len();
                comments.into_iter().find(|r| r.start == at)
            });
            match comment {
                Some(range) => rest = &text[range.end..],
                None => break,
            }
        } else {
            break;
        }
    }
    lexer.wrapping_sub(text.len() - rest.len())
}

/// Finds strings in single quotes, as in Python. (A single character in single quotes is a character literal to the lexer
/// and the parser.)
fn single_quotes(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut comments = scan(text).unwrap_or_default().into_iter().peekable();
    while at < text.len() {
        while comments.next_if(|c| c.end <= at).is_some() {}
        if let Some(comment) = comments.peek().filter(|c| c.start <= at) {
            at = comment.end;
            continue;
        }
        let rest = &text.as_bytes()[at..];
        // Searched for on demand only: a line may be a megabyte long.
        let line = || rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let doc = rest.starts_with(b"///");
        match rest[0] {
            _ if doc => at += line(),
            // A text may go over lines; an escaped quote does not end it.
            b'"' => {
                let mut end = 1;
                while end < rest.len() && rest[end] != b'"' {
                    end += if rest[end] == b'\\' { 2 } else { 1 };
                }
                at += end + 1;
            }
            // Not searched for to the end of the line, which may be far.
            b'\'' => match rest[1..].iter().position(|b| matches!(b, b'\'' | b'\n')).map(|n| n + 2) {
                Some(n)
                    if n > 3 && rest[n - 1] == b'\'' && !rest[..n].contains(&b'"') && !rest[..n].contains(&b'\\') =>
                {
                    found.push(at..at + n);
                    at += n;
                }
                _ => at += 1,
            },
            _ => at += 1,
        }
    }
    found
}

/// The first backslash in a string that begins no escape of the language, as in a path of Windows.
fn unknown_escape(text: &str) -> Option<(Diagnostic, Range<usize>)> {
    let bytes = text.as_bytes();
    let comments = scan(text).ok()?;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(comment) = comments.iter().find(|c| c.contains(&at)) {
            at = comment.end;
            continue;
        }
        if bytes[at] != b'"' {
            at += 1;
            continue;
        }
        let start = at + 1;
        let mut end = start;
        let mut wrong = None;
        while end < bytes.len() && bytes[end] != b'"' {
            if bytes[end] == b'\\' {
                let next = bytes.get(end + 1).copied().unwrap_or(b'"');
                let hexadecimal = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
                let known = match next {
                    b'n' | b'r' | b't' | b'0' | b'\\' | b'"' | b'\'' | b'\n' | b'\r' => true,
                    b'x' => hexadecimal(bytes.get(end + 2)) && hexadecimal(bytes.get(end + 3)),
                    b'u' => bytes.get(end + 2) == Some(&b'{'),
                    _ => false,
                };
                if !known && wrong.is_none() {
                    wrong = Some((end, text[end + 1..].chars().next().unwrap_or('"')));
                }
                end += 1;
            }
            end += 1;
        }
        if let Some((place, letter)) = wrong {
            let whole = text.get(start..end.min(bytes.len()))?;
            let (slashes, doubled) = (whole.replace('\\', "/"), whole.replace('\\', "\\\\"));
            let found = Diagnostic::error(&c::LEX, Site(0), format!("`\\{letter}` is no escape in a string"))
                .help(format!("for a path, `\"{slashes}\"` or `\"{doubled}\"`"));
            return Some((found, place..place + 1 + letter.len_utf8()));
        }
        at = end + 1;
    }
    None
}

/// Replaces those quotes by double quotes, so that the whole text can be parsed.
fn double_quotes(text: &str, quotes: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in quotes {
        bytes[range.start] = b'"';
        bytes[range.end - 1] = b'"';
        // The prefix of `f'{sz}'` is no part of a string here.
        let before = |n: usize| range.start.checked_sub(n).map(|i| text.as_bytes()[i]);
        let in_word = before(2).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if matches!(before(1), Some(b'f' | b'F' | b'r' | b'R' | b'u' | b'b')) && !in_word {
            bytes[range.start - 1] = b' ';
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
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
