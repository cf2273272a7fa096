impl Product {
    fn good(&mut self, event: &Good) {}
    fn again(&mut self, event: &Good) {}
    async fn is_async(&mut self, event: &A) {}
    fn shared(&self, event: &B) {}
    fn by_value(&mut self, event: C) {}
    fn without_event(&mut self) {}
    fn with_more(&mut self, event: &D, recorded: &Recorded, more: u8) {}
    fn returning(&mut self, event: &E) -> Result<()> {}
    unsafe fn generic<T>(&mut self, event: &F, recorded: &impl Is) {}
    #[cfg(a)]
    fn one_way(&mut self, event: &G) {}
    #[cfg(not(a))]
    fn other_way(&mut self, event: &G) {}
}
::core::compile_error! {
    "`#[apply]` takes no arguments: write `#[apply]`"
}
::core::compile_error! {
    "`good` and `again` both take `Good`: an event has one `#[apply]`, so merge them"
}
::core::compile_error! {
    "an `#[apply]` method only computes: remove `async`"
}
::core::compile_error! {
    "an `#[apply]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "an `#[apply]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[apply]` method takes its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[apply]` method returns nothing, since a recorded event cannot be refused: remove this, and check in the command handler"
}
::core::compile_error! {
    "an `#[apply]` method has no type parameters, since the registry holds one function: write the type"
}
::core::compile_error! {
    "an `#[apply]` method is called by safe code: remove `unsafe`"
}
::core::compile_error! {
    "the types of an `#[apply]` method have names, by which it is wired: write the type instead of `impl ..`"
}
