//! Compiler messages for mistakes, and programs that compile.

#[test]
fn ui_fail() {
    trybuild::TestCases::new().compile_fail("ui/fail/**/*.rs");
}

#[test]
fn ui_pass() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
