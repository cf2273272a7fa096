mod handlers {}
::core::compile_error! {
    "`#[query_handler]` belongs on a function: a query handler is `fn its_name(query: GetProductById) -> ..`"
}
fn borrows(query: &Get) {}
::core::compile_error! {
    "a query handler takes its query by value: write `query: Get`"
}
enum Handler {}
::core::compile_error! {
    "`#[event_handler]` belongs on a function: an event handler is `fn its_name(event: ProductCreated) -> ..`"
}
fn late(event: Created) {}
::core::compile_error! {
    "where a new event handler begins: write `start = \"origin\"` for the log's first event, or `start = \"now\"` for the next one"
}
