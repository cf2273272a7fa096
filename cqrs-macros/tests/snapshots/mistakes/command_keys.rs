::core::compile_error! {
    "`name` is given twice: keep one"
}
::core::compile_error! {
    "`error` takes a type, without quotes: write `error = TheType`"
}
::core::compile_error! {
    "`name` takes a string: write `name = \"..\"`"
}
::core::compile_error! {
    "`attempts` takes a whole number from 1: write `attempts = 1`"
}
::core::compile_error! {
    "`crate` takes the framework's path: write `crate = \"my_crate::cqrs\"`"
}
::core::compile_error! {
    "unknown key `permision`: did you mean `permission`? known keys: `error`, `permission`, `name`, `attempts`, `crate`"
}
::core::compile_error! {
    "`#[id]` names an aggregate: write `#[id(Product)]`"
}
::core::compile_error! {
    "a field has one `#[id(..)]`: remove this one"
}
::core::compile_error! {
    "unknown word `eahc`: did you mean `each`? known words: `each`"
}
::core::compile_error! {
    "an aggregate's name ends before the colon in its tags, `product:P001`: write letters, and no colon"
}
::core::compile_error! {
    "write the aggregate, or its name as a string: `#[id(Product)]`"
}
