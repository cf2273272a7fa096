//! Connections that the task which uses them drives by itself.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::mem::take;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use cqrs_core::store::BoxFuture;
use deadpool_postgres::ClientWrapper;
use futures_util::future::select;
use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::hosts::Opened;

/// Sends and receives for the connections of one task, inside of that task.
///
/// A task of its own for each connection would take every answer on a detour: the runtime lets few tasks
/// wake each other in a row, then it wakes another thread, which takes longer than the statement of a lone
/// caller.
#[derive(Clone, Default)]
pub(crate) struct Drivers {
    /// Of connections that were just opened.
    opened: Arc<Mutex<Vec<ConnectionDriver>>>,
}

/// Sends and receives for a connection. Ends with it.
type ConnectionDriver = BoxFuture<'static, ()>;

impl Drivers {
    /// The client of a connection of the task, and the handle that ends the connection.
    pub(super) fn add(&self, opened: Opened) -> (ClientWrapper, AbortHandle) {
        let (open, given_up) = oneshot::channel::<Infallible>();
        let connection = opened.connection;
        self.opened().push(Box::pin(async move {
            // The client reports the end of the connection to every pending request.
            let _ = select(pin!(connection), given_up).await;
        }));
        let held = tokio::spawn(async move {
            let _open = open;
            pending::<()>().await;
        });
        let handle = held.abort_handle();
        (ClientWrapper::new(opened.client, held), handle)
    }

    /// Does the work of the task, and drives the connections that it opens.
    pub(crate) async fn drive<T>(self, work: impl Future<Output = T> + Send) -> T {
        let mut work = Box::pin(work);
        let mut drivers = Vec::new();
        let wakes = Arc::new(Wakes::default());
        let [worker, driver] = [(); 2].map(|()| TaskPart::of(&wakes));
        poll_fn(|context| {
            wakes.task.register(context.waker());
            loop {
                // A swap, so that what was done before a wake that this overwrites is seen below.
                wakes.state.swap(POLLED, Ordering::AcqRel);
                if let Some(waker) = driver.take_waker() {
                    let mut context = Context::from_waker(&waker);
                    drivers.retain_mut(|it: &mut ConnectionDriver| {
                        it.as_mut().poll(&mut context).is_pending()
                    });
                }
                if let Some(waker) = worker.take_waker()
                    && let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return Poll::Ready(done);
                }
                let mut opened = take(&mut *self.opened());
                if !opened.is_empty() {
                    drivers.append(&mut opened);
                    driver.wake_by_ref();
                }
                if wakes.go_idle() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn opened(&self) -> MutexGuard<'_, Vec<ConnectionDriver>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const IDLE: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// Wakes the task, unless its parts are being polled: what one of them does for the other is handled in the
/// same turn, and not in one for which the runtime may wake another thread.
#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wakes {
    /// Returns whether no part was woken since the parts were polled.
    fn go_idle(&self) -> bool {
        self.state
            .compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// A part of the task, which is polled only if it was woken itself: a turn that it gives to other tasks is
/// not cut short.
struct TaskPart {
    is_woken: AtomicBool,
    wakes: Arc<Wakes>,
}

impl TaskPart {
    /// To be polled first.
    fn of(wakes: &Arc<Wakes>) -> Arc<Self> {
        Arc::new(Self {
            is_woken: AtomicBool::new(true),
            wakes: wakes.clone(),
        })
    }

    /// The waker to poll it with, if it was woken.
    fn take_waker(self: &Arc<Self>) -> Option<Waker> {
        let is_woken = self.is_woken.swap(false, Ordering::AcqRel);
        is_woken.then(|| Waker::from(self.clone()))
    }
}

impl Wake for TaskPart {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        if self.wakes.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            self.wakes.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use tokio::sync::mpsc;
    use tokio::task::yield_now;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Drivers with one that answers each number with the next one.
    fn answering() -> (
        Drivers,
        mpsc::UnboundedSender<u32>,
        mpsc::UnboundedReceiver<u32>,
    ) {
        let (ask, mut asked) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let drivers = Drivers::default();
        drivers.opened().push(Box::pin(async move {
            while let Some(number) = asked.recv().await {
                answer.send(number + 1).unwrap();
            }
        }));
        (drivers, ask, answers)
    }

    #[test]
    fn what_a_connection_does_for_the_work_wakes_no_task() {
        let (drivers, ask, mut answers) = answering();
        let work = drivers.drive(async move {
            for number in 0..3 {
                ask.send(number).unwrap();
                assert_eq!(answers.recv().await, Some(number + 1));
            }
        });
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let polled = pin!(work).poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(()));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_comes_from_elsewhere_wakes_the_task() {
        let (drivers, ask, mut answers) = answering();
        let mut work = pin!(drivers.drive(async move { answers.recv().await }));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(work.as_mut().poll(&mut context).is_pending());
        ask.send(1).unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(work.as_mut().poll(&mut context), Poll::Ready(Some(2)));
    }

    #[tokio::test]
    async fn a_turn_of_the_work_is_one_of_the_scheduler() {
        let (drivers, ask, mut answers) = answering();
        let other = tokio::spawn(async move { ask.send(1) });
        let work = drivers.drive(async move {
            yield_now().await;
            answers.try_recv().ok()
        });
        let early = work.await;
        other.await.unwrap().unwrap();
        // The other task ran in that turn, and the driver before the work did again.
        assert_eq!(early, Some(2));
    }
}
