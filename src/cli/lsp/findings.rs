//! What is wrong with a text, as editors show it.

use std::path::PathBuf;

use fastai_dsl::source::{LARGEST, RecipeText};
use fastai_dsl::{Diagnostic, Severity, Site};
use serde_json::{Value, json};

use super::place;
use crate::cli::source;

/// What is to be said about a text, also against the summary of its data, if one is beside the file.
pub fn findings(uri: &str, text: &str) -> Vec<Value> {
    if text.len() > LARGEST {
        let why = format!("larger than {} KiB: no recipe is", LARGEST >> 10);
        return vec![json!({ "range": place::range(text, 0..0), "severity": 1, "source": "fastai", "message": why })];
    }
    let mut read = RecipeText::new(uri, text, &[]);
    let summary = path(uri).and_then(|path| source::summary_of(&path, &read)).filter(|path| path.is_file());
    if let Some(Ok(summary)) = summary.map(|path| source::read_summary(&path)) {
        read = read.verify(&summary);
    }
    // A byte order mark is no part of what was read.
    let skipped = text.len() - read.text.len();
    let at = |site: Site| {
        let bytes = read.place(site);
        place::range(text, bytes.start + skipped..bytes.end + skipped)
    };
    let finding = |found: &Diagnostic| {
        let mut message = found.message.clone();
        for (what, more) in [("help", &found.help), ("note", &found.note)] {
            if let Some(more) = more {
                message += &format!("\n{what}: {more}");
            }
        }
        let also = found
            .also
            .as_ref()
            .map(|(site, label)| json!([{ "location": { "uri": uri, "range": at(*site) }, "message": label }]));
        json!({
            "range": at(found.site),
            "severity": match found.severity {
                Severity::Error => 1,
                Severity::Warning => 2,
            },
            "code": found.code.id,
            "source": "fastai",
            "message": message,
            "relatedInformation": also.unwrap_or_else(|| json!([])),
        })
    };
    read.diagnostics().iter().map(finding).collect()
}

/// The path of a `file:` address of this machine.
fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let encoded = rest.strip_prefix("localhost").unwrap_or(rest).as_bytes();
    if encoded.first() != Some(&b'/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while at < encoded.len() {
        let code = encoded.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (encoded[at], code.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    // `file:///C:/x` is `C:/x`.
    let path = if cfg!(windows) { path.trim_start_matches('/').to_string() } else { path };
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths() {
        assert_eq!(path("file:///tmp/a%20b%C3%A9.recipe"), Some(PathBuf::from("/tmp/a bé.recipe")));
        assert_eq!(path("file://localhost/tmp/a"), path("file:///tmp/a"));
        assert_eq!(path("file:///tmp/100%"), Some(PathBuf::from("/tmp/100%")));
        assert_eq!(path("file://other/tmp/a"), None);
        assert_eq!(path("untitled:1"), None);
    }
}
