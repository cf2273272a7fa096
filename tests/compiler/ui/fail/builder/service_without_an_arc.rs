use cqrs_core::prelude::*;

struct Prices;

fn main() {
    let _ = Dispatcher::builder().provide(Prices);
}
