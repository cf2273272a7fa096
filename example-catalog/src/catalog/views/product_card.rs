use cqrs_core::prelude::*;
use rust_decimal::Decimal;

use crate::{
    ProductCreated, ProductDiscontinued, ProductId, ProductPriceUpdated, ProductRenamed, Status,
    StockReceived, StockReleased, StockReserved,
};

/// A product as shown on a page of the catalog.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProductCard {
    /// Its id.
    #[key]
    pub id: ProductId,
    /// Its name.
    #[index]
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its price.
    #[index]
    pub price: Decimal,
    /// Units that can be reserved.
    pub stock: u32,
    /// Its stage of life.
    pub status: Status,
    /// Time of the last change.
    #[index]
    pub last_updated: Timestamp,
}

/// Projects the product cards.
pub struct ProductCards;

#[projection(name = "product-cards", version = 2)]
impl ProductCards {
    #[on]
    fn created(event: &ProductCreated, recorded: &Recorded, cards: &mut Views<ProductCard>) {
        cards.put(ProductCard {
            id: event.product_id.clone(),
            name: event.name.clone(),
            description: event.description.clone(),
            price: event.price,
            stock: 0,
            status: Status::OnSale,
            last_updated: recorded.meta.time,
        });
    }

    #[on]
    fn repriced(
        event: &ProductPriceUpdated,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.price = event.new_price;
        })
    }

    #[on]
    fn renamed(
        event: &ProductRenamed,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.name.clone_from(&event.new_name);
        })
    }

    #[on]
    fn discontinued(
        event: &ProductDiscontinued,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.status = Status::Discontinued;
        })
    }

    #[on]
    fn received(
        event: &StockReceived,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.stock = card.stock.saturating_add(event.units);
        })
    }

    #[on]
    fn reserved(
        event: &StockReserved,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.stock = card.stock.saturating_sub(event.units);
        })
    }

    #[on]
    fn released(
        event: &StockReleased,
        recorded: &Recorded,
        cards: &mut Views<ProductCard>,
    ) -> Result<()> {
        change(cards, &event.product_id, recorded, |card| {
            card.stock = card.stock.saturating_add(event.units);
        })
    }
}

/// Changes a card and its time of the last change.
fn change(
    cards: &mut Views<ProductCard>,
    id: &ProductId,
    recorded: &Recorded,
    change: impl FnOnce(&mut ProductCard),
) -> Result<()> {
    cards.update(id, |card| {
        change(card);
        card.last_updated = recorded.meta.time;
    })?;
    Ok(())
}
