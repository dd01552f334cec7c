//! Prints the tree as text.

use super::WIDTH;
use super::tree::{Brackets, Comment, Element, GroupContent, Kind, Lead, LeadKind, Piece};

const INDENT: usize = 4;
/// Longest line that aligns the comments of its block.
const ALIGNED: usize = 80;

/// The text of a whole file.
pub(super) fn file(file: &Brackets) -> String {
    let mut out = Printer::default();
    let mut first = true;
    for element in &file.content.elements {
        out.leads(&element.leads, 0, &mut first);
        out.blank_line(element.blank && !first);
        first = false;
        out.text += &body(&element.body, 0, 0);
        out.trailing(&element.trailing, 0, 1);
        out.line_end();
    }
    out.leads(&file.content.tail, 0, &mut first);
    out.line_end();
    out.text
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn line_end(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.truncate(self.text.trim_end_matches(' ').len());
            self.text.push('\n');
        }
    }

    fn blank_line(&mut self, wanted: bool) {
        if wanted && self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn indent(&mut self, indent: usize) {
        if self.text.is_empty() || self.text.ends_with('\n') {
            self.text.extend(std::iter::repeat_n(' ', indent));
        }
    }

    /// `first` states whether this is the first item after the opening bracket.
    fn leads(&mut self, leads: &[Lead], indent: usize, first: &mut bool) {
        for lead in leads {
            self.blank_line(lead.blank && !*first);
            *first = false;
            self.indent(indent);
            match &lead.what {
                LeadKind::Comment(comment) => self.text += &comment.text,
                LeadKind::Attribute(pieces) => self.text += &body(pieces, indent, indent),
            }
            if lead.joined {
                self.text.push(' ');
            } else {
                self.line_end();
            }
        }
    }

    /// Prints the comments after an element, the first after `gap` spaces.
    fn trailing(&mut self, comments: &[Comment], indent: usize, gap: usize) {
        for (i, comment) in comments.iter().enumerate() {
            if self.text.ends_with('\n') {
                self.indent(indent);
            } else {
                self.text.extend(std::iter::repeat_n(' ', if i == 0 { gap } else { 1 }));
            }
            self.text += &comment.text;
            if comment.ends_line {
                self.line_end();
            }
        }
    }
}

/// Prints the pieces of an element that starts at column `column` of a line indented by `indent`, without its separator.
fn body(pieces: &[Piece], indent: usize, column: usize) -> String {
    if let Some(flat) = join(pieces, indent, &mut |group| flat_group(group))
        && column + width(&flat) < WIDTH
    {
        return flat;
    }
    // Groups that must break do, otherwise the last group; all of them if the first line is still too long. Keys in
    // front of another group break with it: once broken they stay so, and formatting must be idempotent.
    let groups: Vec<&Brackets> = pieces.iter().filter_map(breakable).collect();
    let keys_in_front = groups.iter().rev().skip(1).any(|group| group.kind == Kind::Keys);
    let forced = pieces.iter().any(|piece| matches!(piece, Piece::Group(group) if flat_group(group).is_none()));
    let flat = |seen: &mut usize, group: &Brackets| {
        *seen += usize::from(is_breakable(group));
        if !forced && *seen == groups.len() && is_breakable(group) { None } else { flat_group(group) }
    };
    let fits = groups.is_empty()
        || !keys_in_front && {
            // Printing the groups twice at each level would take exponential time; the first line needs only their openings.
            let mut seen = 0;
            let mut opened = |group: &Brackets| Some(flat(&mut seen, group).unwrap_or_else(|| opening(group) + "\n"));
            let first = join(pieces, indent, &mut opened).unwrap_or_default();
            column + first.lines().next().map_or(0, width) <= WIDTH
        };
    let mut seen = 0;
    broken(pieces, indent, &mut |group| if fits { flat(&mut seen, group) } else { None })
}

fn breakable(piece: &Piece) -> Option<&Brackets> {
    match piece {
        Piece::Group(group) if is_breakable(group) => Some(group),
        _ => None,
    }
}

fn is_breakable(group: &Brackets) -> bool {
    !matches!(group.kind, Kind::Plain { .. }) && !group.content.elements.is_empty()
}

/// Prints the pieces, with the groups for which `flat` returns no text broken over lines.
fn broken(pieces: &[Piece], indent: usize, flat: &mut dyn FnMut(&Brackets) -> Option<String>) -> String {
    join(pieces, indent, &mut |group| Some(flat(group).unwrap_or_else(|| broken_group(group, indent))))
        .unwrap_or_default()
}

/// Joins the pieces with spaces; `None` if one of them has no text.
fn join(pieces: &[Piece], indent: usize, group: &mut dyn FnMut(&Brackets) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut spacing = Spacing::default();
    for piece in pieces {
        if spacing.wants_space(piece) && !out.ends_with(['\n', ' ']) {
            out.push(' ');
        }
        match piece {
            Piece::Word(text) | Piece::Literal(text) => out += text,
            Piece::Punct(p) => out.push(*p),
            Piece::Comment(comment) => {
                out += &comment.text;
                if comment.ends_line {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent + INDENT));
                }
            }
            Piece::Group(g) => out += &group(g)?,
        }
    }
    Some(out)
}

/// The state that determines the space before the next piece.
#[derive(Default)]
struct Spacing {
    started: bool,
    after_comment: bool,
    /// The last piece that is not a comment, if it is punctuation.
    mark: Option<char>,
    /// Whether that mark binds to the next piece: a sign, a `#`, the second half of `::`.
    binds: bool,
    /// Whether that piece is a word.
    word: bool,
}

impl Spacing {
    fn wants_space(&mut self, next: &Piece) -> bool {
        if let Piece::Comment(_) = next {
            let space = self.started;
            (self.started, self.after_comment) = (true, true);
            return space;
        }
        let space = match next {
            _ if !self.started => false,
            _ if self.after_comment => true,
            Piece::Punct(',' | ';' | ':' | '.') => false,
            Piece::Group(group) if group.kind == Kind::Arguments && self.word => false,
            _ => !self.binds,
        };
        let (mark, word) = match next {
            Piece::Punct(p) => (Some(*p), false),
            Piece::Word(_) => (None, true),
            _ => (None, false),
        };
        let nothing_before = self.mark.is_some() || !self.started;
        self.binds = match mark {
            Some('#' | '.') => true,
            Some('-') => nothing_before,
            Some(':') => self.mark == Some(':'),
            _ => false,
        };
        (self.started, self.after_comment, self.mark, self.word) = (true, false, mark, word);
        space
    }
}

fn brackets(kind: Kind) -> (&'static str, &'static str, Option<char>) {
    match kind {
        Kind::File => ("", "", None),
        Kind::Sections | Kind::Keys => ("{", "}", Some(',')),
        Kind::Steps => ("{", "}", Some(';')),
        Kind::Arguments => ("(", ")", Some(',')),
        Kind::List => ("[", "]", Some(',')),
        Kind::Plain { open: '[' } => ("[", "]", None),
        Kind::Plain { .. } => ("(", ")", None),
    }
}

/// Prints the group on one line, if that is allowed.
fn flat_group(group: &Brackets) -> Option<String> {
    let (open, close, separator) = brackets(group.kind);
    let GroupContent { opening, elements, tail, broken } = &group.content;
    if elements.is_empty() && tail.is_empty() && opening.is_empty() {
        return Some(format!("{open}{close}"));
    }
    let must_break = match group.kind {
        Kind::Sections | Kind::Steps | Kind::File => true,
        Kind::Keys => *broken,
        _ => false,
    };
    if must_break || !opening.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    for (i, element) in elements.iter().enumerate() {
        parts.extend(flat_leads(&element.leads)?);
        let mut text = join(&element.body, 0, &mut |g| flat_group(g))?;
        if has_line_end(&element.body) {
            return None;
        }
        if i + 1 < elements.len() {
            text.extend(separator);
        }
        parts.push(text);
        for comment in &element.trailing {
            parts.push(flat_comment(comment)?);
        }
    }
    parts.extend(flat_leads(tail)?);
    let inside = parts.join(" ");
    Some(if group.kind == Kind::Keys { format!("{open} {inside} {close}") } else { format!("{open}{inside}{close}") })
}

fn has_line_end(pieces: &[Piece]) -> bool {
    pieces.iter().any(|p| matches!(p, Piece::Comment(comment) if comment.ends_line))
}

fn flat_leads(leads: &[Lead]) -> Option<Vec<String>> {
    leads
        .iter()
        .map(|lead| match &lead.what {
            LeadKind::Comment(comment) if lead.joined => flat_comment(comment),
            _ => None,
        })
        .collect()
}

fn flat_comment(comment: &Comment) -> Option<String> {
    (!comment.ends_line).then(|| comment.text.clone())
}

/// The first line of a group whose elements are on their own lines.
fn opening(group: &Brackets) -> String {
    let comments = group.content.opening.iter().map(|comment| format!(" {}", comment.text));
    std::iter::once(brackets(group.kind).0.to_string()).chain(comments).collect()
}

/// Prints the group with each element on its own lines.
fn broken_group(group: &Brackets, indent: usize) -> String {
    let (_, close, separator) = brackets(group.kind);
    let content = &group.content;
    let inner = indent + INDENT;
    let mut out = Printer { text: opening(group) };
    out.line_end();
    let texts: Vec<String> = content.elements.iter().map(|element| element_text(element, inner, separator)).collect();
    let columns = comment_columns(&content.elements, &texts);
    let mut first = true;
    for ((element, text), column) in content.elements.iter().zip(&texts).zip(columns) {
        out.leads(&element.leads, inner, &mut first);
        out.blank_line(element.blank && !first);
        first = false;
        out.indent(inner);
        out.text += text;
        let gap = column.saturating_sub(last_line_width(text)).max(1);
        out.trailing(&element.trailing, inner, gap);
        out.line_end();
    }
    out.leads(&content.tail, inner, &mut first);
    out.line_end();
    out.indent(indent);
    out.text += close;
    out.text
}

/// The element with its separator.
fn element_text(element: &Element, indent: usize, separator: Option<char>) -> String {
    // Joined items before it take room on its line.
    let joined: usize = element
        .leads
        .iter()
        .rev()
        .take_while(|lead| lead.joined)
        .map(|lead| match &lead.what {
            LeadKind::Comment(comment) => width(&comment.text) + 1,
            LeadKind::Attribute(_) => 0,
        })
        .sum();
    let mut text = body(&element.body, indent, indent + joined);
    let is_loop =
        separator == Some(';') && matches!(element.body.last(), Some(Piece::Group(group)) if group.kind == Kind::Steps);
    if !is_loop {
        // The last piece may be a comment that ends its line only if nothing follows it.
        text.truncate(text.trim_end().len());
        text.extend(separator);
    }
    text
}

/// Returns the column, relative to the block's indentation, of the comment after each element.
fn comment_columns(elements: &[Element], texts: &[String]) -> Vec<usize> {
    let aligned = |i: usize| {
        !elements[i].trailing.is_empty()
            && !texts[i].contains('\n')
            && width(&texts[i]) <= ALIGNED
            && joined(&elements[i]) == 0
    };
    let mut columns = vec![0; elements.len()];
    let mut start = 0;
    for end in 1..=elements.len() {
        let ends = end == elements.len() || texts[end].contains('\n') || begins_with_blank(&elements[end]);
        if ends {
            let widest = (start..end).filter(|i| aligned(*i)).map(|i| width(&texts[i])).max().unwrap_or(0) + 1;
            (start..end).filter(|i| aligned(*i)).for_each(|i| columns[i] = widest);
            start = end;
        }
    }
    columns
}

fn joined(element: &Element) -> usize {
    element.leads.iter().filter(|lead| lead.joined).count()
}

fn begins_with_blank(element: &Element) -> bool {
    element.blank || element.leads.iter().any(|lead| lead.blank)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn last_line_width(text: &str) -> usize {
    width(text.rsplit('\n').next().unwrap_or_default())
}
