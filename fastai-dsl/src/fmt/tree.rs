//! Tokens and comments as a tree of groups and elements, reduced to what the layout needs.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::scan::scan;

/// A comment or doc comment, verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) text: String,
    /// Whether nothing may follow on its line: `//`, or a block of several lines.
    pub(super) ends_line: bool,
}

impl Comment {
    fn new(text: &str) -> Self {
        let ends_line = text.starts_with("//") || text.contains('\n');
        Comment { text: text.trim_end().to_string(), ends_line }
    }
}

/// An item before an element: a comment, a doc comment or an attribute.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) what: LeadKind,
    /// Whether a blank line stands before it.
    pub(super) blank: bool,
    /// Whether the next item is on the same line.
    pub(super) joined: bool,
}

#[derive(Debug)]
pub(super) enum LeadKind {
    Comment(Comment),
    Attribute(Vec<Piece>),
}

/// A part of an element.
#[derive(Debug)]
pub(super) enum Piece {
    Word(String),
    Literal(String),
    Punct(char),
    Comment(Comment),
    Group(Brackets),
}

/// The content of a pair of brackets.
#[derive(Debug)]
pub(super) struct Brackets {
    pub(super) kind: Kind,
    pub(super) content: GroupContent,
}

/// The kind of a pair of brackets, which determines its separators and line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The whole file: one element without brackets.
    File,
    /// `{ key: value, .. }` of the recipe itself, always broken.
    Sections,
    /// `{ key: value, .. }`
    Keys,
    /// `{ step(); .. }`, always broken.
    Steps,
    /// `(a, b = c)`
    Arguments,
    /// `[a, b]`
    List,
    /// `(value)` and the inside of an attribute: nothing that may be separated.
    Plain { open: char },
}

/// The elements of a group.
#[derive(Debug, Default)]
pub(super) struct GroupContent {
    /// Comments on the line of the opening bracket.
    pub(super) opening: Vec<Comment>,
    pub(super) elements: Vec<Element>,
    /// What stands before the closing bracket.
    pub(super) tail: Vec<Lead>,
    /// Whether the first element began a line.
    pub(super) broken: bool,
}

/// `key: value,`, a statement, an item.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) leads: Vec<Lead>,
    /// Whether a blank line stands before the body.
    pub(super) blank: bool,
    pub(super) body: Vec<Piece>,
    /// Comments after it on its line.
    pub(super) trailing: Vec<Comment>,
}

/// Reads a text that parses; `None` if it does not lex.
pub(super) fn read(text: &str) -> Option<Brackets> {
    let comments = scan(text).ok()?.comments;
    let tokens: TokenStream = text.parse().ok()?;
    let mut flat = Vec::new();
    flatten(text, tokens, &mut flat);
    flat.extend(comments.into_iter().map(|range| (range.start, range.end, Token::Comment(Comment::new(&text[range])))));
    flat.sort_by_key(|(start, end, _)| (*start, *end));
    let mut tokens = Vec::with_capacity(flat.len());
    let mut last = 0;
    for (start, end, token) in flat {
        let newlines = text.get(last..start)?.matches('\n').count();
        tokens.push((newlines, token));
        last = end;
    }
    let mut reader = Reader { tokens, at: 0 };
    let content = reader.content(Kind::File);
    Some(Brackets { kind: Kind::File, content })
}

#[derive(Clone, Debug)]
enum Token {
    Word(String),
    Literal(String),
    Punct(char),
    Doc(Comment),
    Comment(Comment),
    Open(char),
    Close,
}

fn flatten(text: &str, tokens: TokenStream, out: &mut Vec<(usize, usize, Token)>) {
    let mut doc = None;
    for token in tokens {
        let range = token.span().byte_range();
        // A doc comment becomes the tokens `#[doc = ".."]`, all located at the comment.
        let is_doc =
            text[range.start..].starts_with('/') && !matches!(&token, TokenTree::Punct(p) if p.as_char() == '/');
        if is_doc || doc == Some(range.start) {
            if doc != Some(range.start) {
                let comment = Comment::new(text[range.clone()].trim_end());
                out.push((range.start, range.end, Token::Doc(comment)));
            }
            doc = Some(range.start);
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let open = match group.delimiter() {
                    Delimiter::Brace => '{',
                    Delimiter::Bracket => '[',
                    Delimiter::Parenthesis => '(',
                    Delimiter::None => {
                        flatten(text, group.stream(), out);
                        continue;
                    }
                };
                out.push((range.start, range.start + 1, Token::Open(open)));
                flatten(text, group.stream(), out);
                out.push((range.end - 1, range.end, Token::Close));
            }
            TokenTree::Ident(_) => out.push((range.start, range.end, Token::Word(text[range].to_string()))),
            TokenTree::Literal(_) => out.push((range.start, range.end, Token::Literal(text[range].to_string()))),
            TokenTree::Punct(p) => out.push((range.start, range.end, Token::Punct(p.as_char()))),
        }
    }
}

struct Reader {
    /// Each token with the number of line breaks before it.
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&(usize, Token)> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<(usize, Token)> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Reads everything up to the closing bracket, which is not consumed.
    fn content(&mut self, kind: Kind) -> GroupContent {
        let mut content = GroupContent::default();
        if kind != Kind::File {
            while let Some((0, Token::Comment(comment))) = self.peek() {
                // A block before an element on the same line belongs to that element.
                if !comment.ends_line && !self.ends_line_after(false) {
                    break;
                }
                content.opening.push(comment.clone());
                self.at += 1;
            }
        }
        content.broken = self.peek().is_some_and(|(newlines, token)| *newlines > 0 && !matches!(token, Token::Close));
        let mut leads = Vec::new();
        loop {
            leads.extend(self.leads());
            match self.peek() {
                None | Some((_, Token::Close)) => {
                    content.tail = leads;
                    return content;
                }
                // An empty statement.
                Some((_, Token::Punct(';'))) if kind == Kind::Steps => self.at += 1,
                _ => {
                    let element = self.element(kind, std::mem::take(&mut leads));
                    content.elements.push(element);
                }
            }
        }
    }

    /// Whether a line ends after the next comments; `at_bracket` is the answer if a closing bracket follows.
    fn ends_line_after(&self, at_bracket: bool) -> bool {
        let mut rest = self.tokens[self.at + 1..].iter();
        loop {
            match rest.next() {
                Some((0, Token::Comment(comment))) if !comment.ends_line => {}
                Some((0, Token::Comment(_))) => return true,
                Some((0, Token::Close)) => return at_bracket,
                Some((newlines, _)) => return *newlines > 0,
                None => return true,
            }
        }
    }

    fn leads(&mut self) -> Vec<Lead> {
        let mut leads = Vec::new();
        while let Some((newlines, token)) = self.peek() {
            let blank = *newlines > 1;
            let what = match token {
                Token::Comment(comment) | Token::Doc(comment) => {
                    let comment = comment.clone();
                    self.at += 1;
                    LeadKind::Comment(comment)
                }
                Token::Punct('#') => LeadKind::Attribute(self.attribute()),
                _ => break,
            };
            let joined = match &what {
                LeadKind::Comment(comment) => !comment.ends_line && self.peek().is_some_and(|(n, _)| *n == 0),
                LeadKind::Attribute(_) => false,
            };
            leads.push(Lead { what, blank, joined });
        }
        leads
    }

    fn attribute(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some((_, token)) = self.peek() {
            match token {
                Token::Close => break,
                Token::Open(_) => {
                    pieces.push(self.group(Kind::Plain { open: '[' }));
                    break;
                }
                _ => pieces.extend(self.leaf()),
            }
        }
        pieces
    }

    /// Reads one element with its separator and the comments after it.
    fn element(&mut self, kind: Kind, leads: Vec<Lead>) -> Element {
        let mut element = Element { leads, ..Element::default() };
        element.blank = self.peek().is_some_and(|(newlines, _)| *newlines > 1);
        let separator = match kind {
            Kind::Steps => Some(';'),
            Kind::Sections | Kind::Keys | Kind::Arguments | Kind::List => Some(','),
            Kind::File | Kind::Plain { .. } => None,
        };
        while let Some((_, token)) = self.peek() {
            match token {
                Token::Close => break,
                Token::Punct(p) if Some(*p) == separator => {
                    self.at += 1;
                    self.end_of_body(&mut element);
                    break;
                }
                Token::Comment(_) if self.only_comments_before_end(separator) => {
                    self.comments_before_end(&mut element);
                    // The remaining comments start their own lines.
                    if !matches!(self.peek(), Some((_, Token::Punct(p))) if Some(*p) == separator) {
                        break;
                    }
                }
                Token::Open(open) => {
                    let inner = group_kind(*open, kind, &element.body);
                    element.body.push(self.group(inner));
                    if kind == Kind::Steps && inner == Kind::Steps {
                        self.end_of_body(&mut element);
                        break;
                    }
                }
                _ => element.body.extend(self.leaf()),
            }
        }
        element
    }

    /// The next token that is no comment.
    fn past_comments(&self) -> Option<&Token> {
        self.tokens[self.at..].iter().map(|(_, t)| t).find(|t| !matches!(t, Token::Comment(_)))
    }

    /// Whether the element's last token has been read: only comments stand before its separator or the closing bracket.
    fn only_comments_before_end(&self, separator: Option<char>) -> bool {
        match self.past_comments() {
            None | Some(Token::Close) => true,
            Some(Token::Punct(p)) => Some(*p) == separator,
            _ => false,
        }
    }

    /// Comments before the separator stay with the element; if there is no separator, those on lines of their own do not.
    fn comments_before_end(&mut self, element: &mut Element) {
        let separated = matches!(self.past_comments(), Some(Token::Punct(_)));
        while let Some((newlines, Token::Comment(comment))) = self.peek() {
            if !separated && *newlines > 0 {
                break;
            }
            element.trailing.push(comment.clone());
            self.at += 1;
        }
    }

    /// Comments on the rest of the line, unless they stand before the next element.
    fn end_of_body(&mut self, element: &mut Element) {
        while let Some((0, Token::Comment(comment))) = self.peek() {
            let after_line = element.trailing.last().is_some_and(|c| c.ends_line);
            if after_line || (!comment.ends_line && !self.ends_line_after(true)) {
                break;
            }
            element.trailing.push(comment.clone());
            self.at += 1;
        }
    }

    fn leaf(&mut self) -> Option<Piece> {
        match self.next()?.1 {
            Token::Word(text) => Some(Piece::Word(text)),
            Token::Literal(text) => Some(Piece::Literal(text)),
            Token::Punct(p) => Some(Piece::Punct(p)),
            Token::Doc(comment) | Token::Comment(comment) => Some(Piece::Comment(comment)),
            Token::Open(_) | Token::Close => None,
        }
    }

    fn group(&mut self, kind: Kind) -> Piece {
        self.at += 1;
        let content = self.content(kind);
        self.at += 1;
        Piece::Group(Brackets { kind, content })
    }
}

/// Determines the kind of a group from the tokens before it.
fn group_kind(open: char, outer: Kind, body: &[Piece]) -> Kind {
    let mut before = body.iter().rev().filter(|p| !matches!(p, Piece::Comment(_)));
    let last = before.next();
    match open {
        '[' if matches!(outer, Kind::Plain { .. }) => Kind::Plain { open: '[' },
        '[' => Kind::List,
        '(' if matches!(last, Some(Piece::Word(_))) => Kind::Arguments,
        '(' => Kind::Plain { open: '(' },
        _ if outer == Kind::File => Kind::Sections,
        _ if matches!(last, Some(Piece::Punct(':'))) => Kind::Steps,
        // The list of a loop may be written as a block, which another check reports.
        _ if outer == Kind::Steps && !matches!(last, Some(Piece::Word(_))) => Kind::Steps,
        _ => Kind::Keys,
    }
}
