#[test]
fn ui_fail() {
    trybuild::TestCases::new().compile_fail("ui/fail/**/*.rs");
}
