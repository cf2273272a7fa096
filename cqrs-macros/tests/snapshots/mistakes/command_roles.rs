::core::compile_error! {
    "`from_id` and `from` are both the `from` of a handler (a field's name without `_id`): rename one"
}
::core::compile_error! {
    "`to_ids` and `to` are both the `to` of a handler (a field's name without `_ids`): rename one"
}
