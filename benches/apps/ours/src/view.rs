use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::product::{PriceChanged, ProductCreated, ProductId};

#[derive(ReadModel, Clone, Debug, Serialize, Deserialize)]
pub struct ProductView {
    #[key]
    pub id: ProductId,
    pub name: String,
    pub price: u64,
}

pub struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(event: &ProductCreated, views: &mut Views<ProductView>) {
        let ProductCreated { id, name, price } = event;
        views.put(ProductView {
            id: id.clone(),
            name: name.clone(),
            price: *price,
        });
    }

    #[on]
    fn repriced(event: &PriceChanged, views: &mut Views<ProductView>) -> Result<()> {
        views.update(&event.id, |view| view.price = event.price)?;
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<ProductView>)]
pub struct GetProduct {
    pub id: ProductId,
}

#[query_handler]
async fn product(query: GetProduct, views: Read<ProductView>) -> Result<Option<ProductView>> {
    views.get(&query.id).await
}
