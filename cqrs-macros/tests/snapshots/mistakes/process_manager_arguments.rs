impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "a process manager has a name, under which its instances are stored, and an id, by which events find them: write `#[process_manager(name = \"checkout\", id(Order = OrderId))]`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "a process manager has a name, under which its instances are stored, and an id, by which events find them: write `#[process_manager(name = \"orders\", id(Order = OrderId))]`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "a process manager has a name, under which its instances are stored, and an id, by which events find them: write `#[process_manager(name = \"checkout\", id(Order = OrderId))]`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`id` takes arguments in parentheses: write `id(Order = sales::OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`id` takes arguments in parentheses: write `id(Order = OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`id` takes arguments in parentheses: write `id(Order = OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`id` takes arguments in parentheses: write `id(Order = OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "each id has a key and a type: write `id(Order = OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "write the aggregate, or its name as a string: `#[id(Product)]`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "a process manager has one id, by which events find their instance: remove this"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "a process manager has one id, by which events find their instance: write `id(Order = OrderId)`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`keep` takes a number of `d`, `h`, `m` or `s`: write `keep = \"30d\"`"
}
::core::compile_error! {
    "a process manager's name has only `a-z`, `0-9`, `_` and `-` in it"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`name` takes a string: write `name = \"..\"`"
}
::core::compile_error! {
    "`keep` takes a number of `d`, `h`, `m` or `s`: write `keep = \"30d\"`"
}
::core::compile_error! {
    "unknown key `kep`: did you mean `keep`? known keys: `name`, `was`, `id`, `keep`, `crate`"
}
impl Checkout {
    fn placed(&mut self, event: &OrderPlaced) {}
}
::core::compile_error! {
    "`keep` takes a number of `d`, `h`, `m` or `s`: write `keep = \"30d\"`"
}
::core::compile_error! {
    "`crate` takes the framework's path: write `crate = \"my_crate::cqrs\"`"
}
