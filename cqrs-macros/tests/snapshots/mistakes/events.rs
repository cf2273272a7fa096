::core::compile_error! {
    "an event has a name and a version of its own, which stay when the type is renamed: write `#[event(name = \"product-created\", version = 1)]`"
}
::core::compile_error! {
    "an event has a version, by which an older program recognizes a newer event: write `#[event(name = \"x\", version = 1)]`"
}
::core::compile_error! {
    "an event has a name of its own, which stays when the type is renamed: write `#[event(name = \"no-name\", version = 7)]`"
}
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
::core::compile_error! {
    "an enum without variants holds no event: write one variant per event, `Created(ProductCreated)`"
}
::core::compile_error! {
    "the events in an enum have names and versions of their own: remove this"
}
::core::compile_error! {
    "unknown key `versoin`; known keys: `crate`"
}
::core::compile_error! {
    "a variant holds one event: write `A(TheEvent)`"
}
::core::compile_error! {
    "a variant holds one event: write `B(TheEvent)`"
}
::core::compile_error! {
    "a variant holds one event: write `C(TheEvent)`"
}
::core::compile_error! {
    "this belongs on the event in the variant: remove it here"
}
::core::compile_error! {
    "this belongs on the event in the variant: remove it here"
}
