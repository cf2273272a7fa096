use cqrs_core::prelude::*;
use cqrs_core::views::Rows;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct OrderView {
    #[key]
    id: u64,
    #[index]
    customer: String,
}

fn own_orders(_: &Actor) -> Rows<String> {
    Rows::all()
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<OrderView>, rows = own_orders)]
struct ListOrders;

fn main() {}
