use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::setup_error::SetupError;

/// Maximum size of a file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Time between two looks at the file, which are made only when its content is needed.
const INTERVAL: Duration = Duration::from_secs(1);

type Parse<T> = fn(&Path, &str) -> Result<T, String>;

/// The content of a file, which is read again when it has changed. A file that is missing or not valid later is reported,
/// and what was read last stays.
pub(super) struct WatchedFile<T> {
    path: PathBuf,
    parse: Parse<T>,
    content: Mutex<Content<T>>,
}

struct Content<T> {
    /// The text that was read last, or the error.
    text: Result<String, io::ErrorKind>,
    value: Arc<T>,
    looked_at: Instant,
}

impl<T> WatchedFile<T> {
    pub(super) fn open(path: &Path, parse: Parse<T>) -> Result<Self, SetupError> {
        let shown = || path.display().to_string();
        let text = read(path).map_err(|source| SetupError::Unreadable {
            path: shown(),
            source,
        })?;
        let value = parse(path, &text).map_err(|reason| SetupError::Invalid {
            path: shown(),
            reason,
        })?;
        let content = Content {
            text: Ok(text),
            value: Arc::new(value),
            looked_at: Instant::now(),
        };
        Ok(Self {
            path: path.to_owned(),
            parse,
            content: Mutex::new(content),
        })
    }

    /// The present content.
    pub(super) fn get(&self) -> Arc<T> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if content.looked_at.elapsed() >= INTERVAL {
            self.look(&mut content);
        }
        content.value.clone()
    }

    fn look(&self, content: &mut Content<T>) {
        content.looked_at = Instant::now();
        let text = read(&self.path).map_err(|error| error.kind());
        if text == content.text {
            return;
        }
        let path = self.path.display();
        let parsed = match &text {
            Ok(text) => (self.parse)(&self.path, text),
            Err(kind) => Err(kind.to_string()),
        };
        match parsed {
            Ok(value) => {
                content.value = Arc::new(value);
                tracing::info!(%path, "a file was read again");
            }
            Err(error) => {
                tracing::error!(%path, error, "a file is not valid: what was read before stays");
            }
        }
        content.text = text;
    }

    /// Looks at the file with the next [`get`](Self::get).
    #[cfg(test)]
    pub(super) fn expire(&self) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(long_ago) = Instant::now().checked_sub(INTERVAL) {
            content.looked_at = long_ago;
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
