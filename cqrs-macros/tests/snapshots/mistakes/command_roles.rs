::core::compile_error! {
    "`from_id` and `from` are both the `from` of a handler (a field's name without `_id`): rename one"
}
