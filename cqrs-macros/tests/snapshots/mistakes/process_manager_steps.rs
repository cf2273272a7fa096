impl Checkout {
    fn good(&mut self, event: &Good) {}
    fn again(&mut self, event: &Good) {}
    fn two_marks(&mut self, event: &A) {}
    async fn is_async(&mut self, event: &B) {}
    fn shared(&self, event: &C) {}
    fn without_self(event: &D) {}
    fn owns(self, event: &D) {}
    fn by_value(&mut self, event: E) {}
    fn without_event(&mut self) {}
    fn with_more(&mut self, event: &F, id: &OrderId, recorded: &Recorded, more: u8) {}
    unsafe fn generic<T>(&mut self, event: &G, recorded: &impl Is) -> impl Effects {}
    fn conditional(&mut self, event: &H, #[cfg(a)] id: &OrderId) {}
    fn folds(&mut self, event: &I) {}
    #[cfg(a)]
    fn one_way(&mut self, event: &J) {}
    #[cfg(not(a))]
    fn other_way(&mut self, event: &J) {}
}
::core::compile_error! {
    "a method has one mark, and this has `#[start]`: remove one"
}
::core::compile_error! {
    "`#[on]` takes no arguments: write `#[on]`"
}
::core::compile_error! {
    "`#[apply]` is for `#[aggregate]`: write `#[start]`, `#[on]` or `#[due]` instead"
}
::core::compile_error! {
    "`good` and `again` both take `Good`: an event has one step, so merge them"
}
::core::compile_error! {
    "an `#[on]` method only decides, and may be run again: remove `async`, and have a command handler or a reaction do the work"
}
::core::compile_error! {
    "an `#[on]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "an `#[on]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "an `#[on]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "a `#[due]` method borrows its event: write `due: &PaymentDue`"
}
::core::compile_error! {
    "a `#[due]` method takes its event: write `due: &PaymentDue`"
}
::core::compile_error! {
    "an `#[on]` method takes its event and, if it needs them, the id and `recorded: &Recorded`: remove this"
}
::core::compile_error! {
    "the types of an `#[on]` method have names, by which it is wired: write the type instead of `impl ..`"
}
::core::compile_error! {
    "an `#[on]` method has no type parameters, since the registry holds one function: write the type"
}
::core::compile_error! {
    "an `#[on]` method is called by safe code: remove `unsafe`"
}
::core::compile_error! {
    "the types of an `#[on]` method have names, by which it is wired: write the type instead of `impl ..`"
}
::core::compile_error! {
    "an `#[on]` method takes the same inputs always: put the `cfg` on the method"
}
