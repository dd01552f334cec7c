//! Places in a text as editors count them: lines from 0, and UTF-16 units in a line.

use std::ops::Range;

use serde_json::{Value, json};

/// The first bytes of the lines, which `\n`, `\r\n` and `\r` end.
fn lines(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = move |at: &usize| bytes[*at] == b'\n' || bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|at| at + 1))
}

/// The position of a byte.
pub fn position(text: &str, at: usize) -> Value {
    let at = text.floor_char_boundary(at);
    let before = lines(text).enumerate().take_while(|(_, begins)| *begins <= at);
    let (line, begins) = before.last().unwrap_or_default();
    json!({ "line": line, "character": text[begins..at].encode_utf16().count() })
}

/// The range of bytes.
pub fn range(text: &str, bytes: Range<usize>) -> Value {
    json!({ "start": position(text, bytes.start), "end": position(text, bytes.end) })
}

/// The byte at a position; behind the end of a line, that end.
pub fn byte(text: &str, position: &Value) -> Option<usize> {
    let begins = lines(text).nth(usize::try_from(position["line"].as_u64()?).ok()?)?;
    let mut left = position["character"].as_u64()?;
    for (at, c) in text[begins..].char_indices() {
        if left == 0 || c == '\n' || c == '\r' {
            return Some(begins + at);
        }
        left = left.saturating_sub(c.len_utf16() as u64);
    }
    Some(text.len())
}

/// The word that a byte is in or right behind.
pub fn word(text: &str, at: usize) -> Range<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..at].char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(at, |(start, _)| start);
    let end = text[at..].char_indices().find(|(_, c)| !is_part(*c)).map_or(text.len(), |(end, _)| at + end);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf16_units_and_lead_back() {
        let text = "a𝄞é\r\nfit(1)\nb\rc\n";
        for (at, line, character) in [
            (0, 0, 0),
            (1, 0, 1),
            (5, 0, 3),
            (7, 0, 4),
            (9, 1, 0),
            (12, 1, 3),
            (16, 2, 0),
            (17, 2, 1),
            (18, 3, 0),
            (text.len(), 4, 0),
        ] {
            let found = position(text, at);
            assert_eq!(found, json!({ "line": line, "character": character }), "{at}");
            assert_eq!(byte(text, &found), Some(at));
        }
        // Inside a surrogate pair, behind the end of a line, behind the end of the text.
        assert_eq!(byte(text, &json!({ "line": 0, "character": 99 })), Some(7));
        assert_eq!(byte(text, &json!({ "line": 9, "character": 0 })), None);
        assert_eq!(&text[word(text, 10)], "fit");
        assert_eq!(&text[word(text, 12)], "fit");
        assert_eq!(&text[word(text, 13)], "1");
        assert_eq!(word("", 0), 0..0);
    }
}
