use quote::quote;

use super::expect;
use crate::command::CommandItem;
use crate::errors::derive;
use crate::event;
use crate::query::QueryItem;

#[test]
fn command() {
    let item = quote! {
        /// Adds a product.
        ///
        ///     code
        #[command(error = CatalogError, permission = "catalog:write")]
        pub struct CreateProduct {
            #[id(Product)]
            pub product_id: ProductId,
            #[id(crate::billing::BillingAccount)]
            pub account: AccountId,
            pub r#type: String,
        }
    };
    expect("command", derive(item, CommandItem::read));
}

#[test]
fn command_with_two_ids_of_one_aggregate() {
    let item = quote! {
        struct Transfer {
            #[id(Account)]
            from_id: AccountId,
            #[id("account")]
            r#to: AccountId,
        }
    };
    expect("command_two_ids", derive(item, CommandItem::read));
}

#[test]
fn command_with_collections_of_ids() {
    let item = quote! {
        struct MoveMoney {
            #[id(Account, each)]
            from_ids: BTreeSet<AccountId>,
            #[id(Account, each)]
            r#to: Vec<AccountId>,
            #[id(Account)]
            fees: AccountId,
        }
    };
    expect("command_collections", derive(item, CommandItem::read));
}

#[test]
fn unit_command_elsewhere() {
    let item = quote! {
        #[command(name = "ping", attempts = 1)]
        #[command(crate = "my_crate::cqrs")]
        struct Ping;
    };
    expect("command_unit", derive(item, CommandItem::read));
}

#[test]
fn query() {
    let item = quote! {
        #[query(returns = Option<HashMap<String, ProductView>>, permission = "catalog:read")]
        pub struct GetProductById {
            pub product_id: ProductId,
        }
    };
    expect("query", derive(item, QueryItem::read));
}

#[test]
fn query_with_rows() {
    let item = quote! {
        #[query(returns = Orders, rows = [own_orders, crate::bills::own_bills])]
        pub struct ListOrders;
    };
    expect("query_rows", derive(item, QueryItem::read));
}

#[test]
fn event_with_ids() {
    let item = quote! {
        /// A product is there.
        #[event(name = "product-created", version = 2)]
        pub struct ProductCreated {
            #[id(Product)]
            pub product_id: ProductId,
            #[id(Category, each)]
            pub categories: Vec<CategoryId>,
            #[id(Product, each)]
            pub parts: Vec<ProductId>,
            pub name: String,
        }
    };
    expect("event", event::derive(item));
}

#[test]
fn unit_event() {
    let item = quote! {
        #[event(name = "night-fell", version = 1, retired = ["day-ended", "dusk-fell"], crate = cqrs)]
        struct NightFell;
    };
    expect("event_unit", event::derive(item));
}

#[test]
fn event_enum() {
    let item = quote! {
        enum Restocked {
            Partly(StockAdded),
            r#Fully(StockFilled),
        }
    };
    expect("event_enum", event::derive(item));
}
