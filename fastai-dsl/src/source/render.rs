//! Findings in the compiler's style.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use super::RecipeText;
use crate::diagnostic::{Diagnostic, Severity, Site};

/// The most bytes of the text that a finding shows.
const WINDOW: usize = 16 << 10;

impl RecipeText {
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

    /// The override that this mark is at, with its part marked, unless it is too long to be shown.
    fn argument_line<'a>(&'a self, mark: &Mark<'a>) -> Option<Snippet<'a, Annotation<'a>>> {
        let (argument, part) = self.argument(mark.site).filter(|(argument, _)| argument.len() <= WINDOW)?;
        Some(Snippet::source(argument).line_numbering(false).annotation(mark.over(part)))
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
