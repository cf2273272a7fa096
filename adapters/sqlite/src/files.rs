use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::fault::Fault;

/// The files of a database as they were when it was opened, to notice that they were deleted or
/// replaced: SQLite would go on with the open ones, which nobody else will ever see.
#[derive(Debug)]
pub(crate) struct Files {
    database: File,
    /// What SQLite keeps beside the database while it is open.
    companions: [File; 2],
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// `None` if there was none.
    identity: Option<Identity>,
}

/// Device and inode. An inode is not given to another file while it is open.
type Identity = (u64, u64);

impl Files {
    /// The files at this path; each one that SQLite uses is open already.
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            database: File::at(path.to_owned()),
            companions: ["-wal", "-shm"].map(|suffix| File::at(with_suffix(path, suffix))),
        }
    }

    /// Checks that the files are still the ones that are open.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.database.check()?;
        self.companions.iter().try_for_each(File::check)
    }

    /// Whether these are the same database.
    pub(crate) fn have_same_database(&self, other: &Self) -> bool {
        self.database.identity == other.database.identity
    }

    /// Whether there is a write-ahead log.
    pub(crate) fn have_log(&self) -> bool {
        let [log, _] = &self.companions;
        log.identity.is_some()
    }

    /// Whether the write-ahead log at the path is another one than ours.
    pub(crate) fn have_foreign_log(&self) -> bool {
        let [log, _] = &self.companions;
        let found = identity(&log.path).ok();
        found.is_some() && found != log.identity
    }
}

impl File {
    fn at(path: PathBuf) -> Self {
        Self {
            identity: identity(&path).ok(),
            path,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let found = identity(&self.path);
        match (&found, self.identity) {
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
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Elsewhere, open files can be neither deleted nor replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|_| (0, 0))
}
