//! An order is about all products of a cart, a move about several accounts: one decision, recorded
//! with all of them or not at all.

use std::collections::{BTreeSet, HashSet};

use cqrs_core::prelude::*;
use cqrs_core::testing::given;

use crate::support::race;
use crate::support::stores::{on_each, with_caches};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct AddStock {
    #[id(Product)]
    pub product: u32,
    pub units: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = OutOfStock)]
pub struct PlaceOrder {
    #[id(Customer)]
    pub customer: u32,
    #[id(Product, each)]
    pub products: Vec<u32>,
}

/// Empties accounts into others, in equal parts.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct MoveMoney {
    #[id(Account, each)]
    pub from_ids: BTreeSet<u32>,
    #[id(Account, each)]
    pub to: [u32; 2],
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "stock-added", version = 1)]
pub struct StockAdded {
    #[id(Product)]
    pub product: u32,
    pub units: u32,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "order-placed", version = 1)]
pub struct OrderPlaced {
    #[id(Customer)]
    pub customer: u32,
    #[id(Product, each)]
    pub products: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("product {0} is out of stock")]
pub struct OutOfStock(u32);

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Product {
    units: u32,
}

#[aggregate(id = u32)]
impl Product {
    #[apply]
    fn added(&mut self, event: &StockAdded) {
        self.units += event.units;
    }

    #[apply]
    fn ordered(&mut self, _: &OrderPlaced) {
        self.units -= 1;
    }
}

#[derive(Default)]
pub struct Customer {
    orders: u32,
}

#[aggregate(id = u32)]
impl Customer {
    #[apply]
    fn ordered(&mut self, _: &OrderPlaced) {
        self.orders += 1;
    }
}

#[command_handler]
fn add(AddStock { product, units }: AddStock) -> StockAdded {
    StockAdded { product, units }
}

#[command_handler]
fn order(
    cmd: PlaceOrder,
    customer: &Customer,
    products: Each<Product>,
) -> Result<OrderPlaced, OutOfStock> {
    assert!(customer.orders < 1_000_000);
    for (product, state) in &products {
        ensure!(state.units > 0, OutOfStock(*product));
    }
    Ok(OrderPlaced {
        customer: cmd.customer,
        products: products.iter().map(|(product, _)| *product).collect(),
    })
}

fn stock(product: u32, units: u32) -> AddStock {
    AddStock { product, units }
}

fn stocked(product: u32, units: u32) -> StockAdded {
    StockAdded { product, units }
}

fn cart(products: impl IntoIterator<Item = u32>) -> PlaceOrder {
    PlaceOrder {
        customer: 1,
        products: products.into_iter().collect(),
    }
}

fn ordered(products: &[u32]) -> OrderPlaced {
    OrderPlaced {
        customer: 1,
        products: products.to_vec(),
    }
}

#[test]
fn a_cart_is_decided_on_in_the_order_of_its_ids_and_each_id_once() {
    given((stocked(1, 1), stocked(2, 1), stocked(3, 1)))
        .when(cart([3, 1, 2, 1, 3]))
        .then(ordered(&[3, 1, 2]));
    given((stocked(1, 1), stocked(3, 1)))
        .when(cart([3, 2, 1, 4]))
        .then_rejected(OutOfStock(2));
    given(()).when(cart([])).then(ordered(&[]));
}

#[test]
fn a_handler_of_a_list_is_a_plain_function() {
    let (full, empty) = (Product { units: 2 }, Product::default());
    let products = Each::new([(&7, &full), (&8, &empty), (&7, &empty)]);
    assert_eq!((products.len(), products[&7].units), (2, 2));
    assert!(products.get(&9).is_none());
    assert_eq!(products.values().map(|it| it.units).sum::<u32>(), 2);
    assert_eq!(
        format!("{products:?}"),
        r#"{"7": Product { units: 2 }, "8": Product { units: 0 }}"#
    );
    let refused = order(cart([7, 8]), &Customer::default(), products);
    assert_eq!(refused.expect_err("has no 8"), OutOfStock(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_carts_that_overlap_those_are_ordered_that_share_no_last_unit() {
    on_each(module(), |app| async move {
        let apps = with_caches(app, module()).await;
        for product in 0..16 {
            apps[0].execute(stock(product, 1)).await.expect("is added");
        }
        let outcomes = race(32, |number| {
            let app = apps[number % apps.len()].clone();
            let number = u32::try_from(number).expect("a small number");
            // Each overlaps with its neighbors, some in the opposite order.
            let products = [number % 16, (number + 1) % 16, (number + 5) % 16];
            let products = if number < 16 {
                products
            } else {
                [products[2], products[1], products[0]]
            };
            async move { (products, app.execute(cart(products)).await) }
        })
        .await;
        let mut sold = HashSet::new();
        for (products, outcome) in &outcomes {
            if outcome.is_ok() {
                assert!(products.iter().all(|it| sold.insert(*it)), "sold twice");
            }
        }
        assert!(sold.len() >= 6, "only {sold:?}");
        for (products, outcome) in outcomes {
            let Err(error) = outcome else { continue };
            let OutOfStock(product) = error.rejected().expect("nothing else goes wrong");
            assert!(sold.contains(&product) && products.contains(&product));
        }
        for product in 0..16 {
            let state = apps[0].state::<Product>(&product).await.expect("reads");
            assert_eq!(state.units, u32::from(!sold.contains(&product)));
        }
    })
    .await;
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(name = "money-added", version = 1)]
pub struct MoneyAdded {
    #[id(Account)]
    pub account: u32,
    pub cents: i64,
}

#[derive(Default)]
pub struct Account {
    cents: i64,
}

#[aggregate(id = u32)]
impl Account {
    #[apply]
    fn added(&mut self, event: &MoneyAdded) {
        self.cents += event.cents;
    }
}

fn added(account: u32, cents: i64) -> MoneyAdded {
    MoneyAdded { account, cents }
}

/// Two lists of one aggregate are told apart by name, as two ids are.
#[command_handler]
fn move_money(_: MoveMoney, to: Each<Account>, from_ids: Each<'_, Account>) -> Vec<MoneyAdded> {
    let parts = i64::try_from(to.len().max(1)).expect("is small");
    let sum: i64 = from_ids.values().map(|account| account.cents).sum();
    let taken = from_ids
        .into_iter()
        .map(|(id, state)| added(*id, -state.cents));
    let given = to.iter().map(|(id, _)| added(*id, sum / parts));
    taken.chain(given).collect()
}

#[test]
fn two_lists_of_one_aggregate_are_told_apart_by_name() {
    let command = MoveMoney {
        from_ids: BTreeSet::from([2, 1]),
        to: [9, 3],
    };
    given((added(1, 10), added(2, 20), added(9, 5)))
        .when(command)
        .then((added(1, -10), added(2, -20), added(9, 15), added(3, 15)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moves_in_circles_lose_no_money() {
    on_each(module(), |app| async move {
        let money = |account| {
            let events = app.history::<Account>(&account);
            async move {
                let events = events.all().await.expect("reads");
                let cents = |it: &Recorded| it.decode::<MoneyAdded>().expect("decodes").cents;
                events.iter().map(|it| cents(it)).sum::<i64>()
            }
        };
        // Each of the 16 moves halves what it takes, and none is to end with half a cent.
        let cents = 1 << 20;
        let paid = app.execute(Pay { account: 0, cents }).await;
        paid.expect("is paid");
        let outcomes = race(16, |number| {
            let app = app.clone();
            let number = u32::try_from(number).expect("a small number");
            let command = MoveMoney {
                from_ids: BTreeSet::from([number % 4, (number + 1) % 4]),
                to: [(number + 2) % 4, (number + 3) % 4],
            };
            async move { app.execute(command).await }
        })
        .await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let mut sum = 0;
        for account in 0..4 {
            sum += money(account).await;
        }
        assert_eq!(sum, cents);
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pay {
    #[id(Account)]
    pub account: u32,
    pub cents: i64,
}

#[command_handler]
fn pay(Pay { account, cents }: Pay) -> MoneyAdded {
    added(account, cents)
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Poor)]
pub struct Charge {
    #[id(Account, each)]
    pub accounts: Vec<u32>,
    pub cents: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("account {0} has too little")]
pub struct Poor(u32);

#[command_handler]
fn charge(cmd: Charge, accounts: Each<Account>) -> Result<Vec<MoneyAdded>, Poor> {
    let mut charged = Vec::with_capacity(accounts.len());
    for (account, state) in accounts {
        ensure!(state.cents >= cmd.cents, Poor(*account));
        charged.push(added(*account, -cmd.cents));
    }
    Ok(charged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_aggregates_are_decided_on_over_and_over() {
    on_each(module(), |app| async move {
        let charge = |cents| Charge {
            accounts: (0..300).rev().collect(),
            cents,
        };
        app.execute(charge(0)).await.expect("nobody has less");
        for account in 0..300 {
            app.execute(Pay { account, cents: 30 }).await.expect("pays");
        }
        let apps = with_caches(app, module()).await;
        for app in apps.iter().chain(&apps).take(6) {
            let receipt = app.execute(charge(5)).await.expect("all have enough");
            assert_eq!(receipt.events(), 300);
        }
        for app in &apps {
            let refused = app.execute(charge(1)).await.expect_err("all is spent");
            assert_eq!(refused.rejected(), Some(Poor(299)));
        }
    })
    .await;
}

#[tokio::test]
async fn states_of_a_list_stay_in_the_cache() {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let app = builder.build().await.expect("builds");
    let cents = 0;
    let accounts: Vec<_> = (0..300).collect();
    for _ in 0..3 {
        let accounts = accounts.clone();
        app.execute(Charge { accounts, cents })
            .await
            .expect("nobody has less");
    }
    let cache = app.health().state_cache;
    assert_eq!((cache.misses, cache.hits), (300, 600));
}
