//! The product catalog as a program; see `example-catalog --help`.

#![forbid(unsafe_code)]

mod demo;
mod tables;

use std::process::ExitCode;
use std::sync::Arc;

use cqrs_cli::{Program, StoreKind, eprint_line};
use cqrs_core::app::Builder;
use cqrs_core::{Dispatcher, HeldPermissions};
use example_catalog::orders::{Payments, SimulatedPayments};
use example_catalog::{Notifier, ProductId};

fn main() -> ExitCode {
    Program::new(catalog)
        .name("catalog")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A product catalog: products with prices and stock, orders, and their checkout")
        .title("Product catalog")
        .role("editor", ["catalog:read", "catalog:write"])
        .role("reader", ["catalog:read"])
        .role(
            "operator",
            [
                "catalog:read",
                "catalog:write",
                "operations:read",
                "operations:write",
            ],
        )
        .without_verb("Shows what the catalog can do", demo::run)
        .run()
}

/// The catalog, without a store.
fn catalog(store: StoreKind) -> Builder {
    let catalog = Dispatcher::builder()
        .module(example_catalog::module())
        .module(example_catalog::orders::module())
        .module(example_catalog::checkout::module())
        .schedules()
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(StandardError))
        .provide::<dyn Payments>(Arc::new(SimulatedPayments));
    match store {
        // The sales report needs SQL in handlers.
        StoreKind::Postgres => catalog.module(example_catalog::sales::module()),
        _ => catalog,
    }
}

/// Prints notices to the standard error.
struct StandardError;

impl Notifier for StandardError {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        eprint_line(
            format_args!("notice:"),
            &format!("product {product} runs low, {units_left} left"),
        );
    }
}
