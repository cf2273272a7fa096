use std::any::TypeId;
use std::convert::Infallible;
use std::sync::mpsc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Requests views for a fold that waits for them on a thread of its own.
#[derive(Clone)]
pub(crate) struct Loader(UnboundedSender<ViewRequest>);

/// A view that a fold waits for.
pub(crate) struct ViewRequest {
    /// The type of the read model.
    pub(crate) model: TypeId,
    pub(crate) key: String,
    /// Dropping it lets the fold continue.
    _waiting: mpsc::Sender<Infallible>,
}

impl Loader {
    /// Returns a loader and its requests, which end when all clones of the loader are dropped.
    pub(crate) fn new() -> (Self, UnboundedReceiver<ViewRequest>) {
        let (requests, received) = unbounded_channel();
        (Self(requests), received)
    }

    /// Blocks the thread until the request is dropped, whether the view was loaded or not.
    pub(crate) fn load(&self, model: TypeId, key: &str) {
        let (waiting, dropped) = mpsc::channel();
        let request = ViewRequest {
            model,
            key: key.to_owned(),
            _waiting: waiting,
        };
        // Without a receiver, the request is dropped here.
        let _ = self.0.send(request);
        let _ = dropped.recv();
    }
}
