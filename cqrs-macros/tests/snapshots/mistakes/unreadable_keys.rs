::core::compile_error! {
    "expected `,`"
}
::core::compile_error! {
    "write `#[query(key = value)]`"
}
::core::compile_error! {
    "expected `key = value`"
}
::core::compile_error! {
    "`returns` takes a type, without quotes: write `returns = TheType`"
}
::core::compile_error! {
    "`permission` takes a string: write `permission = \"..\"`"
}
::core::compile_error! {
    "`rows` takes a function, or several in brackets: write `rows = own_orders`"
}
