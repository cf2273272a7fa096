use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Command, Clone, Serialize, Deserialize)]
struct DeleteProduct {
    product_id: i64,
}

#[command_handler]
fn delete(command: DeleteProduct, writes: &mut Writes<Sqlite>) {
    writes.execute("DELETE FROM products WHERE id = ?1", command.product_id);
}

fn main() {}
