//! Paths as the commands print them.

use std::path::Path;

use fastai_runtime::names::visible_name;

/// A path in a line of output.
pub fn shown(path: &Path) -> String {
    visible_name(&path.display().to_string()).into_owned()
}

/// A path in a command to type: in quotes if a shell would take it apart.
pub fn typed(path: &Path) -> String {
    let text = shown(path);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%~".contains(c) || cfg!(windows) && c == '\\';
    if text.chars().all(is_plain) && !text.is_empty() && !text.starts_with('~') {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(shown(Path::new("a b\u{202e}")), "a b\\u202e");
    }
}
