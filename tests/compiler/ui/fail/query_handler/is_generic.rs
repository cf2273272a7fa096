use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[query_handler]
fn count<T>(_: CountProducts) -> u32 {
    size_of::<T>() as u32
}

fn main() {}
