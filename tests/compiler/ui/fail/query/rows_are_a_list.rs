use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct OrderView {
    #[key]
    id: u64,
    #[index]
    customer: String,
}

fn own_orders(_: &Actor) -> Vec<OrderView> {
    Vec::new()
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<OrderView>, rows = own_orders)]
struct ListOrders;

fn main() {}
