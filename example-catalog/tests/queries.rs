//! The read side, from commands to answers, in memory.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::{HeldPermissions, Session};
use example_catalog::{
    CreateProduct, DiscontinueProduct, FindProducts, GetAllProducts, GetCatalogStatistics,
    GetPriceHistory, GetProductById, Notifier, Product, ProductCard, ProductId, ReceiveStock,
    RenameProduct, ReserveStock, SortBy, UpdateProductPrice,
};
use rust_decimal::Decimal;

/// Remembers what it was told.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, u32)>>);

impl Notifier for Notes {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        let mut notes = self.0.lock().expect("nothing panics while it holds this");
        notes.push((product.to_string(), units_left));
    }
}

fn id(text: &str) -> ProductId {
    text.parse().expect("an id")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// A dispatcher whose clock moves on by a second with every look at it.
async fn wired(notes: Arc<Notes>) -> Dispatcher {
    let seconds = AtomicI64::new(0);
    let clock = move || {
        let second = seconds.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(second).expect("a time")
    };
    let builder = Dispatcher::builder()
        .module(example_catalog::module())
        .store(Memory::new());
    let builder = builder
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(notes)
        .clock(clock);
    builder.build().await.expect("it is wired")
}

fn editor(dispatcher: &Dispatcher) -> Session {
    dispatcher
        .session()
        .actor(Actor::new("ann").with("catalog:read").with("catalog:write"))
}

async fn create(session: &Session, product: &str, name: &str, price: &str) {
    let (product_id, name, description) = (id(product), name.to_owned(), format!("A {name}."));
    let command = CreateProduct {
        product_id,
        name,
        description,
        price: decimal(price),
    };
    session.execute(command).await.expect("a product");
}

/// Three products whose ids, names and prices sort differently.
async fn with_three() -> (Dispatcher, Session) {
    let dispatcher = wired(Arc::default()).await;
    let session = editor(&dispatcher);
    create(&session, "P1", "Mouse", "30").await;
    create(&session, "P2", "Laptop", "1200").await;
    create(&session, "P3", "Keyboard", "9.50").await;
    (dispatcher, session)
}

fn ids(cards: &[ProductCard]) -> Vec<&str> {
    cards.iter().map(|card| card.id.as_str()).collect()
}

#[tokio::test]
async fn products_are_sorted_and_paged() {
    let (_dispatcher, session) = with_three().await;
    let rename = RenameProduct {
        product_id: id("P1"),
        new_name: "Mouse 2".to_owned(),
    };
    session.execute(rename).await.expect("a name");
    for (sort, up) in [
        (SortBy::Id, ["P1", "P2", "P3"]),
        (SortBy::Name, ["P3", "P2", "P1"]),
        (SortBy::Price, ["P3", "P1", "P2"]),
        (SortBy::LastUpdated, ["P2", "P3", "P1"]),
    ] {
        let mut expected = up;
        for descending in [false, true] {
            let query = GetAllProducts {
                sort,
                descending,
                page: 1,
                page_size: 100,
            };
            let page = session.query(query).await.expect("a page");
            assert_eq!(
                (ids(&page.items), page.total),
                (expected.to_vec(), 3),
                "{sort:?}"
            );
            expected.reverse();
        }
    }
    for (page, expected) in [(1, vec!["P1", "P2"]), (2, vec!["P3"]), (3, vec![])] {
        let query = GetAllProducts {
            page,
            page_size: 2,
            ..GetAllProducts::default()
        };
        let page = session.query(query).await.expect("a page");
        assert_eq!((ids(&page.items), page.total), (expected, 3));
    }
    let last = GetAllProducts {
        page: u32::MAX,
        page_size: 100,
        ..GetAllProducts::default()
    };
    assert!(session.query(last).await.expect("a page").items.is_empty());
}

#[tokio::test]
async fn products_are_found_by_text_and_price() {
    let (_dispatcher, session) = with_three().await;
    let found = async |text: &str, min: Option<&str>, max: Option<&str>| {
        let (min_price, max_price) = (min.map(decimal), max.map(decimal));
        let query = FindProducts {
            text: text.to_owned(),
            min_price,
            max_price,
            page: 1,
            page_size: 2,
        };
        let page = session.query(query).await.expect("a page");
        (ids(&page.items).join(" "), page.total)
    };
    assert_eq!(found("", None, None).await, ("P3 P1".to_owned(), 3));
    assert_eq!(found("KEY", None, None).await, ("P3".to_owned(), 1));
    assert_eq!(found("a m", None, None).await, ("P1".to_owned(), 1));
    assert_eq!(
        found("", Some("9.50"), Some("30.00")).await,
        ("P3 P1".to_owned(), 2)
    );
    assert_eq!(found("", Some("9.51"), None).await, ("P1 P2".to_owned(), 2));
    assert_eq!(
        found("mouse", None, Some("29.99")).await,
        (String::new(), 0)
    );
}

#[tokio::test]
async fn a_product_that_does_not_exist_has_no_card() {
    let (_dispatcher, session) = with_three().await;
    let card = async |product| {
        let query = GetProductById {
            product_id: id(product),
        };
        session.query(query).await.expect("an answer")
    };
    assert_eq!(
        card("P2").await.map(|card| card.name),
        Some("Laptop".to_owned())
    );
    assert_eq!(card("P9").await, None);
}

#[tokio::test]
async fn prices_have_periods_and_the_past_can_be_seen() {
    let (dispatcher, session) = with_three().await;
    let update = UpdateProductPrice {
        product_id: id("P1"),
        new_price: decimal("25"),
    };
    let receipt = session.execute(update).await.expect("a price");
    let periods = session
        .query(GetPriceHistory {
            product_id: id("P1"),
        })
        .await
        .expect("periods");
    let prices: Vec<_> = periods
        .iter()
        .map(|period| period.price.to_string())
        .collect();
    assert_eq!(prices, ["30.00", "25.00"]);
    assert_eq!(periods[0].until, Some(periods[1].from));
    assert_eq!(
        (periods[1].until, periods[1].set_by.as_deref()),
        (None, Some("ann"))
    );
    let before = Position::new(receipt.first().get() - 1);
    let product = dispatcher
        .state::<Product>(&id("P1"))
        .at(before)
        .await
        .expect("a state");
    assert_eq!(product.price, decimal("30"));
    let product = dispatcher
        .state::<Product>(&id("P1"))
        .at_time(periods[0].from)
        .await;
    assert_eq!(product.expect("a state").price, decimal("30"));
}

#[tokio::test]
async fn statistics_count_and_average() {
    let (_dispatcher, session) = with_three().await;
    let statistics = async || {
        session
            .query(GetCatalogStatistics {})
            .await
            .expect("figures")
    };
    let first = statistics().await;
    assert_eq!(
        (first.products_on_sale, first.average_price),
        (3, Some(decimal("413.17")))
    );
    let update = UpdateProductPrice {
        product_id: id("P1"),
        new_price: decimal("20.50"),
    };
    session.execute(update).await.expect("a price");
    session
        .execute(DiscontinueProduct {
            product_id: id("P2"),
        })
        .await
        .expect("an end");
    session
        .execute(ReceiveStock {
            product_id: id("P1"),
            units: 9,
        })
        .await
        .expect("stock");
    session
        .execute(ReserveStock {
            product_id: id("P1"),
            units: 2,
        })
        .await
        .expect("stock");
    let then = statistics().await;
    assert_eq!((then.products_on_sale, then.products_discontinued), (2, 1));
    assert_eq!(then.average_price, Some(decimal("15")));
    assert_eq!((then.price_changes, then.units_in_stock), (1, 7));
}

#[tokio::test]
async fn who_orders_is_told_once() {
    let notes = Arc::new(Notes::default());
    let dispatcher = wired(notes.clone()).await;
    let session = editor(&dispatcher);
    create(&session, "P1", "Mouse", "30").await;
    session
        .execute(ReceiveStock {
            product_id: id("P1"),
            units: 6,
        })
        .await
        .expect("stock");
    for _ in 0..3 {
        session
            .execute(ReserveStock {
                product_id: id("P1"),
                units: 1,
            })
            .await
            .expect("stock");
    }
    while dispatcher
        .health()
        .subscriptions
        .iter()
        .any(|it| it.position < session.position())
    {
        tokio::task::yield_now().await;
    }
    let notes = notes.0.lock().expect("nothing panics while it holds this");
    assert_eq!(*notes, [("P1".to_owned(), 4)]);
}

#[tokio::test]
async fn permissions_are_asked_for() {
    let dispatcher = wired(Arc::default()).await;
    let query = dispatcher.query(GetCatalogStatistics {}).await;
    let denied = query.expect_err("may not");
    assert!(matches!(denied.kind(), QueryErrorKind::Denied(_)));
    let reader = Actor::new("bob").with("catalog:read");
    let command = DiscontinueProduct {
        product_id: id("P1"),
    };
    let command = dispatcher.execute(command).actor(reader.clone()).await;
    assert!(matches!(command, Err(CommandError::Denied(_))));
    let query = dispatcher
        .query(GetCatalogStatistics {})
        .actor(reader)
        .await;
    assert_eq!(query.expect("figures").products_on_sale, 0);
}
