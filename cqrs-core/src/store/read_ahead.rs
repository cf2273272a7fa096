use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{BoxFuture, EventPage, Recorded, StoreError};

/// A read in progress, begun while its reader still handles the page before.
pub(super) struct ReadAhead<'s, E = Arc<Recorded>>(ReadState<'s, E>);

enum ReadState<'s, E> {
    Done(Result<EventPage<E>, StoreError>),
    UnderWay(BoxFuture<'s, Result<EventPage<E>, StoreError>>),
}

impl<'s, E> ReadAhead<'s, E> {
    /// Begins the read. The first poll makes a store send its request.
    pub(super) fn begin(mut read: BoxFuture<'s, Result<EventPage<E>, StoreError>>) -> Self {
        // No task has to be woken: `finish` polls again.
        let mut context = Context::from_waker(Waker::noop());
        Self(match read.as_mut().poll(&mut context) {
            Poll::Ready(page) => ReadState::Done(page),
            Poll::Pending => ReadState::UnderWay(read),
        })
    }

    pub(super) async fn finish(self) -> Result<EventPage<E>, StoreError> {
        match self.0 {
            ReadState::Done(page) => page,
            ReadState::UnderWay(read) => read.await,
        }
    }
}
