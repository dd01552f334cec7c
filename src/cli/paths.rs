//! Paths as the commands print them.

use std::path::Path;

use fastai_runtime::names::visible_name;

/// A path in a line of output.
pub fn shown(path: &Path) -> String {
    visible_name(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_what_a_terminal_would_obey() {
        assert_eq!(shown(Path::new("a b\u{202e}")), "a b\\u202e");
    }
}
