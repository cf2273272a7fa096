impl Items {
    fn listed(_: &ItemListed) {}
}
::core::compile_error! {
    "`was` takes strings in brackets: write `was = [\"its-earlier-name\"]`"
}
::core::compile_error! {
    "a method has one mark, and this has `#[on]`: remove one"
}
::core::compile_error! {
    "`#[apply]` is for `#[aggregate]`: write `#[start]`, `#[on]` or `#[due]` instead"
}
::core::compile_error! {
    "an `#[on]` method changes the state: write `&mut self` as its first parameter"
}
