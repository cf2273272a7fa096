use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{ReadModel, SortKey};
use crate::error::{Error, Result};
use crate::json;
use crate::panic::panic_message;

/// Encodes a view as JSON that can be decoded again, and a sort key per index.
///
/// # Errors
/// When the view cannot be stored. The error names the view and the field.
pub(super) fn encode<V: ReadModel>(key: &str, view: &V) -> Result<(Vec<u8>, Vec<SortKey>)> {
    let bytes = stored_bytes(key);
    if bytes > SortKey::MAX_BYTES {
        return Err(broken::<V>(key, &too_large("key", bytes)));
    }
    catch_unwind(AssertUnwindSafe(|| {
        let body = json::encode(view).map_err(|error| error.to_string())?;
        let sort_keys = view.sort_keys();
        for (index, sort_key) in V::INDEXES.iter().zip(&sort_keys) {
            let bytes = sort_key.as_bytes().len();
            if bytes > SortKey::MAX_BYTES {
                return Err(too_large(&format!("index `{index}`"), bytes));
            }
        }
        Ok((body, sort_keys))
    }))
    .unwrap_or_else(|panic| Err(panicked(&*panic)))
    .map_err(|why| broken::<V>(key, &why))
}

/// Decodes a view from its JSON.
///
/// # Errors
/// When the JSON does not fit the type. The error names the view and the field.
pub(super) fn decode<V: ReadModel>(key: &str, body: &[u8]) -> Result<V> {
    catch_unwind(|| json::decode(body).map_err(|error| error.to_string()))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
        .map_err(|error| {
            let why = format!(
                "it does not fit the type any more ({error}): raise the projection's version"
            );
            broken::<V>(key, &why)
        })
}

/// The error of a view that cannot be written or read.
pub(super) fn broken<V: ReadModel>(key: &str, why: &str) -> Error {
    const MOST: usize = 80;
    let is_long = key.chars().nth(MOST).is_some();
    let shown: String = key
        .chars()
        .take(MOST)
        .chain(is_long.then_some('…'))
        .collect();
    Error::message(format!("view `{shown}` of `{}`: {why}", V::NAME))
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    format!("it panicked: {}", panic_message(panic))
}

fn too_large(what: &str, bytes: usize) -> String {
    format!(
        "its {what} has {bytes} bytes, at most {}",
        SortKey::MAX_BYTES
    )
}

/// Size of a key in a store that has to escape U+0000 and U+0001 with two bytes each.
fn stored_bytes(key: &str) -> usize {
    key.len() + key.bytes().filter(|byte| *byte <= 1).count()
}
