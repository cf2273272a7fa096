use std::task::{Context, Poll, Waker};

use super::{BoxFuture, Page, StoreError};

/// A read that is under way while its reader is busy with what came before.
pub(super) struct ReadAhead<'s>(State<'s>);

enum State<'s> {
    Done(Result<Page, StoreError>),
    UnderWay(BoxFuture<'s, Result<Page, StoreError>>),
}

impl<'s> ReadAhead<'s> {
    /// Begins the read: a store sends what it has to send when it is polled first.
    pub(super) fn begin(mut read: BoxFuture<'s, Result<Page, StoreError>>) -> Self {
        // Whoever waits for the end of it polls again.
        let mut context = Context::from_waker(Waker::noop());
        Self(match read.as_mut().poll(&mut context) {
            Poll::Ready(page) => State::Done(page),
            Poll::Pending => State::UnderWay(read),
        })
    }

    pub(super) async fn finish(self) -> Result<Page, StoreError> {
        match self.0 {
            State::Done(page) => page,
            State::UnderWay(read) => read.await,
        }
    }
}
