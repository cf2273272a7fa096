impl Checkout {
    fn start(&mut self, event: &Good) {}
    fn good(&mut self, command: &Good, reason: &GoodError) {}
    fn again(&mut self, command: &Good, reason: &Rejected) {}
    fn without_reason(&mut self, command: &A) {}
    fn without_command(&mut self) {}
    fn by_value(&mut self, command: B, reason: &BError) {}
    fn reason_by_value(&mut self, command: &C, reason: CError) {}
    fn opaque(&mut self, command: &D, reason: &impl Error) {}
    fn with_more(&mut self, command: &E, reason: &EError, id: &Id, a: &A, b: &B) {}
}
::core::compile_error! {
    "`good` and `again` both take `Good`: a command has one `#[rejected]`, so merge them"
}
::core::compile_error! {
    "a `#[rejected]` method takes the reason after the command: write `reason: &StockError`, the command's error, or `reason: &Rejected` for its text"
}
::core::compile_error! {
    "a `#[rejected]` method takes its command: write `command: &ReserveStock, reason: &StockError`"
}
::core::compile_error! {
    "a `#[rejected]` method borrows its command: write `command: &ReserveStock, reason: &StockError`"
}
::core::compile_error! {
    "a `#[rejected]` method borrows the reason: write `reason: &StockError`, the command's error, or `reason: &Rejected` for its text"
}
::core::compile_error! {
    "the types of a `#[rejected]` method have names, by which it is wired: write the type instead of `impl ..`"
}
::core::compile_error! {
    "a `#[rejected]` method takes its command, the reason and, if it needs it, `recorded: &Recorded`: remove this"
}
::core::compile_error! {
    "a `#[rejected]` method takes its command, the reason and, if it needs it, `recorded: &Recorded`: remove this"
}
