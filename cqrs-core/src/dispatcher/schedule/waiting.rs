use super::history::ScheduleHistory;
use crate::Timestamp;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::sent::SentCommand;
use crate::error::{Error, Result};

/// A scheduled command that waits for its time, in a test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WaitingCommand {
    pub(crate) command: SentCommand,
    pub(crate) due: Timestamp,
}

impl Dispatcher {
    /// The scheduled commands that wait for their time, in the order in which they were scheduled.
    ///
    /// # Errors
    /// When the log cannot be read, or has a command that the program does not know.
    pub(crate) async fn waiting_commands(&self) -> Result<Vec<WaitingCommand>> {
        let waiting = ScheduleHistory::all_waiting(&self.inner).await?.into_iter();
        let commands = waiting.map(|ScheduleHistory { command, due, .. }| {
            let slot = self.inner.commands.named("command", &command.name)?;
            let command = SentCommand {
                name: slot.entry.message,
                body: serde_json::from_str(command.command.get())?,
            };
            Ok::<_, Error>(WaitingCommand { command, due })
        });
        commands.collect()
    }
}
