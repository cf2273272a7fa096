use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{BoxFuture, EventPage, Recorded, StoreError};

/// A read that is under way while its reader is busy with what came before.
pub(super) struct ReadAhead<'s, E = Arc<Recorded>>(ReadState<'s, E>);

enum ReadState<'s, E> {
    Done(Result<EventPage<E>, StoreError>),
    UnderWay(BoxFuture<'s, Result<EventPage<E>, StoreError>>),
}

impl<'s, E> ReadAhead<'s, E> {
    /// Begins the read: a store sends what it has to send when it is polled first.
    pub(super) fn begin(mut read: BoxFuture<'s, Result<EventPage<E>, StoreError>>) -> Self {
        // A task waiting for the end of it polls again.
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
