struct Checkout;
::core::compile_error! {
    "`#[process_manager]` belongs on an `impl` block: write it above `impl TheType { .. }`"
}
impl Checkout {}
::core::compile_error! {
    "something begins an instance of a process manager: mark the methods that do so with `#[start]`, `#[start] fn placed(&mut self, event: &OrderPlaced) -> ReserveStock { .. }`"
}
impl<T> Checkout<T> {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[process_manager]` belongs on one concrete type, since the registry needs one: remove the parameters"
}
impl Default for Checkout {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[process_manager]` belongs on an `impl` block without a trait: write `impl TheType { .. }`"
}
impl [Checkout] {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[process_manager]` belongs on a type with a name: write `impl TheType { .. }`"
}
