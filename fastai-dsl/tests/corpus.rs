//! The fuzzers' corpus on the stable compiler: every input once, with what must hold of any text.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "{} holds {} inputs", folder.display(), inputs.len());
    for input in inputs {
        // Seen only if the input fails.
        println!("{}", input.display());
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn texts() {
    replay("text", fuzz::check);
}

#[test]
fn summaries() {
    replay("prepared", fuzz::verify);
}

#[test]
fn mutated_recipes() {
    replay("mutated", |data| fuzz::check(fuzz::mutate(data).as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn new_mutations(data in prop::collection::vec(any::<u8>(), 0..40)) {
        fuzz::check(fuzz::mutate(&data).as_bytes());
    }
}
