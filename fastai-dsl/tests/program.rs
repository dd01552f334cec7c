//! What `fastai check` says: every case of `tests/ui`, read as a file, beside the compiler's output (`CASE.rs`, `CASE.stderr`,
//! `CASE.check`), and files that only a file can be.
//!
//! `UPDATE=1 cargo test -p fastai-dsl --test program` writes the outputs anew.

use std::fs;
use std::path::{Path, PathBuf};

use fastai_dsl::source::RecipeText;
use fastai_dsl::{catalog, prepared};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/ui");

/// A recipe of `tests/ui`.
struct Case {
    /// Where its `.check` is.
    golden: PathBuf,
    source: RecipeText,
    /// The compiler's output, if there is one.
    compiler: Option<String>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for class in fs::read_dir(FOLDER).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir() && !p.ends_with("pass"))
    {
        for file in fs::read_dir(class).unwrap().map(|e| e.unwrap().path()) {
            let extension = file.extension().unwrap_or_default();
            let recipe = if extension == "recipe" {
                Some(fs::read(&file).unwrap())
            } else if extension == "rs" {
                in_macro(&fs::read_to_string(&file).unwrap()).map(String::into_bytes)
            } else {
                None
            };
            if let Some(recipe) = recipe {
                let compiler = fs::read_to_string(file.with_extension("stderr")).ok();
                cases.push(Case { source: read(&file, &recipe), golden: file.with_extension("check"), compiler });
            }
        }
    }
    cases.sort_by(|a, b| a.golden.cmp(&b.golden));
    cases
}

/// The recipe, held to the summary of its data if there is one beside the file.
fn read(file: &Path, recipe: &[u8]) -> RecipeText {
    let source = RecipeText::from_bytes("cats.recipe", recipe, &[]);
    let summary = source.name().map(|name| file.with_file_name(prepared::file_name(name)));
    match summary.and_then(|file| fs::read_to_string(file).ok()) {
        Some(summary) => source.verify(&summary),
        None => source,
    }
}

/// The recipe in a `recipe! { .. }` of a Rust file, its indentation taken off.
fn in_macro(rust: &str) -> Option<String> {
    let body = rust.split_once("recipe! {\n")?.1.split_once("\n}\n")?.0;
    Some(body.lines().map(|l| format!("{}\n", l.strip_prefix("    ").unwrap_or(l))).collect())
}

fn name(path: &Path) -> String {
    let class = path.parent().and_then(Path::file_name).unwrap_or_default();
    format!("{}/{}", class.to_string_lossy(), path.file_stem().unwrap_or_default().to_string_lossy())
}

#[test]
fn the_program_shows_what_the_golden_files_show() {
    let cases = cases();
    assert!(cases.len() >= 160, "{} cases", cases.len());
    let mut failures = Vec::new();
    for Case { golden, source, .. } in cases {
        let shown = source.render(false) + "\n";
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, shown).unwrap();
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(shown.as_str()) {
            failures.push(format!("{}:\n{shown}", name(&golden)));
        }
    }
    assert!(failures.is_empty(), "UPDATE=1 writes them anew\n\n{}", failures.join("\n"));
}

#[test]
fn every_case_has_a_finding_with_a_code_and_a_help() {
    for Case { golden, source, .. } in cases() {
        assert!(!source.diagnostics().is_empty(), "{}", name(&golden));
        for d in source.diagnostics().iter() {
            let help = d.help.as_deref().unwrap_or_default();
            // What can be pasted stands in backticks.
            assert!(help.matches('`').count() >= 2, "{}: {:?} has the help {help:?}", name(&golden), d.message);
        }
    }
}

/// The codes of `error: [E0404] ..`, `error: lint: ..` and deprecated lints in a compiler's output.
fn codes(compiler: &str) -> Vec<&str> {
    let mut codes: Vec<&str> = compiler
        .lines()
        .filter_map(|line| {
            let text = line.strip_prefix("error: ")?;
            let word =
                text.strip_prefix('[').or_else(|| text.strip_prefix("use of deprecated constant `_::")).unwrap_or(text);
            let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            catalog::find(&word[..end]).map(|code| code.id)
        })
        .collect();
    codes.sort_unstable();
    codes
}

#[test]
fn the_macro_finds_what_the_program_finds() {
    let mut compared = 0;
    for Case { golden, source, compiler } in cases() {
        // A file has no Rust constants; in a macro's text they are checked as such.
        let name = name(&golden);
        if name.contains("/constant") {
            continue;
        }
        let compiler = compiler.unwrap_or_else(|| panic!("{name} has no .stderr"));
        let mut found: Vec<&str> = source.diagnostics().iter().map(|d| d.code.id).collect();
        // Beside errors the compiler does not get as far as warnings.
        if source.diagnostics().has_errors() {
            found = source
                .diagnostics()
                .iter()
                .filter(|d| d.severity == fastai_dsl::Severity::Error)
                .map(|d| d.code.id)
                .collect();
        }
        found.sort_unstable();
        assert_eq!(codes(&compiler), found, "{name}\n{compiler}");
        compared += 1;
    }
    assert!(compared >= 150, "{compared} cases");
}
