::core::compile_error! {
    "a read model has a key: mark the field that identifies a view with `#[key]`"
}
::core::compile_error! {
    "a read model's name has only `a-z`, `0-9` and `_` in it: write `#[read_model(name = \"..\")]`"
}
::core::compile_error! {
    "a read model's name has only `a-z`, `0-9` and `_` in it: write `#[read_model(name = \"..\")]`"
}
::core::compile_error! {
    "`#[key]` takes no arguments: write `#[key]`"
}
::core::compile_error! {
    "`#[index]` is given twice: keep one"
}
::core::compile_error! {
    "a read model has one `#[key]`: remove the others"
}
