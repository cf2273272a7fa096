use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

/// Runs code that calls wakers of callers' runtimes. If one panics, the other callers must still be
/// answered. The panic hook has reported the panic.
pub(crate) fn ignore_panic<T>(wake: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(wake)).ok()
}

/// A thread that is joined on drop. Its owner has to make sure that the thread ends by then.
pub(crate) struct Thread(Option<JoinHandle<()>>);

impl Thread {
    /// Starts a thread.
    pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let handle = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self(Some(handle)))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The last clone of a store may be dropped by a waker that one of its own threads calls, and a
        // thread cannot wait for itself.
        let other = self
            .0
            .take()
            .filter(|handle| handle.thread().id() != thread::current().id());
        if let Some(handle) = other {
            // A panic has been reported by the panic hook already.
            let _ = handle.join();
        }
    }
}
