use std::collections::{BTreeMap, BTreeSet};

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

/// What a fold does on views that are written one by one, by table and key.
///
/// When an event is folded again after an interrupted commit, `update` and `upsert` cannot tell
/// whether there was a view that is ahead now, and do not run their functions on it. So nothing
/// else that the fold does may depend on either. To see that, the fold runs twice, the second time
/// with the opposite answers.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct FoldTrace {
    /// The views that it asks for with `update` or `upsert`, and whether there was one.
    pub(super) asked: BTreeMap<(String, String), bool>,
    /// The other views that it writes. `None` for one that is deleted.
    pub(super) written: BTreeMap<(String, String), Option<Vec<u8>>>,
}

impl FoldTrace {
    pub(crate) fn of<'a>(buffers: impl Iterator<Item = &'a dyn ErasedBuffer>) -> Self {
        let mut trace = Self::default();
        buffers.for_each(|buffer| buffer.trace(&mut trace));
        trace
    }

    /// Whether something may depend on an answer: another view, or the success of the fold.
    pub(crate) fn may_depend(&self) -> bool {
        let views = self.asked.len() + self.written.len();
        !self.asked.is_empty() && views > 1 || self.has_missed()
    }

    /// Whether a view was asked for that was not there.
    fn has_missed(&self) -> bool {
        self.asked.values().any(|is_found| !is_found)
    }

    /// Compares the run with one that got the opposite answers. If that failed because a view was
    /// missing, then no event was recorded as folded without the view.
    ///
    /// # Errors
    /// When the runs differ.
    pub(crate) fn check_opposite(&self, opposite: &Result<()>, trace: &Self) -> Result<()> {
        let is_same = match opposite {
            Ok(()) => self.asked.keys().eq(trace.asked.keys()) && self.written == trace.written,
            Err(_) => !self.has_missed(),
        };
        if is_same {
            return Ok(());
        }
        Err(Error::message(
            "whether `update` found a view decides about another one, which a view store without \
             transactions does not allow: change each view with `update` or `upsert`, whatever \
             becomes of the others",
        ))
    }
}

fn has_written(buffer: &dyn ErasedBuffer) -> bool {
    !buffer.reads_and_writes().1.is_empty()
}
