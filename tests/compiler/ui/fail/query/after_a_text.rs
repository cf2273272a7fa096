use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts {}

#[query_handler]
fn count_products(_: CountProducts) -> u32 {
    0
}

async fn count(app: &Dispatcher, bookmark: &str) -> Result<u32> {
    Ok(app.query(CountProducts {}).after(bookmark).await?)
}

fn main() {}
