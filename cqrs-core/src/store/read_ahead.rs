use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{BoxFuture, Page, Recorded, StoreError};

/// A read that is under way while its reader is busy with what came before.
pub(super) struct ReadAhead<'s, E = Arc<Recorded>>(State<'s, E>);

enum State<'s, E> {
    Done(Result<Page<E>, StoreError>),
    UnderWay(BoxFuture<'s, Result<Page<E>, StoreError>>),
}

impl<'s, E> ReadAhead<'s, E> {
    /// Begins the read: a store sends what it has to send when it is polled first.
    pub(super) fn begin(mut read: BoxFuture<'s, Result<Page<E>, StoreError>>) -> Self {
        // A task waiting for the end of it polls again.
        let mut context = Context::from_waker(Waker::noop());
        Self(match read.as_mut().poll(&mut context) {
            Poll::Ready(page) => State::Done(page),
            Poll::Pending => State::UnderWay(read),
        })
    }

    pub(super) async fn finish(self) -> Result<Page<E>, StoreError> {
        match self.0 {
            State::Done(page) => page,
            State::UnderWay(read) => read.await,
        }
    }
}
