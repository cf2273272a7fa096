use std::collections::BTreeSet;

use super::ErasedBuffer;
use crate::error::{Error, Result};

/// What a fold has returned, on views that are written one by one.
///
/// A commit that was interrupted has written some views and not others. When its events are folded
/// again, a fold that reads one of those views sees a later state of it. So it may write only the view
/// that it has read: what it makes of a later state is ignored then, and so is an error.
///
/// # Errors
/// That of the fold, or when it has read one view and written another.
pub(crate) fn only_own_view<'a>(
    buffers: impl Iterator<Item = &'a dyn ErasedBuffer> + Clone,
    folded: Result<()>,
) -> Result<()> {
    let mut read = None;
    let mut touched = BTreeSet::new();
    for buffer in buffers.clone() {
        let model = &buffer.schema().table;
        let (reads, writes) = buffer.reads_and_writes();
        if let Some(key) = reads.first() {
            read = Some(format!("`{key}` of `{model}`"));
        }
        let keys = reads.into_iter().chain(writes);
        touched.extend(keys.map(|key| (model.clone(), key)));
    }
    let Some(read) = read else {
        return folded;
    };
    let mut buffers = buffers;
    if touched.len() > 1 && buffers.clone().any(has_written) {
        return Err(Error::message(format!(
            "it has read view {read} with `get` and written another one, which a view store without \
             transactions does not allow: change each view with `update` or `upsert`"
        )));
    }
    if buffers.any(ErasedBuffer::has_read_ahead) {
        return Ok(());
    }
    folded
}

fn has_written(buffer: &dyn ErasedBuffer) -> bool {
    !buffer.reads_and_writes().1.is_empty()
}
