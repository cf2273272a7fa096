use std::path::Path;
use std::sync::Arc;

use cqrs_core::store::Store;
use cqrs_core::{Dispatcher, HeldPermissions, Memory};
use cqrs_sqlite::Sqlite;
use example_catalog::{Notifier, ProductId};

use super::Stop;
use super::out::complain;

/// Whether a database that is not there is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Only,
    OrNew,
}

/// The catalogue in a file.
pub async fn in_file(file: &Path, existing: Existing) -> Result<Dispatcher, Stop> {
    if existing == Existing::Only && !file.exists() {
        let file = file.display();
        return Err(Stop::Failed(format!(
            "there is no catalogue `{file}`: `send` and `import` make one, `--db` names another"
        )));
    }
    wire(Sqlite::open(file).await?).await
}

/// A catalogue that is not kept.
pub async fn in_memory() -> Result<Dispatcher, Stop> {
    wire(Memory::new()).await
}

async fn wire(store: impl Store) -> Result<Dispatcher, Stop> {
    let dispatcher = Dispatcher::builder()
        .module(example_catalog::module())
        .store(store)
        .authorizer(HeldPermissions)
        .provide::<dyn Notifier>(Arc::new(StandardError))
        .build()
        .await?;
    Ok(dispatcher)
}

/// Tells whoever sits at the terminal.
struct StandardError;

impl Notifier for StandardError {
    fn low_stock(&self, product: &ProductId, units_left: u32) {
        complain(
            format_args!("notice:"),
            &format!("product {product} runs low, {units_left} left"),
        );
    }
}
