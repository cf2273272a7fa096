use cqrs_core::prelude::*;

#[derive(Default)]
struct ProductId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event(name = "sale-begun", version = 1)]
struct SaleBegun {
    #[id(Sale)]
    sale: u64,
}

#[derive(Default)]
struct Sale {
    open: bool,
}

#[aggregate(id = ProductId)]
impl Sale {
    #[apply]
    fn begun(&mut self, _: &SaleBegun) {
        self.open = true;
    }
}

fn main() {}
