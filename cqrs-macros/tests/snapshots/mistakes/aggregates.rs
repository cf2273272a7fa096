impl Product {
    fn created(&mut self, event: &Created) {}
}
::core::compile_error! {
    "an aggregate has an id: write `#[aggregate(id = ProductId)]`, with the type of its id"
}
impl Product {
    fn created(&mut self, event: &Created) {}
}
::core::compile_error! {
    "unknown storage `disk`; write `storage = \"events\"` to fold the state from the events, or `storage = \"state\"` to keep it in the store"
}
::core::compile_error! {
    "unknown key `idd`: did you mean `id`? known keys: `id`, `ids`, `name`, `was`, `snapshot_every`, `storage`, `permission`, `crate`"
}
::core::compile_error! {
    "an aggregate's name ends before the colon in its tags, `product:P001`: write letters, and no colon"
}
impl Product {
    fn helper() {}
}
::core::compile_error! {
    "an aggregate is folded from events: mark the methods that do so with `#[apply]`, `#[apply] fn created(&mut self, event: &ProductCreated) { .. }`"
}
struct Product;
::core::compile_error! {
    "`#[aggregate]` belongs on an `impl` block: write it above `impl TheType { .. }`"
}
impl<T> Product<T> {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on one concrete type, since the registry needs one: remove the parameters"
}
impl Default for Product {
    fn default() -> Self {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on an `impl` block without a trait: write `impl TheType { .. }`"
}
impl [Product] {
    fn a(&mut self, a: &A) {}
}
::core::compile_error! {
    "`#[aggregate]` belongs on a type with a name: write `impl TheType { .. }`"
}
