use std::io;

/// A signal that tells the program to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// SIGINT: Ctrl-C in the terminal.
    Interrupt,
    /// SIGTERM: the signal of service managers and containers.
    Terminate,
}

impl Signal {
    /// Waits for a signal. After the first call, signals no longer end the process by default.
    pub(crate) async fn received() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => pressed.map(|()| Self::Interrupt),
                _ = terminate.recv() => Ok(Self::Terminate),
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await.map(|()| Self::Interrupt)
    }

    /// The exit code that shells use for a process ended by this signal.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}
