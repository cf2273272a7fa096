impl Bare {}
::core::compile_error! {
    "a projection has a name and a version, which name its checkpoint: write `#[projection(name = \"bare\", version = 1)]`"
}
::core::compile_error! {
    "a projection folds events: mark the functions that do so with `#[on]`, `#[on] fn created(event: &ProductCreated, views: &mut Views<ProductView>) { .. }`"
}
impl Named {
    fn a(a: &A) {}
}
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
::core::compile_error! {
    "a projection's name has only `a-z`, `0-9`, `_` and `-` in it"
}
struct List;
::core::compile_error! {
    "`#[projection]` belongs on an `impl` block: write it above `impl TheType { .. }`"
}
impl List {
    fn good(event: &Good) {}
    fn again(event: &Good) {}
    fn with_self(&self, event: &A) {}
    fn by_value(event: B) {}
    fn by_mut(event: &mut B) {}
    fn nothing() {}
    fn conditional(event: &C, #[cfg(a)] a: &Recorded) -> impl Is {}
}
::core::compile_error! {
    "`good` and `again` both take `Good`: an event has one `#[on]`, so merge them"
}
::core::compile_error! {
    "an `#[on]` method has no `self`: what it writes is in `views: &mut Views<V>`"
}
::core::compile_error! {
    "an `#[on]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method takes its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method takes the same inputs always: put the `cfg` on the method"
}
::core::compile_error! {
    "the types of an `#[on]` method have names, by which it is wired: write the type instead of `impl ..`"
}
impl Tables {
    fn good(event: &Good) {}
    fn first(tx: &mut Tx<A>, views: &mut Views<V>) {}
    fn second(tx: &mut Tx<A>) {}
}
::core::compile_error! {
    "a projection has one `#[setup]` method: merge them"
}
::core::compile_error! {
    "a `#[setup]` method takes a transaction only: write `#[setup] async fn tables(tx: &mut Tx<Postgres>) -> Result<()>`"
}
impl WithSelf {
    fn good(event: &Good) {}
    fn setup(&mut self) {}
}
::core::compile_error! {
    "a `#[setup]` method has no `self`: write `#[setup] async fn tables(tx: &mut Tx<Postgres>) -> Result<()>`"
}
impl WithoutAny {
    fn good(event: &Good) {}
    fn setup() {}
}
::core::compile_error! {
    "a `#[setup]` method takes a transaction: write `#[setup] async fn tables(tx: &mut Tx<Postgres>) -> Result<()>`"
}
