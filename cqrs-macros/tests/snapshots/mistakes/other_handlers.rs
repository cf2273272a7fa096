mod handlers {}
::core::compile_error! {
    "`#[query_handler]` belongs on a function: a query handler is `fn its_name(query: GetProductById) -> ..`"
}
fn borrows(query: &Get) {}
::core::compile_error! {
    "a query handler takes its query first and by value: remove the `&`, or write `query: GetProductById` before this"
}
enum Handler {}
::core::compile_error! {
    "`#[event_handler]` belongs on a function: an event handler is `fn its_name(event: ProductCreated) -> ..`"
}
fn late(event: Created) {}
::core::compile_error! {
    "unknown start `later`; write `start = \"origin\"` to begin with the log's first event, or `start = \"now\"` with the next one"
}
