::core::compile_error! {
    "a command is a struct: write one `struct` per case"
}
::core::compile_error! {
    "a command has named fields: write `struct Create { field: Type }`"
}
::core::compile_error! {
    "a command is a concrete type, since the registry and the wire format need one: remove the parameters and write one struct per case"
}
::core::compile_error! {
    "a query declares its answer: write `#[query(returns = TheAnswer)]`"
}
::core::compile_error! {
    "a query is a struct: write one `struct` per case"
}
::core::compile_error! {
    "a read model has named fields: write `struct View { field: Type }`"
}
::core::compile_error! {
    "a read model is a concrete type, since the registry and the wire format need one: remove the parameters and write one struct per case"
}
