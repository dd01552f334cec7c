//! What users see: each case in `tests/ui/fail` with the compiler's whole output, and programs that must compile and run.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("../tests/ui/pass/*.rs");
    cases.compile_fail("../tests/ui/fail/*.rs");
}
