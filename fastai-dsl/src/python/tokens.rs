//! The tokens of a logical line.

use super::lines::string_end;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    Name(String),
    /// A number as Rust writes it.
    Number(String),
    Text {
        text: String,
        interpolated: bool,
    },
    /// A bracket, a dot, a comma, an operator.
    Punct(&'static str),
    /// A character without a meaning here.
    Strange,
}

/// Longest first.
const PUNCTS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "->", "**", "//", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "<<", ">>", ":=",
    "(", ")", "[", "]", "{", "}", ".", ",", ":", "=", "+", "-", "*", "/", "%", "<", ">", "@", "&", "|", "^", "~",
];

/// A token and the range of characters that it takes.
pub(super) type Placed = (Lexeme, std::ops::Range<usize>);

pub(super) fn tokens(chars: &[char]) -> Vec<Placed> {
    let mut found: Vec<Placed> = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        let c = chars[i];
        if c.is_whitespace() {
            i += 1;
            continue;
        }
        let token = if c == '_' || c.is_alphabetic() {
            i = run(chars, i, |c| c == '_' || c.is_alphanumeric());
            let word: String = chars[start..i].iter().collect();
            match chars.get(i) {
                Some('\'' | '"') if is_prefix(&word) => {
                    let begin = i;
                    i = string_end(chars, begin);
                    text(&chars[begin..i], &word)
                }
                _ => Lexeme::Name(word),
            }
        } else if c.is_ascii_digit() || (c == '.' && chars.get(i + 1).is_some_and(char::is_ascii_digit)) {
            i = number_end(chars, i);
            number(&chars[start..i])
        } else if matches!(c, '\'' | '"') {
            i = string_end(chars, i);
            text(&chars[start..i], "")
        } else if let Some(punct) = PUNCTS.iter().find(|p| p.chars().eq(chars[i..].iter().copied().take(p.len()))) {
            i += punct.len();
            Lexeme::Punct(punct)
        } else {
            i += 1;
            Lexeme::Strange
        };
        // Neighbouring strings are one.
        if let (Some((Lexeme::Text { text: before, interpolated }, range)), Lexeme::Text { text, interpolated: more }) =
            (found.last_mut(), &token)
        {
            before.push_str(text);
            *interpolated |= more;
            *range = range.start..i;
            continue;
        }
        found.push((token, start..i));
    }
    found
}

fn run(chars: &[char], from: usize, holds: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|i| !holds(chars[*i])).unwrap_or(chars.len())
}

fn is_prefix(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "f" | "r" | "b" | "u" | "fr" | "rf" | "br" | "rb")
}

fn number_end(chars: &[char], from: usize) -> usize {
    let mut i = run(chars, from, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    if matches!(chars[i - 1], 'e' | 'E') && matches!(chars.get(i), Some('-' | '+')) {
        i = run(chars, i + 1, |c| c.is_ascii_digit());
    }
    i
}

/// A decimal number; any other is strange.
fn number(chars: &[char]) -> Lexeme {
    let mut text: String = chars.iter().filter(|c| **c != '_').collect();
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    if text.ends_with('.') {
        text.push('0');
    }
    text = text.replace(".e", ".0e").replace('E', "e").replace("e+", "e");
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Lexeme::Number(text),
        _ => Lexeme::Strange,
    }
}

/// The content of a string with its escapes resolved.
fn text(chars: &[char], prefix: &str) -> Lexeme {
    let prefix = prefix.to_lowercase();
    let quote = chars[0];
    let width = if chars.len() >= 6 && chars[1] == quote && chars[2] == quote { 3 } else { 1 };
    let closed = chars.len() >= 2 * width && chars[chars.len() - 1] == quote;
    let inner = &chars[width.min(chars.len())..if closed { chars.len() - width } else { chars.len() }];
    let mut text = String::new();
    let mut rest = inner.iter().copied();
    while let Some(c) = rest.next() {
        if c != '\\' || prefix.contains('r') {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(c @ ('\\' | '\'' | '"')) => text.push(c),
            Some(c) => text.extend(['\\', c]),
            None => text.push('\\'),
        }
    }
    Lexeme::Text { text, interpolated: prefix.contains('f') }
}
