use cqrs_core::prelude::*;

#[derive(ReadModel)]
struct ProductView {
    #[key]
    id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    id: String,
}

struct Products;

#[projection(name = "products", version = 1)]
impl Products {
    #[on]
    fn created(event: &ProductCreated, products: &mut Views<ProductView>) {
        products.put(ProductView {
            id: event.id.clone(),
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct CountProducts;

#[query_handler]
async fn count(_: CountProducts, products: Read<ProductView>) -> Result<u64> {
    products.count().await
}

fn main() {}
