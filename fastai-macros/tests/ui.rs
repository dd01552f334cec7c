//! What users see: each case of `tests/ui` with the compiler's whole output, and programs that must compile and run.
//!
//! `TRYBUILD=overwrite cargo test -p fastai-macros --test ui` writes the outputs anew. The same recipes through the program are
//! in fastai-dsl's `tests/program.rs`.

/// Classes of mistakes, a folder each.
const CLASSES: [&str; 11] =
    ["text", "data", "transforms", "model", "metrics", "steps", "rates", "lints", "builder", "files", "prepared"];

/// Only cases that fail: with a program that must run among them, trybuild would compile one case after the other.
#[test]
fn mistakes_are_refused_in_our_words() {
    let cases = trybuild::TestCases::new();
    for class in CLASSES {
        cases.compile_fail(format!("../tests/ui/{class}/*.rs"));
    }
}

#[test]
fn good_recipes_compile_and_run() {
    trybuild::TestCases::new().pass("../tests/ui/pass/*.rs");
}

#[test]
fn no_class_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/ui");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir() && e.file_name() != "pass")
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut here = CLASSES;
    here.sort_unstable();
    assert_eq!(there, here);
}
