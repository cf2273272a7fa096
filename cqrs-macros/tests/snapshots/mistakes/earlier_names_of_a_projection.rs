impl Items {
    #[apply]
    #[start]
    fn listed(_: &ItemListed) {}
}
::core::compile_error! {
    "a projection is stored under one name, which it keeps, however often `name` changes: write that one alone"
}
::core::compile_error! {
    "is a projection's present name: write the one under which it is stored"
}
