//! Orders on their way: step by step, and on each store, conducted by the process manager or by reactions.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::BoxFuture;
use cqrs_core::testing::process_manager;
use cqrs_core::{HeldPermissions, Module, Session};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use example_catalog::checkout::{self, Checkout, PATIENCE, PaymentOverdue};
use example_catalog::orders::{
    self, CancelOrder, Collection, GetOrder, GetOrders, LineReserved, Order, OrderCanceled,
    OrderError, OrderId, OrderLine, OrderPlaced, OrderShipped, PaymentReceived, PaymentRefused,
    Payments, PlaceOrder, ReceivePayment, ReleaseLine, RequestPayment, ReserveLine, ShipOrder,
    Stage,
};
use example_catalog::{
    CatalogError, CreateProduct, GetProductById, Notifier, ProductId, ReceiveStock,
    checkout_by_reactions,
};
use rust_decimal::Decimal;
use test_postgres::Server;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

const ORDER: OrderId = OrderId(7);

fn id(text: &str) -> ProductId {
    text.parse().expect("an id")
}

fn line(product: &str, units: u32) -> OrderLine {
    let product_id = id(product);
    OrderLine { product_id, units }
}

// The steps.

fn placed() -> OrderPlaced {
    OrderPlaced {
        order_id: ORDER,
        lines: vec![line("mouse", 2), line("desk", 1)],
    }
}

fn reserve(product: &str, units: u32) -> ReserveLine {
    ReserveLine {
        order_id: ORDER,
        product_id: id(product),
        units,
    }
}

fn reserved(product: &str, units: u32) -> LineReserved {
    LineReserved {
        order_id: ORDER,
        product_id: id(product),
        units,
        price: Decimal::TEN,
    }
}

fn release(product: &str) -> ReleaseLine {
    ReleaseLine {
        order_id: ORDER,
        product_id: id(product),
    }
}

fn cancel(reason: &str) -> CancelOrder {
    CancelOrder {
        order_id: ORDER,
        reason: reason.to_owned(),
    }
}

fn canceled() -> OrderCanceled {
    OrderCanceled {
        order_id: ORDER,
        reason: String::new(),
    }
}

#[test]
fn lines_are_reserved_one_after_the_other_and_then_the_order_is_paid_and_shipped() {
    let order_id = ORDER;
    process_manager::<Checkout>()
        .when(placed())
        .then_sends(reserve("mouse", 2))
        .when(reserved("mouse", 2))
        .then_sends(reserve("desk", 1))
        .then_no_deadline()
        .when(reserved("desk", 1))
        .then_sends(RequestPayment { order_id })
        .then_deadline(PaymentOverdue { order_id }, PATIENCE)
        .when(PaymentReceived { order_id })
        .then_sends(ShipOrder { order_id })
        .then_no_deadline()
        .then_running()
        .when(OrderShipped { order_id })
        .then_ended();
}

#[test]
fn what_was_reserved_is_released_when_a_line_is_refused() {
    let reason = CatalogError::NotFound(id("desk"));
    process_manager::<Checkout>()
        .given((placed(), reserved("mouse", 2)))
        .rejected(reserve("desk", 1), OrderError::Catalog(reason))
        .then_sends(cancel("there is no product desk"))
        .when(canceled())
        .then_sends(release("mouse"))
        .then_ended();
}

#[test]
fn an_order_that_is_not_paid_in_time_is_canceled() {
    let all_reserved = || (placed(), reserved("mouse", 2), reserved("desk", 1));
    process_manager::<Checkout>()
        .given(all_reserved())
        .elapsed(PATIENCE)
        .then_sends(cancel("not paid in time"))
        .when(canceled())
        .then_sends((release("mouse"), release("desk")))
        .then_no_deadline()
        .then_ended();
    let refused = PaymentRefused {
        order_id: ORDER,
        reason: "the card is blocked".to_owned(),
    };
    process_manager::<Checkout>()
        .given(all_reserved())
        .when(refused)
        .then_sends(cancel("not paid: the card is blocked"));
}

#[test]
fn a_payment_at_the_last_moment_is_a_payment() {
    let order_id = ORDER;
    let stage = Stage::Paid;
    process_manager::<Checkout>()
        .given((placed(), reserved("mouse", 2), reserved("desk", 1)))
        .elapsed(PATIENCE)
        .then_sends(cancel("not paid in time"))
        .rejected(
            cancel("not paid in time"),
            OrderError::NotPossible { order_id, stage },
        )
        .then_sends(())
        .when(PaymentReceived { order_id })
        .then_sends(ShipOrder { order_id });
}

// On the stores.

struct Nobody;

impl Notifier for Nobody {
    fn low_stock(&self, _: &ProductId, _: u32) {}
}

/// Takes orders up to 100, refuses those up to 1,000, waits for others, and notes what it has paid back.
#[derive(Default)]
struct Till(Mutex<Vec<(OrderId, Decimal)>>);

impl Payments for Till {
    fn collect(&self, _: OrderId, amount: Decimal) -> BoxFuture<'_, Result<Collection>> {
        let collection = if amount <= Decimal::ONE_HUNDRED {
            Collection::Collected
        } else if amount <= Decimal::ONE_THOUSAND {
            Collection::Refused("it is too much".to_owned())
        } else {
            Collection::Pending
        };
        Box::pin(async { Ok(collection) })
    }

    fn pay_back(&self, order_id: OrderId, amount: Decimal) -> BoxFuture<'_, Result<()>> {
        let mut paid_back = self.0.lock().expect("nothing panics while it holds this");
        paid_back.push((order_id, amount));
        Box::pin(async { Ok(()) })
    }
}

/// A catalog with orders, in which a mouse costs 10, a desk 200 and a house 2,000.
struct Shop {
    app: Dispatcher,
    session: Session,
    till: Arc<Till>,
    /// The seconds that the clock is ahead.
    ahead: Arc<AtomicI64>,
}

impl Shop {
    async fn open(conductor: Module, builder: Builder) -> Self {
        let (till, ahead) = (Arc::<Till>::default(), Arc::<AtomicI64>::default());
        let clock = {
            let ahead = ahead.clone();
            move || {
                Timestamp::now() + Duration::from_secs(ahead.load(Ordering::SeqCst).unsigned_abs())
            }
        };
        let builder = builder
            .module(example_catalog::module())
            .module(orders::module())
            .module(conductor)
            .schedules()
            .authorizer(HeldPermissions)
            .provide::<dyn Notifier>(Arc::new(Nobody))
            .provide::<dyn Payments>(till.clone())
            .clock(clock);
        let app = builder.build().await.expect("builds");
        let actor = Actor::new("ann").with("catalog:read").with("catalog:write");
        let session = app.session().actor(actor);
        let shop = Self {
            app,
            session,
            till,
            ahead,
        };
        for (product, price, units) in [("mouse", 10, 9), ("desk", 200, 2), ("house", 2_000, 1)] {
            shop.stock(product, price, units).await;
        }
        shop
    }

    async fn stock(&self, product: &str, price: i64, units: u32) {
        let product_id = id(product);
        let create = CreateProduct {
            product_id: product_id.clone(),
            name: product.to_owned(),
            description: String::new(),
            price: Decimal::from(price),
        };
        self.session.execute(create).await.expect("is created");
        let receive = ReceiveStock { product_id, units };
        self.session.execute(receive).await.expect("is received");
    }

    /// Places an order, and waits for what comes of it.
    async fn order(&self, order: u64, lines: impl IntoIterator<Item = OrderLine>) {
        let order_id = OrderId(order);
        let lines = lines.into_iter().collect();
        let place = PlaceOrder { order_id, lines };
        self.session.execute(place).await.expect("is placed");
        self.rest().await;
    }

    async fn rest(&self) {
        self.app.wait_until_idle(LONG).await.expect("comes to rest");
    }

    /// The stage of an order, and the reason.
    async fn stage(&self, order: u64) -> (Stage, String) {
        let order_id = OrderId(order);
        let card = self.session.query(GetOrder { order_id }).await;
        let card = card.expect("answers").expect("is there");
        let state = self.app.state::<Order>(&order_id).await.expect("is read");
        assert_eq!(state.stage, card.stage);
        (card.stage, card.reason.unwrap_or_default())
    }

    /// The units of the products that can be reserved.
    async fn left(&self) -> [u32; 3] {
        let mut left = [0; 3];
        for (product, left) in ["mouse", "desk", "house"].into_iter().zip(&mut left) {
            let product_id = id(product);
            let card = self.session.query(GetProductById { product_id }).await;
            *left = card.expect("answers").expect("is there").stock;
        }
        left
    }

    fn pass(&self, time: Duration) {
        let seconds = i64::try_from(time.as_secs()).expect("not long");
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Runs the test once per store.
async fn on_each<F: Future>(test_name: &str, conductor: Module, test: impl Fn(Shop) -> F) {
    let builder = Dispatcher::builder;
    test(Shop::open(conductor, builder().store(Memory::new())).await).await;
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = Sqlite::open(directory.path().join("shop.db")).await;
    let sqlite = sqlite.expect("opens");
    test(Shop::open(conductor, builder().store(sqlite)).await).await;
    let Some(server) = Server::private(test_name) else {
        return;
    };
    let postgres = Postgres::connect(server.url()).await.expect("connects");
    test(Shop::open(conductor, builder().store(postgres)).await).await;
}

async fn orders_are_shipped_or_canceled(shop: Shop) {
    shop.order(1, [line("mouse", 2)]).await;
    assert_eq!(shop.stage(1).await, (Stage::Shipped, String::new()));
    assert_eq!(shop.left().await, [7, 2, 1]);

    shop.order(2, [line("mouse", 3), line("desk", 1)]).await;
    let refused = "not paid: it is too much".to_owned();
    assert_eq!(shop.stage(2).await, (Stage::Canceled, refused));
    assert_eq!(shop.left().await, [7, 2, 1], "all is given back");

    shop.order(3, [line("mouse", 1), line("house", 1), line("desk", 5)])
        .await;
    let (stage, reason) = shop.stage(3).await;
    assert_eq!(stage, Stage::Canceled);
    assert!(reason.starts_with("not enough of product desk"), "{reason}");
    assert_eq!(shop.left().await, [7, 2, 1], "all is given back");

    // By invoice.
    shop.order(4, [line("house", 1)]).await;
    assert_eq!(shop.stage(4).await.0, Stage::Reserved);
    assert_eq!(shop.left().await, [7, 2, 0]);
    let order_id = OrderId(4);
    let paid = shop.session.execute(ReceivePayment { order_id }).await;
    paid.expect("is paid");
    shop.rest().await;
    assert_eq!(shop.stage(4).await.0, Stage::Shipped);
    let late = CancelOrder {
        order_id,
        reason: "changed my mind".to_owned(),
    };
    let error = shop.session.execute(late).await.expect_err("too late");
    assert_eq!(error.to_string(), "order 4 is shipped");

    let orders = shop.session.query(GetOrders {}).await.expect("answers");
    let ids: Vec<u64> = orders.iter().map(|card| card.id.0).collect();
    assert_eq!(ids, [4, 3, 2, 1]);
    assert!(shop.app.health().is_ok(), "{:?}", shop.app.health());
}

async fn a_customer_cancels(shop: Shop) {
    shop.order(1, [line("house", 1), line("mouse", 1)]).await;
    assert_eq!(shop.left().await, [8, 2, 0]);
    let order_id = OrderId(1);
    let reason = "changed my mind".to_owned();
    let cancel = CancelOrder { order_id, reason };
    shop.session.execute(cancel).await.expect("is canceled");
    shop.rest().await;
    assert_eq!(shop.left().await, [9, 2, 1]);
    // The money was on its way.
    let paid = shop.session.execute(ReceivePayment { order_id }).await;
    paid.expect("is taken");
    shop.rest().await;
    let paid_back = shop.till.0.lock().expect("nothing panics").clone();
    assert_eq!(paid_back, [(order_id, Decimal::from(2_010))]);
    assert_eq!(shop.stage(1).await.0, Stage::Canceled);
    assert!(shop.app.health().is_ok(), "{:?}", shop.app.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_manager_ships_orders_or_cancels_them() {
    let name = "a_process_manager_ships_orders_or_cancels_them";
    on_each(name, checkout::module(), orders_are_shipped_or_canceled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_ship_orders_or_cancel_them() {
    let name = "reactions_ship_orders_or_cancel_them";
    let conductor = checkout_by_reactions::module();
    on_each(name, conductor, orders_are_shipped_or_canceled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_manager_gives_back_what_a_customer_cancels() {
    let name = "a_process_manager_gives_back_what_a_customer_cancels";
    on_each(name, checkout::module(), a_customer_cancels).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_give_back_what_a_customer_cancels() {
    let name = "reactions_give_back_what_a_customer_cancels";
    on_each(name, checkout_by_reactions::module(), a_customer_cancels).await;
}

async fn an_invoice_expires(shop: Shop) {
    shop.order(1, [line("house", 1)]).await;
    assert_eq!(shop.stage(1).await.0, Stage::Reserved);
    shop.pass(PATIENCE);
    // A look at the clock.
    shop.order(2, [line("mouse", 1)]).await;
    shop.rest().await;
    let reason = "not paid in time".to_owned();
    assert_eq!(shop.stage(1).await, (Stage::Canceled, reason));
    assert_eq!(shop.left().await, [8, 2, 1]);
    // The second one was paid by then.
    shop.pass(PATIENCE);
    shop.order(3, [line("mouse", 1)]).await;
    shop.rest().await;
    assert_eq!(shop.stage(2).await.0, Stage::Shipped);
    assert!(shop.app.health().is_ok(), "{:?}", shop.app.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_manager_cancels_what_is_not_paid() {
    let name = "a_process_manager_cancels_what_is_not_paid";
    on_each(name, checkout::module(), an_invoice_expires).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_cancel_what_is_not_paid() {
    let name = "reactions_cancel_what_is_not_paid";
    on_each(name, checkout_by_reactions::module(), an_invoice_expires).await;
}

#[tokio::test]
async fn who_waits_for_a_payment_can_be_seen() {
    let builder = Dispatcher::builder().store(Memory::new());
    let shop = Shop::open(checkout::module(), builder).await;
    shop.order(1, [line("house", 1)]).await;
    let instance = shop.app.process::<Checkout>(&OrderId(1)).await;
    let instance = instance.expect("is read").expect("is there");
    let [deadline] = &instance.deadlines[..] else {
        panic!("{instance:?}");
    };
    assert_eq!(deadline.name, "payment-overdue");
}
