//! Files that a command writes and that may be there already.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::failure::Failure;

/// Refuses to replace a file that is none of the command's own: one whose name ends with none of `endings`. What has one of
/// them is taken for what the command wrote before.
///
/// # Errors
/// Which option names another file.
pub fn is_own(path: &Path, option: &str, endings: &[&str]) -> Result<(), Failure> {
    let own = path.extension().is_some_and(|end| endings.iter().any(|known| end.eq_ignore_ascii_case(known)));
    if own || !holds_something(path) {
        return Ok(());
    }
    let endings: Vec<String> = endings.iter().map(|end| format!("`.{end}`")).collect();
    Err(Failure::Invalid(format!(
        "{} exists and does not end with {}: give `{option}` another file",
        path.display(),
        endings.join(" or ")
    )))
}

/// Refuses to replace a file that the command reads.
///
/// # Errors
/// Which option names another file.
pub fn is_no_input(path: &Path, option: &str, input: &Path, what: &str) -> Result<(), Failure> {
    let is_same = match (path.canonicalize(), input.canonicalize()) {
        (Ok(path), Ok(input)) => path == input,
        _ => false,
    };
    if !is_same {
        return Ok(());
    }
    Err(Failure::Invalid(format!("{} is {what}: give `{option}` another file", path.display())))
}

/// The first line of a text file with content, at most 1 MiB of it.
pub fn first_line(path: &Path) -> Option<String> {
    if !holds_something(path) {
        return None;
    }
    let mut line = Vec::new();
    BufReader::new(std::fs::File::open(path).ok()?.take(1 << 20)).read_until(b'\n', &mut line).ok()?;
    Some(String::from_utf8_lossy(&line).trim_start_matches('\u{feff}').trim_end().to_string())
}

/// Whether a file with content is there. `mktemp` makes an empty one, and `/dev/stdout` may be a file that a shell opened.
fn holds_something(path: &Path) -> bool {
    let of_system = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    !of_system && std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_files_with_content_are_refused() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let why = is_own(&manifest, "--out", &["csv", "gz"]).unwrap_err().text().unwrap();
        assert!(
            why.ends_with("Cargo.toml exists and does not end with `.csv` or `.gz`: give `--out` another file"),
            "{why}"
        );
        assert!(is_own(&manifest, "--out", &["TOML"]).is_ok());
        assert!(is_own(Path::new("/dev/stdout"), "--out", &["svg"]).is_ok());
        let why = is_no_input(&manifest, "--out", &manifest, "the sample").unwrap_err().text().unwrap();
        assert!(why.ends_with("Cargo.toml is the sample: give `--out` another file"), "{why}");
        assert!(is_no_input(&manifest, "--out", &manifest.with_file_name("README.md"), "the sample").is_ok());
        assert!(is_own(&manifest.with_extension("absent"), "--out", &["svg"]).is_ok());
    }
}
