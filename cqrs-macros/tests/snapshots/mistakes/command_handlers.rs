struct Handler;
::core::compile_error! {
    "`#[command_handler]` belongs on a function: a command handler is `fn its_name(cmd: CreateProduct) -> ..`"
}
fn nothing() {}
::core::compile_error! {
    "a command handler takes its command first: write `fn nothing(cmd: CreateProduct, ..)`"
}
fn method(&self, cmd: Create) {}
::core::compile_error! {
    "a command handler is a free function: write `fn method(cmd: CreateProduct, ..)` outside of the `impl`, and take a service as `Service<T>`"
}
fn borrows(cmd: &Create) {}
::core::compile_error! {
    "a command handler takes its command first and by value: remove the `&`, or write `cmd: CreateProduct` before this"
}
fn generic<'a, T: Is, const N: usize>(cmd: Create, t: &'a T) {}
::core::compile_error! {
    "a command handler has no type parameters, since the registry holds one function: write the type"
}
::core::compile_error! {
    "a command handler has no type parameters, since the registry holds one function: write the type"
}
fn opaque(cmd: impl Is, res: Service<impl Is>) -> impl Is {}
::core::compile_error! {
    "the types of a command handler have names, by which it is wired: write the type instead of `impl ..`"
}
::core::compile_error! {
    "the types of a command handler have names, by which it is wired: write the type instead of `impl ..`"
}
::core::compile_error! {
    "the types of a command handler have names, by which it is wired: write the type instead of `impl ..`"
}
unsafe extern "C" fn foreign(cmd: Create) {}
::core::compile_error! {
    "a command handler is called by safe code: remove `unsafe`"
}
::core::compile_error! {
    "a command handler is a plain Rust function: remove `extern`"
}
fn conditional(cmd: Create, #[cfg(a)] a: &A) {}
::core::compile_error! {
    "a command handler takes the same inputs always: put the `cfg` on the function"
}
fn keys(cmd: Create) {}
::core::compile_error! {
    "unknown key `crat`: did you mean `crate`? known keys: `crate`"
}
::core::compile_error! {
    "unknown key `name`; known keys: `crate`"
}
