//! Findings about a recipe: code, place, message and what to type instead. The front ends collect all of them.

use std::collections::HashSet;

use crate::catalog::Code;

/// A place in the recipe's text: an index into the front end's table of spans.
///
/// `proc_macro2::Span` is neither `Send` nor `Sync`, so the language carries numbers and the front end owns the spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(pub u32);

impl Site {
    /// No place in a text: the value comes from builder calls.
    pub const NONE: Site = Site(u32::MAX);
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// An error: there is no recipe.
    Error,
    /// A lint.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Entry of the catalogue.
    pub code: &'static Code,
    /// Error or warning.
    pub severity: Severity,
    /// The message, with the values of this recipe.
    pub message: String,
    /// Where.
    pub site: Site,
    /// A second place, such as "first set here".
    pub also: Option<(Site, String)>,
    /// A suggestion: what to type instead.
    pub help: Option<String>,
    /// Additional information.
    pub note: Option<String>,
}

impl Diagnostic {
    /// Creates an error at `site`.
    pub fn error(code: &'static Code, site: Site, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            site,
            also: None,
            help: None,
            note: None,
        }
    }

    /// Adds a suggestion.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a suggestion, if there is one.
    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds a note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds a second site. Builder calls have none.
    pub fn also(mut self, site: Site, label: impl Into<String>) -> Self {
        if site != Site::NONE {
            self.also = Some((site, label.into()));
        }
        self
    }

    /// Formats message, help and note as the compiler prints them below an error.
    pub fn text(&self) -> String {
        let mut text = match self.severity {
            Severity::Error => format!("[{}] {}", self.code.id, self.message),
            Severity::Warning => format!("{}: {}", self.code.id, self.message),
        };
        if let Some(help) = &self.help {
            text.push_str("\n\nhelp: ");
            text.push_str(help);
        }
        if let Some(note) = &self.note {
            text.push_str(if self.help.is_some() { "\nnote: " } else { "\n\nnote: " });
            text.push_str(note);
        }
        text
    }
}

/// Largest number of findings that are kept; further ones are only counted.
const MOST: usize = 100;

/// Longest message, help or note, bytes.
const LONGEST: usize = 4096;

fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(" ..");
    }
}

/// All findings about one recipe in text order, without duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    dropped: usize,
    seen: HashSet<(&'static str, Site)>,
}

impl Diagnostics {
    /// Adds a finding, unless it duplicates one at the same site.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        // A value in a message may be megabytes long.
        shorten(&mut diagnostic.message);
        [&mut diagnostic.help, &mut diagnostic.note].into_iter().flatten().for_each(shorten);
        let (code, site) = (diagnostic.code.id, diagnostic.site);
        let new = site == Site::NONE || self.seen.insert((code, site));
        let same = |d: &Diagnostic| d.code.id == code && d.site == site && d.message == diagnostic.message;
        if !new && self.list.iter().any(same) {
            return;
        }
        // A file that is not a recipe would otherwise produce thousands of findings.
        if self.list.len() >= MOST && (diagnostic.severity == Severity::Warning || self.has_errors()) {
            self.dropped += 1;
            return;
        }
        self.list.push(diagnostic);
    }

    /// Adds an error at `site` with what to type instead.
    pub(crate) fn error(
        &mut self,
        code: &'static Code,
        site: Site,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, site, message).help(help));
    }

    /// [`error`](Self::error), with a second site and what is there.
    pub(crate) fn error_beside(
        &mut self,
        code: &'static Code,
        site: Site,
        message: impl Into<String>,
        help: impl Into<String>,
        (other, label): (Site, impl Into<String>),
    ) {
        self.push(Diagnostic::error(code, site, message).help(help).also(other, label));
    }

    /// The number of findings that [`iter`](Self::iter) omits because there are too many.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether there is a finding with this code at this site.
    pub fn has(&self, code: &Code, site: Site) -> bool {
        site != Site::NONE && self.seen.contains(&(code.id, site))
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Diagnostics) {
        self.extend_with(other, |_| None);
    }

    /// Adds all of `other`, each with the suggestion that `better` has for it in place of its own.
    pub(crate) fn extend_with(&mut self, other: Diagnostics, better: impl Fn(&Diagnostic) -> Option<String>) {
        self.dropped += other.dropped;
        for diagnostic in other.list {
            let help = better(&diagnostic);
            self.push(diagnostic.help_if(help));
        }
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// The number of errors.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// Whether there are no findings.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings, ordered by place.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        let mut order: Vec<&Diagnostic> = self.list.iter().collect();
        order.sort_by_key(|d| d.site);
        order.into_iter()
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, d) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning: ",
            })?;
            f.write_str(&d.text())?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
