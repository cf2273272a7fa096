use std::collections::BTreeSet;

use super::ErasedBuffer;
use crate::error::{Error, Result};

/// Checks the result of a fold on views that are written one by one.
///
/// An interrupted commit has written some views and not others. When its events are folded again, a
/// fold that reads one of the written views sees a later state. Therefore it may write only the
/// view that it has read: its change of a later state is ignored, and so is its error.
///
/// # Errors
/// The error of the fold, or an error if the fold has read one view and written another.
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
    // The fold ran on a state that already includes the event, so its error proves nothing.
    if buffers.any(ErasedBuffer::has_read_ahead) {
        return Ok(());
    }
    folded
}

fn has_written(buffer: &dyn ErasedBuffer) -> bool {
    !buffer.reads_and_writes().1.is_empty()
}
