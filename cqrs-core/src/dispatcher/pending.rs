use tokio::sync::watch;
use tokio::time::timeout;

use super::cache::QUEUE;
use crate::store::{Position, Ticket};

/// An append under way, whose events a state in memory has already.
#[derive(Clone)]
pub(crate) struct Pending {
    ticket: Ticket,
    /// Where it ended, once it is recorded. Closed without that, it is not, or nobody knows.
    last: watch::Receiver<Option<Position>>,
}

/// Tells how the append ended; dropped, that it is not known to be recorded.
pub(super) struct Pledge(watch::Sender<Option<Position>>);

/// What is known of an append without waiting for it.
pub(super) enum Known {
    UnderWay,
    Recorded(Position),
    Lost,
}

impl Pending {
    pub(super) fn new(ticket: Ticket) -> (Self, Pledge) {
        let (sender, last) = watch::channel(None);
        (Self { ticket, last }, Pledge(sender))
    }

    /// By which an append follows it.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    pub(super) fn known(&self) -> Known {
        // In this order: nothing comes after the end.
        let is_closed = self.last.has_changed().is_err();
        match *self.last.borrow() {
            Some(last) => Known::Recorded(last),
            None if is_closed => Known::Lost,
            None => Known::UnderWay,
        }
    }

    /// Waits for the end: where it was recorded, if it was. Whoever sent it may have stopped to ask
    /// for its answer, so this gives up at some time, too.
    pub(super) async fn settled(mut self) -> Option<Position> {
        let last = timeout(QUEUE, self.last.wait_for(Option::is_some)).await;
        last.ok()?.ok().and_then(|last| *last)
    }
}

impl Pledge {
    /// It is recorded, up to here.
    pub(super) fn keep(self, last: Position) {
        self.0.send_replace(Some(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_append_is_under_way_until_it_is_recorded() {
        let (pending, pledge) = Pending::new(Ticket::new());
        assert!(matches!(pending.known(), Known::UnderWay));
        pledge.keep(Position::new(7));
        assert!(matches!(pending.known(), Known::Recorded(last) if last == Position::new(7)));
        assert_eq!(pending.settled().await, Some(Position::new(7)));
    }

    #[tokio::test]
    async fn an_append_that_nobody_speaks_for_is_lost() {
        let (pending, pledge) = Pending::new(Ticket::new());
        drop(pledge);
        assert!(matches!(pending.known(), Known::Lost));
        assert_eq!(pending.settled().await, None);
    }
}
