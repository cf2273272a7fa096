//! A log that answers late, and sometimes not.

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventLog, EventPage, EventQuery, FoldReads,
    ReadRange, StateKey, StateStore, StoreError, StoredState,
};
use tokio::task::yield_now;

use crate::support::decorated::{FoldPage, Hooks};

pub struct Rough;

async fn hesitate() {
    for _ in 0..fastrand::u8(0..5) {
        yield_now().await;
    }
}

/// Asks late, and hands the answer on late.
fn late<'a, T: Send + 'a>(answer: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    Box::pin(async move {
        hesitate().await;
        let answer = answer.await;
        hesitate().await;
        answer
    })
}

impl Hooks<dyn EventLog> for Rough {
    fn append<'a>(
        &'a self,
        store: &'a dyn EventLog,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>> {
        Box::pin(async move {
            let luck = fastrand::u8(0..100);
            if luck < 4 {
                hesitate().await;
                return Err(AppendError::Overloaded { waiting: 1 });
            }
            // At once, since an append that follows this one may be sent next.
            let appended = store.append(append).await;
            hesitate().await;
            if luck < 8 {
                let reason = "the answer is lost".into();
                return Err(AppendError::Indeterminate { reason });
            }
            appended
        })
    }

    fn read<'a>(
        &'a self,
        store: &'a dyn EventLog,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        late(store.read(query, range))
    }

    fn read_to_fold<'a>(
        &'a self,
        reads: &'a dyn FoldReads,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'a, Result<FoldPage, StoreError>> {
        late(reads.read_to_fold(query, range))
    }

    fn states<'a>(
        &'a self,
        states: &'a dyn StateStore,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredState>>, StoreError>> {
        late(states.states(keys))
    }
}
