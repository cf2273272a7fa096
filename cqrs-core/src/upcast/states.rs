//! Stored states: under the name that the aggregate has in the log, and with the upcasters by which their events
//! were read.

use super::conversions::Conversions;
use super::log::{UpcastLog, not_offered};
use crate::store::{BoxFuture, StateKey, StateStore, StateWrite, StoreError, StoredState};

/// What encloses a state that was folded from converted events. A program without the upcasters cannot read it.
const END: &[u8] = b"}";

fn begin(code: u64) -> String {
    format!(r#"{{"conversions":"{code:016x}","stored":"#)
}

impl Conversions {
    /// The state as the log keeps it.
    pub(super) fn store_state(&self, state: &mut StateWrite) {
        if let Some(code) = self.code_of_state(state.key.aggregate) {
            let body = [begin(code).as_bytes(), &state.body, END].concat();
            state.body = body;
        }
        state.key.aggregate = self.tags.stored_name(state.key.aggregate);
    }

    /// The state as the aggregate has written it. Empty, which no state is, if its events were read by other
    /// upcasters: it is folded again, and replaced by the next write.
    fn present_state(&self, aggregate: &str, stored: StoredState) -> StoredState {
        let Some(code) = self.code_of_state(aggregate) else {
            return stored;
        };
        let begun = stored.body.strip_prefix(begin(code).as_bytes());
        let body = begun.and_then(|rest| rest.strip_suffix(END));
        StoredState {
            body: body.unwrap_or_default().to_vec(),
            position: stored.position,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl StateStore for UpcastLog {
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        let Some(states) = self.log.capabilities().states else {
            return Box::pin(async { Err(not_offered()) });
        };
        Box::pin(async move {
            let tags = &self.conversions.tags;
            let stored = keys.iter().map(|key| StateKey {
                aggregate: tags.stored_name(key.aggregate),
                id: key.id.clone(),
            });
            let found = states.states(stored.collect()).await?;
            let states = keys.iter().zip(found).map(|(key, stored)| {
                let stored = stored?;
                Some(self.conversions.present_state(key.aggregate, stored))
            });
            Ok(states.collect())
        })
    }
}
