//! Places in a text as editors count them: lines from 0, and UTF-16 units in a line.

use std::ops::Range;

use serde_json::{Value, json};

/// The position of a byte.
pub fn position(text: &str, at: usize) -> Value {
    let at = text.floor_char_boundary(at);
    let line = text[..at].matches('\n').count();
    let begins = text[..at].rfind('\n').map_or(0, |end| end + 1);
    json!({ "line": line, "character": text[begins..at].encode_utf16().count() })
}

/// The range of bytes.
pub fn range(text: &str, bytes: Range<usize>) -> Value {
    json!({ "start": position(text, bytes.start), "end": position(text, bytes.end) })
}

/// The byte at a position; behind the end of a line, that end.
pub fn byte(text: &str, position: &Value) -> Option<usize> {
    let wanted = position["line"].as_u64()?;
    let mut left = position["character"].as_u64()?;
    let mut begins = 0;
    for _ in 0..wanted {
        begins += text[begins..].find('\n')? + 1;
    }
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
        let text = "a𝄞é\r\nfit(1)\n";
        for (at, line, character) in
            [(0, 0, 0), (1, 0, 1), (5, 0, 3), (7, 0, 4), (9, 1, 0), (12, 1, 3), (text.len(), 2, 0)]
        {
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
