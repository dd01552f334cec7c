//! The text front end: a recipe file's text to a checked recipe, or to rendered errors.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::catalog as c;
use crate::check::{Checked, check_with};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, ValueKind};
use crate::overrides::{self, Override};
use crate::parse::{Parsed, parse};
use crate::scan::{ScanError, scan};

/// What a text gave: the recipe, or why there is none; either way the places in the text.
#[derive(Debug)]
pub struct Source {
    /// The name of the file, for messages.
    pub path: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// The recipe with its warnings, or all errors (and warnings).
    pub result: Result<Checked, Diagnostics>,
    /// What was read, checked or not; `None` if there is not even a name.
    pub draft: Option<Draft>,
    /// Byte ranges of the sites.
    pub places: Vec<Range<usize>>,
    public: bool,
}

impl Source {
    /// Reads and checks bytes that should be a recipe's text. Never panics, whatever they are.
    pub fn from_bytes(path: &str, bytes: &[u8], overrides: &[Override]) -> Source {
        Source::read(path, bytes, |draft, found| checked(draft, found, overrides))
    }

    /// Reads and checks a text. Never panics, whatever the text.
    pub fn new(path: &str, text: &str, overrides: &[Override]) -> Source {
        Source::from_bytes(path, text.as_bytes(), overrides)
    }

    /// Reads without checking: there is no recipe, and the findings are those of the parser.
    pub(crate) fn parse_only(path: &str, bytes: &[u8]) -> Source {
        Source::read(path, bytes, |_, found| Err(found))
    }

    fn read(
        path: &str,
        bytes: &[u8],
        check: impl FnOnce(Draft, Diagnostics) -> Result<Checked, Diagnostics>,
    ) -> Source {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                let text = String::from_utf8_lossy(bytes);
                let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
                let message = format!("the text is not UTF-8: byte {:#04x} in line {line}", bytes[at]);
                let found = Diagnostic::error(&c::NOT_UTF8, Site(0), message).help("save the file as UTF-8");
                return Source::failed(path, &text, found, at..at + '\u{fffd}'.len_utf8());
            }
        };
        if let Err(error) = scan(text) {
            let (diagnostic, place) = scan_error(error, text);
            return Source::failed(path, text, diagnostic, place);
        }
        let tokens: proc_macro2::TokenStream = match text.parse() {
            Ok(tokens) => tokens,
            Err(error) => {
                let place = error.span().byte_range();
                let found = Diagnostic::error(&c::LEX, Site(0), "this character has no place in a recipe")
                    .help("comments begin with `//`, texts stand in double quotes, numbers have no units");
                return Source::failed(path, text, found, place);
            }
        };
        let Parsed { draft, diagnostics, spans, visibility, .. } = parse(tokens);
        let places: Vec<Range<usize>> =
            spans.iter().map(|(a, b)| place(text, a.byte_range(), b.byte_range())).collect();
        let result = match draft.clone() {
            None => Err(diagnostics),
            Some(draft) => check(draft, diagnostics),
        };
        let public = !visibility.is_empty();
        Source { path: path.to_string(), text: text.to_string(), result, draft, places, public }
    }

    fn failed(path: &str, text: &str, diagnostic: Diagnostic, place: Range<usize>) -> Source {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        Source {
            path: path.to_string(),
            text: text.to_string(),
            result: Err(diagnostics),
            draft: None,
            public: false,
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

    /// The byte range of a site; the end of the text if it has none.
    pub fn place(&self, site: Site) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.places.get(site.0 as usize).cloned().unwrap_or(end..end)
    }

    /// Line and column of a site, from 1.
    pub fn line_column(&self, site: Site) -> (usize, usize) {
        let before = &self.text[..self.place(site).start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// All findings in the compiler's style; `colour` for terminals.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let all: Vec<String> = self.diagnostics().iter().map(|d| self.render_one(d, &renderer)).collect();
        all.join("\n\n")
    }

    /// Each finding by itself in the compiler's style, without colour.
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
        if diagnostic.site != Site::NONE {
            let mut snippet = Snippet::source(&self.text)
                .path(&self.path)
                .annotation(AnnotationKind::Primary.span(self.place(diagnostic.site)));
            if let Some((site, label)) = &diagnostic.also {
                snippet = snippet.annotation(AnnotationKind::Context.span(self.place(*site)).label(label.as_str()));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if let Some(note) = &diagnostic.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        renderer.render(&[group])
    }
}

fn checked(mut draft: Draft, parsed: Diagnostics, overrides: &[Override]) -> Result<Checked, Diagnostics> {
    let mut diagnostics = parsed;
    overrides::apply(&mut draft, overrides, &mut diagnostics);
    draft.for_each_value(&mut |value| {
        if let ValueKind::Const(path) = &value.kind {
            diagnostics.push(
                Diagnostic::error(&c::CONSTANT, value.site, format!("a file has no Rust constant `{path}`"))
                    .help("write its value; constants are for `recipe!` in Rust source"),
            );
            value.kind = ValueKind::Broken;
        }
    });
    check_with(&draft, diagnostics)
}

fn place(text: &str, first: Range<usize>, last: Range<usize>) -> Range<usize> {
    // `call_site`, which stands for the end of the text, has an empty range.
    if first.is_empty() && last.is_empty() {
        let end = text.trim_end().len();
        return end..end;
    }
    clamp(text, first.start..last.end)
}

fn clamp(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

fn scan_error(error: ScanError, text: &str) -> (Diagnostic, Range<usize>) {
    match error {
        ScanError::Unbalanced { open, at, met } => {
            let closing = matches!(open, '}' | ')' | ']');
            let mut found = if closing {
                Diagnostic::error(&c::UNBALANCED, Site(0), format!("`{open}` closes nothing")).help("remove it")
            } else {
                let partner = match open {
                    '{' => '}',
                    '(' => ')',
                    _ => ']',
                };
                Diagnostic::error(&c::UNBALANCED, Site(0), format!("`{open}` is never closed"))
                    .help(format!("add `{partner}`"))
            };
            if let Some((met, range)) = met {
                let line = text[..range.start].matches('\n').count() + 1;
                found = found.note(format!("it met `{met}` in line {line}"));
            }
            (found, at)
        }
        ScanError::TooDeep(at) => (
            Diagnostic::error(
                &c::TOO_DEEP,
                Site(0),
                format!("brackets are nested more than {} deep", crate::scan::MAX_DEPTH),
            )
            .help("one value, or a list of them: `[accuracy]`"),
            at,
        ),
        ScanError::Unfinished { what, at } => (
            Diagnostic::error(&c::LEX, Site(0), format!("this {what} never ends")).help(if what == "text" {
                "close it with `\"`"
            } else {
                "close it with `*/`"
            }),
            at,
        ),
    }
}
