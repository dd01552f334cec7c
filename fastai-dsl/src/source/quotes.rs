//! Strings as other places write them: in single quotes, as in Python, and with the backslashes of Windows.

use std::ops::Range;

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Site};
use crate::scan::Scanned;

/// Finds strings in single quotes, as in Python. (A single character in single quotes is a character literal to the lexer
/// and the parser.)
pub(super) fn single_quotes(text: &str, scanned: &Scanned) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices('\'') {
        if !scanned.is_code(at) || found.last().is_some_and(|before| at < before.end) {
            continue;
        }
        // Not searched for to the end of the line, which may be far.
        let Some(length) = text[at + 1..].find(['\'', '\n']) else { continue };
        let quoted = &text[at..at + length + 2];
        if length > 1 && quoted.ends_with('\'') && !quoted.contains(['"', '\\']) {
            found.push(at..at + quoted.len());
        }
    }
    found
}

/// Replaces those quotes by double quotes, so that the whole text can be parsed.
pub(super) fn double_quotes(text: &str, quotes: &[Range<usize>]) -> String {
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

/// The first backslash in a string that begins no escape of the language, as in a path of Windows.
pub(super) fn unknown_escape(text: &str, scanned: &Scanned) -> Option<(Diagnostic, Range<usize>)> {
    let mut plain = scanned.strings.iter().filter(|string| text[string.start..].starts_with('"'));
    plain.find_map(|string| {
        let inside = &text[string.start + 1..string.end - 1];
        let (at, letter) = wrong_escape(inside)?;
        let (slashes, doubled) = (inside.replace('\\', "/"), inside.replace('\\', "\\\\"));
        let found = Diagnostic::error(&c::LEX, Site(0), format!("`\\{letter}` is no escape in a string"))
            .help(format!("for a path, `\"{slashes}\"` or `\"{doubled}\"`"));
        let place = string.start + 1 + at;
        Some((found, place..place + 1 + letter.len_utf8()))
    })
}

/// The first backslash that begins no escape, and the character after it.
fn wrong_escape(inside: &str) -> Option<(usize, char)> {
    let bytes = inside.as_bytes();
    let hexadecimal = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut from = 0;
    while let Some(found) = inside[from..].find('\\') {
        let at = from + found;
        let known = match bytes.get(at + 1)? {
            b'n' | b'r' | b't' | b'0' | b'\\' | b'"' | b'\'' | b'\n' | b'\r' => true,
            b'x' => hexadecimal(at + 2) && hexadecimal(at + 3),
            b'u' => bytes.get(at + 2) == Some(&b'{'),
            _ => false,
        };
        if !known {
            return Some((at, inside[at + 1..].chars().next()?));
        }
        from = at + 2;
    }
    None
}
