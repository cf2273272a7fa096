//! Types of every kind around the messages: with lifetimes, type and const parameters, aliases,
//! tuples, arrays, and from macros.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use cqrs_core::prelude::*;
use cqrs_core::views::{Indexed, SortKey};

/// A type with a const parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Fixed<const PLACES: u32>(i64);

/// A type with a type parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
struct Id<T> {
    number: u64,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

impl<const PLACES: u32> Indexed for Fixed<PLACES> {
    fn sort_key(&self, key: &mut SortKey) {
        self.0.sort_key(key);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Goods;

type GoodsId = Id<Goods>;
type Map<V, const N: usize = 2> = BTreeMap<String, [V; N]>;

#[derive(Command, Clone, Serialize, Deserialize)]
struct Price {
    #[id(Shelf)]
    goods: GoodsId,
    price: Fixed<2>,
    note: Cow<'static, str>,
    parts: (u8, Option<Box<[Arc<str>]>>),
    map: Map<Fixed<3>>,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "priced", version = 1)]
struct Priced {
    #[id(Shelf)]
    goods: Id<Goods>,
    #[id(Tag, each)]
    list: Vec<Id<Goods>>,
    #[id("label", each)]
    array: [u8; 3],
    #[id(Set, each)]
    set: BTreeSet<String>,
    #[id(Hash, each)]
    hash: HashSet<Cow<'static, str>>,
    #[id(Maybe, each)]
    maybe: Option<u64>,
    price: Fixed<2>,
    map: Map<Fixed<3>>,
}

#[derive(Default)]
struct Shelf {
    price: Option<Fixed<2>>,
}

#[aggregate(id = Id<Goods>)]
impl Shelf {
    #[apply]
    fn priced(&mut self, event: &Priced) {
        self.price = Some(event.price.clone());
    }
}

/// A concrete type among the generic.
struct Labels<const N: usize> {
    seen: [u8; N],
}

impl<const N: usize> Default for Labels<N> {
    fn default() -> Self {
        Self { seen: [0; N] }
    }
}

#[aggregate(id = u8, name = "label")]
impl Labels<2> {
    #[apply]
    fn priced(&mut self, _: &Priced) {
        self.seen[0] += 1;
    }
}

struct Rate<T, const N: usize>([T; N]);

#[command_handler]
fn price(
    cmd: Price,
    shelf: &Shelf,
    rate: Service<Rate<u8, { 1 + 1 }>>,
    fixed: Service<dyn Fn(u8) -> Fixed<2> + Send + Sync>,
) -> Result<Option<Priced>, Rejected> {
    ensure!(shelf.price != Some(cmd.price.clone()), "has this price");
    assert_eq!((rate.0[1], fixed(3)), (2, Fixed(3)));
    let Price { goods, price, map, .. } = cmd;
    Ok(Some(Priced {
        list: vec![goods.clone()],
        goods,
        array: [1, 2, 3],
        set: BTreeSet::from(["a".into()]),
        hash: HashSet::from(["b".into()]),
        maybe: Some(9),
        price,
        map,
    }))
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PriceView {
    #[key]
    goods: Id<Goods>,
    #[index]
    price: Fixed<2>,
    #[index]
    before: Option<i64>,
    map: Map<Fixed<3>>,
}

struct Prices<T>(PhantomData<T>);

#[projection(name = "prices", version = 1)]
impl Prices<[u8; 2]> {
    #[on]
    fn priced(event: &Priced, views: &mut Views<PriceView>) {
        let Priced { goods, price, map, .. } = event;
        views.put(PriceView {
            goods: goods.clone(),
            price: price.clone(),
            before: None,
            map: map.clone(),
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = BTreeMap<u64, (PriceView, [Fixed<2>; 1])>)]
struct PricesFrom {
    least: Fixed<2>,
}

#[query_handler]
async fn prices(
    query: PricesFrom,
    views: Read<PriceView>,
) -> Result<BTreeMap<u64, (PriceView, [Fixed<2>; 1])>> {
    let found = views.find().range(PriceView::PRICE, query.least..).all().await?;
    let entry = |view: PriceView| (view.goods.number, (view.clone(), [view.price]));
    Ok(found.into_iter().map(entry).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let app = Dispatcher::builder()
        .store(Memory::new())
        .provide(Arc::new(Rate([1_u8, 2])))
        .provide::<dyn Fn(u8) -> Fixed<2> + Send + Sync>(Arc::new(|it| Fixed(it.into())))
        .build()
        .await?;
    let goods = Id { number: 7, of: PhantomData };
    let price = Price {
        goods: goods.clone(),
        price: Fixed(12_00),
        note: "new".into(),
        parts: (1, Some(Box::new(["part".into()]))),
        map: BTreeMap::from([("a".into(), [Fixed(1), Fixed(2)])]),
    };
    let receipt = app.execute(price).await?;
    let found = app.query(PricesFrom { least: Fixed(10) }).after(&receipt).await?;
    assert_eq!(found[&7].1, [Fixed(12_00)]);
    let history = app.history::<Shelf>(&goods).all().await?;
    let tags: Vec<_> = history[0].data.tags.into_iter().map(|tag| tag.to_string()).collect();
    assert_eq!(
        tags,
        ["shelf:7", "tag:7", "label:1", "label:2", "label:3", "set:a", "hash:b", "maybe:9"]
    );
    assert_eq!(app.state::<Labels<2>>(&2).await?.seen, [1, 0]);
    Ok(())
}
