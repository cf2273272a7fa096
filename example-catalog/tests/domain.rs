//! Decisions, views and reactions with their history: given events, when a command or an event, then
//! events, views or calls.

use std::sync::{Arc, Mutex};

use cqrs_core::Timestamp;
use cqrs_core::testing::{given, projection, reaction, verify};
use example_catalog::{
    CatalogError, CatalogTotals, CreateProduct, DiscontinueProduct, Notifier, ProductCard,
    ProductCards, ProductCreated, ProductDiscontinued, ProductId, ProductPriceUpdated,
    ReceiveStock, RenameProduct, ReserveStock, Statistics, Status, StockRanLow, StockReceived,
    StockReserved, UpdateProductPrice,
};
use rust_decimal::Decimal;

fn id() -> ProductId {
    "P001".parse().expect("an id")
}

fn created() -> ProductCreated {
    ProductCreated {
        product_id: id(),
        name: "Laptop Pro".to_owned(),
        description: "High-performance laptop".to_owned(),
        price: Decimal::new(120_000, 2),
    }
}

fn received(units: u32) -> StockReceived {
    StockReceived {
        product_id: id(),
        units,
    }
}

fn reserved(units: u32) -> StockReserved {
    StockReserved {
        product_id: id(),
        units,
    }
}

fn repriced(old: i64, new: i64) -> ProductPriceUpdated {
    let (old_price, new_price) = (Decimal::new(old, 2), Decimal::new(new, 2));
    ProductPriceUpdated {
        product_id: id(),
        old_price,
        new_price,
    }
}

fn reserve(units: u32) -> ReserveStock {
    ReserveStock {
        product_id: id(),
        units,
    }
}

#[test]
fn everything_is_wired() {
    verify();
}

#[test]
fn a_product_is_created_with_a_price_in_cents() {
    let ProductCreated {
        product_id,
        name,
        description,
        ..
    } = created();
    let command = CreateProduct {
        product_id,
        name,
        description,
        price: 1200.into(),
    };
    given(()).when(command.clone()).then(created());
    given(created())
        .when(command.clone())
        .then_rejected(CatalogError::AlreadyExists(id()));
    let nameless = CreateProduct {
        name: " ".to_owned(),
        ..command.clone()
    };
    given(())
        .when(nameless)
        .then_error("invalid command: `name`: it is empty");
    let long = CreateProduct {
        description: "x".repeat(2001),
        ..command.clone()
    };
    let error = "invalid command: `description`: 2001 letters, at most 2000";
    given(()).when(long).then_error(error);
    let bell = CreateProduct {
        name: "\u{7}".to_owned(),
        ..command
    };
    given(())
        .when(bell)
        .then_error("invalid command: `name`: it has control characters in it");
}

#[test]
fn a_price_follows_the_one_before() {
    let update = |cents| UpdateProductPrice {
        product_id: id(),
        new_price: Decimal::new(cents, 2),
    };
    given((created(), repriced(120_000, 115_000)))
        .when(update(110_000))
        .then(repriced(115_000, 110_000));
    given((created(), repriced(120_000, 115_000)))
        .when(update(115_000))
        .then(());
    given(())
        .when(update(1))
        .then_rejected(CatalogError::NotFound(id()));
}

#[test]
fn stock_is_what_came_less_what_was_reserved() {
    let history = || (created(), received(7), reserved(1));
    let low = StockRanLow {
        product_id: id(),
        units_left: 4,
    };
    given(history()).when(reserve(1)).then(reserved(1));
    given(history()).when(reserve(2)).then((reserved(2), low));
    let (product_id, wanted, available) = (id(), 7, 6);
    let short = CatalogError::NotEnoughStock {
        product_id,
        wanted,
        available,
    };
    given(history()).when(reserve(7)).then_rejected(short);
}

#[test]
fn what_is_discontinued_is_only_sold() {
    let last_price = Decimal::new(120_000, 2);
    let discontinued = ProductDiscontinued {
        product_id: id(),
        last_price,
    };
    let discontinue = DiscontinueProduct { product_id: id() };
    given(created())
        .when(discontinue.clone())
        .then(discontinued.clone());
    let past = || (created(), received(1), discontinued.clone());
    given(past()).when(reserve(1)).then(reserved(1));
    let error = CatalogError::Discontinued(id());
    given(past()).when(discontinue).then_rejected(error.clone());
    given(past())
        .when(ReceiveStock {
            product_id: id(),
            units: 1,
        })
        .then_rejected(error.clone());
    let rename = RenameProduct {
        product_id: id(),
        new_name: "Laptop".to_owned(),
    };
    given(past()).when(rename).then_rejected(error);
}

#[test]
fn a_card_shows_the_product_as_it_is() {
    let second = |second| Timestamp::from_second(second).expect("a time");
    let discontinued = ProductDiscontinued {
        product_id: id(),
        last_price: Decimal::new(115_000, 2),
    };
    let card = ProductCard {
        id: id(),
        name: "Laptop Pro".to_owned(),
        description: "High-performance laptop".to_owned(),
        price: Decimal::new(115_000, 2),
        stock: 7,
        status: Status::Discontinued,
        last_updated: second(2),
    };
    projection::<ProductCards>()
        .at(second(1))
        .given((created(), repriced(120_000, 115_000)))
        .at(second(2))
        .given((received(9), reserved(2), discontinued))
        .then_views([card]);
}

#[test]
fn statistics_add_up() {
    let totals = CatalogTotals {
        catalog: "catalog".to_owned(),
        products: 1,
        price_sum: Decimal::new(115_000, 2),
        price_changes: 1,
        units_received: 9,
        units_reserved: 2,
        ..CatalogTotals::default()
    };
    projection::<Statistics>()
        .given((
            created(),
            received(9),
            reserved(2),
            repriced(120_000, 115_000),
        ))
        .then_view("catalog", totals);
}

#[derive(Default)]
struct Notes(Mutex<Vec<(ProductId, u32)>>);

impl Notifier for Notes {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        let mut notes = self.0.lock().expect("nothing panics while it holds this");
        notes.push((product.clone(), units_left));
    }
}

#[test]
fn who_orders_is_told_what_is_left() {
    let notes = Arc::new(Notes::default());
    let low = StockRanLow {
        product_id: id(),
        units_left: 4,
    };
    reaction("announce_low_stock")
        .provide::<dyn Notifier>(notes.clone())
        .when(low)
        .then_sent(());
    let notes = notes.0.lock().expect("nothing panics while it holds this");
    assert_eq!(*notes, [(id(), 4)]);
}
