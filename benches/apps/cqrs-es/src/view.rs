use cqrs_es::{EventEnvelope, View};
use serde::{Deserialize, Serialize};

use crate::product::{Product, ProductEvent};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProductView {
    pub id: String,
    pub name: String,
    pub price: u64,
}

impl View<Product> for ProductView {
    fn update(&mut self, event: &EventEnvelope<Product>) {
        match &event.payload {
            ProductEvent::Created { name, price } => {
                self.id.clone_from(&event.aggregate_id);
                self.name.clone_from(name);
                self.price = *price;
            }
            ProductEvent::PriceChanged { price } => self.price = *price,
        }
    }
}
