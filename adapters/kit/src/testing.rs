//! A dialect for unit tests.

use crate::view_table::Dialect;

#[derive(Debug)]
pub(crate) struct Plain;

impl Dialect for Plain {
    const PARAMETER: char = '$';
    const BYTES: &'static str = "bytes";
    const TABLE_OPTIONS: &'static str = "";
    const INDEX_SUFFIX: &'static str = ", key";

    fn table(&self, model: &str) -> String {
        model.to_owned()
    }

    fn key_column(_: &str) -> String {
        "key text".to_owned()
    }

    fn index(table: &str, _: &str, column: usize) -> String {
        format!("{table}_{column}")
    }

    fn has_key() -> String {
        "key = $1".to_owned()
    }

    fn stored_key(key: &str) -> String {
        key.to_owned()
    }
}
