//! Names of files, classes and tensors as output shows them.
//!
//! A name may contain characters that a terminal or a page obeys instead of showing: escape sequences, line breaks, marks
//! that reverse the direction of text. Output contains `\\u202e` in their place, which JSON strings read as the character.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// Returns a text of several lines with every character escaped that is obeyed instead of shown, except line breaks and
/// tabs.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_obeyed(c) && !matches!(c, '\n' | '\t'))
}

/// Returns a name with every character escaped that is obeyed instead of shown.
pub fn visible_name(name: &str) -> Cow<'_, str> {
    escape(name, is_obeyed)
}

/// Like [`visible`], but keeps the escape sequences of colours and styles, which the caller's own text may contain.
pub fn visible_styled(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return visible(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out += &visible(&rest[..at]);
        let style = rest[at + 1..].strip_prefix('[').and_then(|after| {
            let end = after.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            after[end..].starts_with('m').then_some(at + 2 + end + 1)
        });
        let end = style.unwrap_or(at + 1);
        match style {
            Some(_) => out += &rest[at..end],
            None => out += "\\u001b",
        }
        rest = &rest[end..];
    }
    out += &visible(rest);
    Cow::Owned(out)
}

/// Returns a path as text from which it can be read back: every byte that is not UTF-8 is written as `\xe9`, and a backslash that
/// would begin such an escape itself as `\x5c`. On Windows, where backslashes part folders, what is no Unicode is replaced.
pub fn reversible(path: &Path) -> Cow<'_, str> {
    if cfg!(windows) {
        return path.to_string_lossy();
    }
    let begins_escape = |text: &[u8]| match text {
        [b'\\', b'x', high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    };
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            match begins_escape(&chunk.valid().as_bytes()[at..]) {
                true => out += "\\x5c",
                false => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Returns a path as a command to type has it: visible, and in quotes if a shell would take it apart.
pub fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let text = visible_name(&text);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%~".contains(c) || cfg!(windows) && c == '\\';
    if text.chars().all(is_plain) && !text.is_empty() && !text.starts_with('~') {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Joins the first `most` names, and says how many more there are: `cat, dog and 4 more`.
pub fn first_names<S: AsRef<str>>(names: impl ExactSizeIterator<Item = S>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let first: Vec<String> = names.take(most).map(|name| name.as_ref().to_string()).collect();
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Control characters, and those that change the direction of text or are invisible between letters.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escape(text: &str, obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("cat\u{1b}[2J\u{202e}gpj.\nx\ty\u{9b}"), "cat\\u001b[2J\\u202egpj.\nx\ty\\u009b");
        assert_eq!(visible_name("a\nb\tc\r\u{2066}"), "a\\u000ab\\u0009c\\u000d\\u2066");
        for plain in ["", "Straße", "猫 🐈", "שלום", "a\\b"] {
            assert!(matches!(visible_name(plain), Cow::Borrowed(shown) if shown == plain), "{plain}");
        }
        let json = serde_json::to_string("a\u{202e}\u{85}b\n").unwrap();
        assert_eq!(serde_json::from_str::<String>(&visible(&json)).unwrap(), "a\u{202e}\u{85}b\n");
    }

    #[test]
    fn a_shell_reads_back_what_is_typed() {
        for (path, text) in [
            ("runs/Cats-2026.1", "runs/Cats-2026.1"),
            ("/home/käthe/x~", "/home/käthe/x~"),
            ("my runs/a", "'my runs/a'"),
            ("~x", "'~x'"),
            ("it's $5", r"'it'\''s $5'"),
            ("", "''"),
        ] {
            assert_eq!(typed(Path::new(path)), text);
        }
    }

    /// Reads each `\xHH` as a byte.
    #[cfg(unix)]
    fn read_back(text: &str) -> Vec<u8> {
        let mut parts = text.split("\\x");
        let mut out = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            let hex = part.get(..2).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match hex {
                Some(hex) => out.push(u8::from_str_radix(hex, 16).unwrap()),
                None => out.extend(b"\\x"),
            }
            out.extend(part[hex.map_or(0, str::len)..].bytes());
        }
        out
    }

    #[cfg(unix)]
    #[test]
    fn a_reversible_path_keeps_its_bytes() {
        use std::os::unix::ffi::OsStrExt;

        for (name, text) in [
            (&b"n/caf\xe9.jpg"[..], "n/caf\\xe9.jpg"),
            (b"caf\xe8.jpg", "caf\\xe8.jpg"),
            (b"caf\\xe9.jpg", "caf\\x5cxe9.jpg"),
            (b"\\\xe9", "\\\\xe9"),
            (b"\\x5c\\x5", "\\x5cx5c\\x5"),
            (b"\\x4\xff", "\\x4\\xff"),
            (b"\xf0\x9f\x90", "\\xf0\\x9f\\x90"),
            ("猫\\x".as_bytes(), "猫\\x"),
        ] {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            assert_eq!(reversible(path), text);
            assert_eq!(read_back(text), name, "{text}");
        }
    }

    #[test]
    fn only_colours_and_styles_are_kept() {
        assert_eq!(visible_styled("\u{1b}[1;31merror\u{1b}[0m: x"), "\u{1b}[1;31merror\u{1b}[0m: x");
        assert_eq!(
            visible_styled("\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[1mx"),
            "\\u001b]0;title\\u0007\\u001b[2J\u{1b}[1mx"
        );
        assert_eq!(visible_styled("\u{1b}[12\u{1b}"), "\\u001b[12\\u001b");
    }
}
