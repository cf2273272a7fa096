fn price_set_v1(old: PriceSetV1) -> Vec<PriceSet> {}
::core::compile_error! {
    "one event cannot become several, since it has one position: return one of them, or an `Option` of it. Have new commands record several events, and let the folds of the old event handle all of it"
}
fn price_set_v1(old: PriceSetV1) -> (PriceSet, PriceSet) {}
::core::compile_error! {
    "one event cannot become several, since it has one position: return one of them, or an `Option` of it. Have new commands record several events, and let the folds of the old event handle all of it"
}
fn price_set_v1(old: PriceSetV1) -> Result<Option<[PriceSet; 2]>> {}
::core::compile_error! {
    "one event cannot become several, since it has one position: return one of them, or an `Option` of it. Have new commands record several events, and let the folds of the old event handle all of it"
}
fn price_set_v1(old: PriceSetV1) -> () {}
::core::compile_error! {
    "an upcaster returns the event in its next version, or an `Option` of it, if it may leave it out; bare or in a `Result`"
}
fn price_set_v1(old: PriceSetV1) -> Option<Option<PriceSet>> {}
::core::compile_error! {
    "an upcaster returns the event in its next version, or an `Option` of it, if it may leave it out; bare or in a `Result`"
}
