use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fault::{Fault, Kind};

/// How long to try again while the database is away.
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            deadline: Instant::now() + patience,
            pause: Duration::from_millis(20),
        }
    }

    /// Waits a while before the next try.
    ///
    /// # Errors
    /// With the fault, if trying again will not help, or patience has run out.
    pub(super) async fn wait_after(&mut self, fault: Fault) -> Result<(), Fault> {
        if fault.kind() != Kind::Lost || Instant::now() + self.pause > self.deadline {
            return Err(fault);
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        Ok(())
    }
}
