use cqrs_core::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-created", version = 1)]
struct ProductCreated {
    #[id(Product)]
    product_id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "product-removed", version = 1)]
struct ProductRemoved {
    product_id: String,
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created(event: &ProductCreated, views: &mut Views<ProductView>) {
        views.put(ProductView { id: event.product_id.clone() });
    }

    fn removed(event: &ProductRemoved, views: &mut Views<ProductView>) {
        views.delete(&event.product_id);
    }
}

fn main() {
    let _ = ProductList::removed;
}
