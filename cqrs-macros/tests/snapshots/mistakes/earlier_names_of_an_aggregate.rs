impl Items {
    #[on]
    #[start]
    fn listed(_: &ItemListed) {}
}
::core::compile_error! {
    "an aggregate is stored under one name, which it keeps, however often `name` changes: write that one alone"
}
::core::compile_error! {
    "an `#[apply]` method changes the state: write `&mut self` as its first parameter"
}
::core::compile_error! {
    "an aggregate's name ends before the colon in its tags, `product:P001`: write letters, and no colon"
}
