// The example needs `cqrs-core`, which depends on this crate: `tests/lib.rs` compiles and runs it.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

use proc_macro::TokenStream;

mod aggregate;
mod args;
mod case;
mod command;
mod command_handler;
mod errors;
mod event;
mod event_handler;
mod event_method;
mod framework;
mod function;
mod hygiene;
mod id;
mod identity;
mod impl_block;
mod message;
mod projection;
mod query;
mod query_handler;
mod read_model;
mod setup;
mod source;
mod storage;
mod suggest;
mod sum;
#[cfg(test)]
mod tests;
mod types;

/// Makes a struct a command: a request to change state.
///
/// ```text
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// #[command(error = CatalogError, permission = "catalog:write")]
/// pub struct CreateProduct {
///     #[id(Product)]
///     pub product_id: ProductId,
///     pub name: String,
/// }
/// ```
///
/// Keys of `#[command(..)]`, all optional:
///
/// - `error = Type`: how the domain says no. Without it, with `cqrs_core::error::Rejected`, a text.
/// - `permission = ".."`: what the actor must hold to send it.
/// - `name = ".."`: its wire name, if not the type's name.
/// - `attempts = 1`: maximum number of times its handler runs for one sending. Defaults to the
///   dispatcher's limit, 16. Give it when the handler has side effects.
/// - `crate = ".."`: where `cqrs-core` is.
///
/// `#[id(Product)]` on a field says that it identifies the `Product` to load for handlers that
/// take `&Product`. The aggregate's name in tags is the type's in kebab case; `#[id("product")]`
/// gives it as it is. A command may identify two aggregates of one type, as with `from_id` and
/// `to_id`: a handler's parameters are then named `from` and `to`, as the fields without `_id`.
///
/// `#[id(Product, each)]` on a collection of ids identifies several products, for handlers that
/// take `Each<Product>`. With two such collections, the parameters are named as the fields without
/// `_ids`.
#[proc_macro_derive(Command, attributes(command, id))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), command::Command::read).into()
}

/// Makes a struct a query: a question that changes nothing.
///
/// ```text
/// #[derive(Query, Clone, Serialize, Deserialize)]
/// #[query(returns = Option<ProductView>, permission = "catalog:read")]
/// pub struct GetProductById {
///     pub product_id: ProductId,
/// }
/// ```
///
/// Keys of `#[query(..)]`:
///
/// - `returns = Type`, required: the type of the answer.
/// - `permission = ".."`: what the actor must hold to ask it.
/// - `name = ".."`: its wire name, if not the type's name.
/// - `crate = ".."`: where `cqrs-core` is.
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), query::Query::read).into()
}

/// Makes a struct an event: something that happened. Makes an enum of events a return type for
/// handlers.
///
/// ```text
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "product-created", version = 1)]
/// pub struct ProductCreated {
///     #[id(Product)]
///     pub product_id: ProductId,
///     #[id(Category, each)]
///     pub categories: Vec<CategoryId>,
/// }
///
/// #[derive(Event)]
/// pub enum Restocked {
///     Partly(StockAdded),
///     Fully(StockFilled),
/// }
/// ```
///
/// Keys of `#[event(..)]` on a struct:
///
/// - `name = ".."`, required: its wire name, which stays when the type is renamed.
/// - `version = 1`, required: the version of its wire format.
/// - `crate = ".."`: where `cqrs-core` is.
///
/// `#[id(Product)]` on a field tags the event with the product that it concerns;
/// `#[id(Category, each)]` on a collection tags it with each. `#[id("product")]` gives the
/// aggregate's name as it is.
///
/// Each variant of an enum holds one event; names and versions are those of the events. Of
/// `#[event(..)]` an enum knows `crate` only.
#[proc_macro_derive(Event, attributes(event, id))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::derive(input.into()).into()
}

/// Makes a struct a read model: what queries are answered from.
///
/// ```text
/// #[derive(ReadModel, Clone, Serialize, Deserialize)]
/// pub struct ProductView {
///     #[key]
///     pub id: ProductId,
///     pub name: String,
///     #[index]
///     pub current_price: Decimal,
/// }
/// ```
///
/// `#[key]` marks the field that identifies a view; there is one. `#[index]` marks a field that
/// views are found or sorted by, and makes a constant of it: `ProductView::CURRENT_PRICE`.
///
/// Keys of `#[read_model(..)]`, all optional:
///
/// - `name = ".."`: its name in the store, of `a-z`, `0-9` and `_`, if not the type's in snake
///   case.
/// - `crate = ".."`: where `cqrs-core` is.
#[proc_macro_derive(ReadModel, attributes(read_model, key, index))]
pub fn derive_read_model(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), read_model::ReadModel::read).into()
}

/// Makes a type an aggregate: state folded from events, which command handlers take as `&State`.
///
/// ```text
/// #[aggregate(id = ProductId)]
/// impl Product {
///     #[apply]
///     fn created(&mut self, event: &ProductCreated) {
///         self.exists = true;
///     }
///
///     #[apply]
///     fn repriced(&mut self, event: &ProductPriceUpdated, recorded: &Recorded) {
///         self.price = event.new_price;
///         self.priced_at = recorded.time;
///     }
/// }
/// ```
///
/// `#[apply]` marks the methods that fold an event each. They take `&mut self`, the event by
/// reference and, if they need them, the event as recorded (`&Recorded`) and a reference to the id
/// of the aggregate. A method of an event that has several ids of the aggregate must take the id.
/// The block may have other methods, but none that takes `&mut self` and an event.
///
/// Keys:
///
/// - `id = Type`, required: the type of its id; the events' `#[id(..)]` fields are of this type.
/// - `ids(Student = StudentId, Course = CourseId)` instead of `id`: it is folded from the events that
///   bear all of these, as `#[id(Student)]` and `#[id(Course)]`. Commands bear all of them, too. Its
///   `Aggregate::Id` is the tuple of them. Its state is not stored, and `Each` does not take it.
/// - `name = ".."`: its name in tags, if not the type's in kebab case.
/// - `storage = "events"` (as without it) folds it from the events, `storage = "state"` keeps the
///   current state in the store.
/// - `snapshot_every = 100`: keeps the folded state in the store every so many events, so that a
///   decision folds only what came later.
/// - `permission = ".."`: what an actor must hold to read its state and history.
/// - `crate = ".."`: where `cqrs-core` is.
#[proc_macro_attribute]
pub fn aggregate(args: TokenStream, item: TokenStream) -> TokenStream {
    aggregate::attribute(args.into(), item.into()).into()
}

/// Makes a function the handler of a command: it decides, and returns what happened.
///
/// ```text
/// #[command_handler]
/// fn create_product(
///     cmd: CreateProduct,
///     product: &Product,
/// ) -> Result<ProductCreated, CatalogError> {
///     ensure!(!product.exists, CatalogError::AlreadyExists(cmd.product_id));
///     Ok(ProductCreated { product_id: cmd.product_id, name: cmd.name })
/// }
/// ```
///
/// The function, sync or async, takes its command by value and then any of: `&State` (an aggregate,
/// loaded by the command's `#[id(..)]`), `Each<State>` (a list of aggregates, loaded by the command's
/// `#[id(.., each)]`), `Service<T>` or `Service<dyn Trait>` (a service), `&Context`. It
/// returns an event, a tuple, `Vec` or `Option` of events, an enum that derives `Event` or `()`,
/// bare or in a `Result` with the command's error. It stays a plain function: its unit tests call
/// it.
///
/// It may also take a transaction of the store, `&mut Tx<Sqlite>` or `&mut Tx<Postgres>`. What it
/// writes with SQL commits with the events, or not at all:
///
/// ```text
/// #[command_handler]
/// async fn reserve(
///     cmd: Reserve,
///     tx: &mut Tx<Postgres>,
/// ) -> Result<Reserved, CommandError<SoldOut>> {
///     let take = "UPDATE stock SET units = units - 1 WHERE product = $1 AND units > 0";
///     let taken = tx.execute(take, &[&cmd.product]).await;
///     ensure!(taken.map_err(CommandError::failed)? == 1, SoldOut);
///     Ok(Reserved { product: cmd.product })
/// }
/// ```
///
/// The only key is `crate = ".."`: where `cqrs-core` is.
#[proc_macro_attribute]
pub fn command_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    command_handler::attribute(args.into(), item.into()).into()
}

/// Makes a function the handler of a query.
///
/// ```text
/// #[query_handler]
/// async fn product_by_id(
///     query: GetProductById,
///     views: Read<ProductView>,
/// ) -> Result<Option<ProductView>> {
///     views.get(&query.product_id).await
/// }
/// ```
///
/// The function, sync or async, takes its query by value and then any of: `Read<V>` (a read
/// model), `Service<T>` or `Service<dyn Trait>` (a service), `&Context`, `ReadTx<Sqlite>` or
/// `ReadTx<Postgres>` (SQL on the store's database, read-only). It returns what the query's
/// `returns` says, bare or in a `Result`.
///
/// The only key is `crate = ".."`: where `cqrs-core` is.
#[proc_macro_attribute]
pub fn query_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    query_handler::attribute(args.into(), item.into()).into()
}

/// Makes a function a reaction to an event: a side effect, at least once, from a checkpoint of its
/// own, which a rebuild of read models never repeats.
///
/// ```text
/// #[event_handler]
/// async fn announce(event: ProductCreated, mailer: Service<dyn Mailer>) -> Result<()> {
///     mailer.announce(&event.name).await
/// }
/// ```
///
/// The function, sync or async, takes its event by value and then any of: `&Recorded` (the event
/// as stored), `Service<T>` or `Service<dyn Trait>` (a service), `&Dispatcher` (to send commands). It
/// returns nothing, or `Result<()>`.
///
/// Keys, all optional:
///
/// - `name = ".."` names the checkpoint (none: the function). Give it when the function is renamed,
///   so that the reaction goes on where it was.
/// - `start = "origin"` (as without it) begins a new reaction with the log's first event,
///   `start = "now"` with the next one.
/// - `crate = ".."`: where `cqrs-core` is.
#[proc_macro_attribute]
pub fn event_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    event_handler::attribute(args.into(), item.into()).into()
}

/// Makes a type a projection: it folds events into read models.
///
/// ```text
/// pub struct ProductList;
///
/// #[projection(name = "products", version = 1)]
/// impl ProductList {
///     #[on]
///     fn created(
///         event: &ProductCreated,
///         recorded: &Recorded,
///         views: &mut Views<ProductView>,
///     ) -> Result<()> {
///         views.put(ProductView::new(event, recorded.time));
///         Ok(())
///     }
/// }
/// ```
///
/// `#[on]` marks the functions that fold an event each. Sync or async, they take the event by
/// reference and then any of: `&Recorded` (the event as stored), `&mut Views<V>` (a read model to
/// write). They return nothing, or `Result<()>`. The block may have other functions.
///
/// In place of `Views`, a function may take a transaction of the store, `&mut Tx<Sqlite>` or
/// `&mut Tx<Postgres>`, for tables of its own: what it writes commits with the checkpoint.
/// `#[setup]` marks the one function that makes them:
///
/// ```text
/// #[projection(name = "sales", version = 1)]
/// impl Sales {
///     #[setup]
///     async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
///         Ok(tx.batch_execute("CREATE TABLE sales_1 (product text PRIMARY KEY)").await?)
///     }
///
///     #[on]
///     async fn sold(event: &Sold, tx: &mut Tx<Postgres>) -> Result<()> {
///         let insert = "INSERT INTO sales_1 VALUES ($1) ON CONFLICT DO NOTHING";
///         tx.execute(insert, &[&event.product]).await?;
///         Ok(())
///     }
/// }
/// ```
///
/// It runs during `build`, in the transaction that gives the projection its first checkpoint: once,
/// and again when `version` is raised. So the table's name has the version in it.
///
/// Keys:
///
/// - `name = ".."`, required: names its checkpoint, of `a-z`, `0-9`, `_` and `-`.
/// - `version = 1`, required: raise it when a fold changes, and the read models are rebuilt.
/// - `crate = ".."`: where `cqrs-core` is.
#[proc_macro_attribute]
pub fn projection(args: TokenStream, item: TokenStream) -> TokenStream {
    projection::attribute(args.into(), item.into()).into()
}
