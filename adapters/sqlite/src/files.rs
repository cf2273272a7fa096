use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::warn;

use crate::fault::Fault;

/// The files of a database as they were when it was opened. Detects that they were deleted or replaced:
/// SQLite would continue with the open files, which no other process can see.
#[derive(Debug)]
pub(crate) struct Files {
    /// `None` if the path is a link, which may lead to another directory.
    directory: Option<PathBuf>,
    /// The directory at the last successful check of the files.
    unchanged: Mutex<Option<DirectoryStamp>>,
    database: File,
    /// The write-ahead log and its index.
    companions: [File; 2],
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// `None` if the file did not exist.
    id: Option<FileId>,
}

/// Device and inode. An inode is not given to another file while it is open.
type FileId = (u64, u64);

/// A directory as of its last change. Deleting or replacing a file in it is a change, and the time of a
/// change, unlike that of a modification, cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DirectoryStamp {
    id: FileId,
    /// After the epoch.
    changed: Duration,
}

/// Upper bound for the resolution of times with fractions of a second. Two changes that are further apart
/// have different times.
const TICK: Duration = Duration::from_millis(100);

impl Files {
    /// The files at this path. SQLite must have opened them before.
    pub(crate) fn of(path: &Path) -> Self {
        // SQLite keeps its own files beside the one that a link leads to.
        let target = path
            .is_symlink()
            .then(|| path.canonicalize().ok())
            .flatten();
        let beside = target.as_deref().unwrap_or(path);
        Self {
            directory: path
                .parent()
                .filter(|_| target.is_none())
                .map(Path::to_owned),
            unchanged: Mutex::new(None),
            companions: ["-wal", "-shm"].map(|suffix| File::at(with_suffix(beside, suffix))),
            database: File::at(path.to_owned()),
        }
    }

    /// Checks that the files are still the open ones. While their directory does not change, only the
    /// directory is looked at.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let directory = self.directory.as_deref().and_then(DirectoryStamp::at);
        let mut unchanged = self
            .unchanged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if directory.is_some() && *unchanged == directory {
            return Ok(());
        }
        self.database.check()?;
        self.companions.iter().try_for_each(File::check)?;
        *unchanged = directory;
        Ok(())
    }

    /// Whether these are the same database.
    pub(crate) fn have_same_database(&self, other: &Self) -> bool {
        self.database.id == other.database.id
    }

    /// Whether there is a write-ahead log.
    pub(crate) fn have_log(&self) -> bool {
        let [log, _] = &self.companions;
        log.id.is_some()
    }

    /// Whether the write-ahead log at the path is another one than the open one.
    pub(crate) fn have_foreign_log(&self) -> bool {
        let [log, _] = &self.companions;
        let found = file_id(&log.path).ok();
        found.is_some() && found != log.id
    }
}

impl DirectoryStamp {
    /// The directory, if a later change to it can be noticed.
    #[cfg(unix)]
    fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        let metadata = std::fs::metadata(path).ok()?;
        let seconds = metadata.ctime().try_into().ok()?;
        let changed = Duration::new(seconds, metadata.ctime_nsec().try_into().ok()?);
        // Whole seconds are the ticks of an old file system.
        let is_exact = changed.subsec_nanos() > 0;
        let is_past = now.checked_sub(changed).is_some_and(|age| age > TICK);
        (is_exact && is_past).then_some(Self {
            id: (metadata.dev(), metadata.ino()),
            changed,
        })
    }

    #[cfg(not(unix))]
    fn at(_: &Path) -> Option<Self> {
        None
    }
}

impl File {
    fn at(path: PathBuf) -> Self {
        Self {
            id: file_id(&path).ok(),
            path,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let found = file_id(&self.path);
        match (&found, self.id) {
            (Ok(found), Some(opened)) if *found == opened => Ok(()),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(self.is_replaced(found.err())),
        }
    }

    #[cold]
    fn is_replaced(&self, error: Option<io::Error>) -> Fault {
        let path = self.path.display();
        let cause = error.map_or("it is another file now".to_owned(), |it| it.to_string());
        warn!(%path, cause, "the database's file was deleted or replaced");
        Fault::replaced(format!(
            "`{path}` was deleted or replaced while this process had the database open ({cause}): \
             put the file back, or restart every process that uses it"
        ))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[cfg(unix)]
fn file_id(path: &Path) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Elsewhere, open files can be neither deleted nor replaced.
#[cfg(not(unix))]
fn file_id(path: &Path) -> io::Result<FileId> {
    std::fs::metadata(path).map(|_| (0, 0))
}
