//! Scans the raw text once before it becomes tokens: brackets, strings, comments.
//!
//! The lexer recurses into brackets and its errors say little, so this scan reports unbalanced and deeply nested brackets
//! with their positions.

use std::ops::Range;

/// Largest nesting depth of brackets.
pub const MAX_DEPTH: usize = 64;

/// An error of the scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanError {
    /// A bracket without a partner; for a mismatch, `met` is the token in the partner's place.
    Unbalanced {
        /// The bracket.
        open: char,
        /// Where it is.
        at: Range<usize>,
        /// Where the text ended or what stood in the partner's place.
        met: Option<(char, Range<usize>)>,
    },
    /// More than [`MAX_DEPTH`] brackets inside each other.
    TooDeep(Range<usize>),
    /// An unterminated string or comment.
    Unfinished {
        /// `string` or `comment`.
        what: &'static str,
        /// Where it begins.
        at: Range<usize>,
    },
}

/// The byte ranges of what is no code, each kind in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Comments without doc comments.
    pub comments: Vec<Range<usize>>,
    /// Doc comments.
    pub docs: Vec<Range<usize>>,
    /// Strings with their quotes and prefixes.
    pub strings: Vec<Range<usize>>,
}

impl Scanned {
    /// Whether the byte at `at` is in none of the ranges.
    pub fn is_code(&self, at: usize) -> bool {
        [&self.comments, &self.docs, &self.strings].into_iter().all(|ranges| {
            let next = ranges.partition_point(|range| range.end <= at);
            ranges.get(next).is_none_or(|range| at < range.start)
        })
    }
}

/// Scans `text` and returns its comments and strings, or the first error.
pub fn scan(text: &str) -> Result<Scanned, ScanError> {
    let bytes = text.as_bytes();
    let mut found = Scanned::default();
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'/' if bytes.get(i + 1) == Some(&b'/') => {
                let end = text[i..].find('\n').map_or(bytes.len(), |n| i + n);
                let body = &text[i..end];
                let doc = (body.starts_with("///") && !body.starts_with("////")) || body.starts_with("//!");
                if doc { &mut found.docs } else { &mut found.comments }.push(i..end);
                i = end;
            }
            b'/' if bytes.get(i + 1) == Some(&b'*') => {
                let end = block_comment(bytes, i).ok_or(ScanError::Unfinished { what: "comment", at: i..i + 2 })?;
                let body = &text[i..end];
                let doc =
                    (body.starts_with("/**") && !body.starts_with("/***") && body.len() > 4) || body.starts_with("/*!");
                if doc { &mut found.docs } else { &mut found.comments }.push(i..end);
                i = end;
            }
            b'r' if let Some(hashes) = raw_string(bytes, i) => {
                let unfinished = ScanError::Unfinished { what: "string", at: i..i + 1 };
                let end = raw_string_end(bytes, i + hashes + 2, hashes).ok_or(unfinished)?;
                found.strings.push(i..end);
                i = end;
            }
            b'"' => {
                let end = string(bytes, i).ok_or(ScanError::Unfinished { what: "string", at: i..i + 1 })?;
                found.strings.push(i..end);
                i = end;
            }
            c @ (b'{' | b'(' | b'[') => {
                open.push((c, i));
                if open.len() > MAX_DEPTH {
                    return Err(ScanError::TooDeep(i..i + 1));
                }
                i += 1;
            }
            c @ (b'}' | b')' | b']') => {
                match open.pop() {
                    Some((o, _)) if partner(o as char) == c as char => {}
                    Some((o, at)) => {
                        let met = Some((c as char, i..i + 1));
                        return Err(ScanError::Unbalanced { open: o as char, at: at..at + 1, met });
                    }
                    None => return Err(ScanError::Unbalanced { open: c as char, at: i..i + 1, met: None }),
                }
                i += 1;
            }
            _ => i += 1,
        }
    }
    match open.pop() {
        Some((o, at)) => Err(ScanError::Unbalanced { open: o as char, at: at..at + 1, met: None }),
        None => Ok(found),
    }
}

/// Finds the name of the recipe in a possibly broken text: the first capitalised word after comments, attributes and `pub`.
pub fn recipe_name(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start();
        if rest.starts_with("//") {
            rest = rest.split_once('\n')?.1;
        } else if rest.starts_with("/*") {
            rest = &rest[block_comment(rest.as_bytes(), 0)?..];
        } else if rest.starts_with('#') {
            rest = rest.split_once(']')?.1;
        } else if let Some(after) =
            rest.strip_prefix("pub").filter(|r| r.starts_with(|c: char| c.is_whitespace() || c == '('))
        {
            rest = after.trim_start();
            if rest.starts_with('(') {
                rest = rest.split_once(')')?.1;
            }
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.starts_with(|c: char| c.is_ascii_uppercase()).then(|| &rest[..end])
}

/// Splits at commas outside of brackets and strings; leaves out the space around each part.
pub(crate) fn items(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted, mut escaped) = (vec![String::new()], 0usize, false, false);
    for c in text.chars() {
        match c {
            _ if quoted => {
                quoted = escaped || c != '"';
                escaped = c == '\\' && !escaped;
            }
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_string()).collect()
}

/// The bracket that closes this one.
pub(crate) fn partner(open: char) -> char {
    match open {
        '{' => '}',
        '(' => ')',
        _ => ']',
    }
}

fn string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return Some(i + 1),
            _ => i += 1,
        }
    }
    None
}

/// Returns the number of `#` of the raw string that starts with the `r` at `start`, if there is one.
fn raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let in_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || !b.is_ascii();
    let prefix = if start > 0 && matches!(bytes[start - 1], b'b' | b'c') { start - 1 } else { start };
    if prefix > 0 && in_word(bytes[prefix - 1]) {
        return None;
    }
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    (bytes.get(start + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_string_end(bytes: &[u8], from: usize, hashes: usize) -> Option<usize> {
    let closes =
        |i: usize| bytes[i] == b'"' && bytes[i + 1..].iter().take(hashes).filter(|b| **b == b'#').count() == hashes;
    (from..bytes.len()).find(|i| closes(*i)).map(|i| i + 1 + hashes)
}

fn block_comment(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut i) = (1, start + 2);
    while i + 1 < bytes.len() {
        match &bytes[i..i + 2] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => {
                (depth, i) = (depth - 1, i + 2);
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => i += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let text = "A { x: \"}\\\"{\", // }\n /* { /* } */ */ y: 1 }";
        let comments: Vec<&str> = scan(text).unwrap().comments.into_iter().map(|r| &text[r]).collect();
        assert_eq!(comments, ["// }", "/* { /* } */ */"]);
    }

    #[test]
    fn raw_strings_and_doc_comments_are_told_apart() {
        let text = "/** doc */ A { x: r\"\\\", /**/ y: r#\"}\" {\"#, /*** no doc */ /*! doc */ }";
        let found = scan(text).unwrap();
        let texts = |ranges: &[Range<usize>]| ranges.iter().map(|r| &text[r.clone()]).collect::<Vec<_>>();
        assert_eq!(texts(&found.comments), ["/**/", "/*** no doc */"]);
        assert_eq!(texts(&found.docs), ["/** doc */", "/*! doc */"]);
        assert_eq!(texts(&found.strings), ["r\"\\\"", "r#\"}\" {\"#"]);
        assert!(found.is_code(text.find('A').unwrap()) && !found.is_code(0));
        assert!(matches!(scan("A { x: r#\"\" }"), Err(ScanError::Unfinished { what: "string", .. })));
    }

    #[test]
    fn the_name_is_found_in_broken_texts() {
        for text in ["Cats { x: (", "/// Doc\n// {\n/* { */ #[allow(x)] pub(crate) Cats", "\u{feff} pub Cats {{{{"] {
            assert_eq!(recipe_name(text), Some("Cats"), "{text}");
        }
        for text in ["", "cats {", "// Cats", "/* Cats", "public", "{ Cats"] {
            assert_eq!(recipe_name(text), None, "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_braces_is_refused_at_once() {
        let text = "{".repeat(500_000) + &"}".repeat(500_000);
        assert_eq!(scan(&text), Err(ScanError::TooDeep(MAX_DEPTH..MAX_DEPTH + 1)));
    }

    #[test]
    fn names_the_bracket_that_was_opened_last() {
        let met = Some(('}', 7..8));
        assert_eq!(scan("A { x([}"), Err(ScanError::Unbalanced { open: '[', at: 6..7, met }));
        assert_eq!(scan("A { x"), Err(ScanError::Unbalanced { open: '{', at: 2..3, met: None }));
        assert_eq!(scan("A }"), Err(ScanError::Unbalanced { open: '}', at: 2..3, met: None }));
    }
}
