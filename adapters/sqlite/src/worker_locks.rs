use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cqrs_core::store::WorkerId;

/// Locked files beside the database, one for each worker of this process. The operating system
/// releases the lock when the process ends, however that happens, so other processes notice it
/// before its lease ends: above all the same program, started again.
///
/// This is a hint, no more. A file that was deleted costs a change of the owner of some shards, and
/// a file system without locks the wait for the end of a lease.
pub(crate) struct WorkerLocks {
    database: PathBuf,
    held: Mutex<HashMap<WorkerId, File>>,
}

impl WorkerLocks {
    pub(crate) fn beside(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            held: Mutex::default(),
        }
    }

    /// Locks the file of a worker of this process, unless it is locked. Returns whether it is.
    pub(crate) fn lock(&self, worker: WorkerId) -> bool {
        let mut held = self.held();
        let path = self.path(worker);
        if held.contains_key(&worker) && path.exists() {
            return true;
        }
        let Ok(file) = File::create(path) else {
            return false;
        };
        let is_locked = file.try_lock().is_ok();
        if is_locked {
            held.insert(worker, file);
        }
        is_locked
    }

    /// Deletes the file of a worker of this process.
    pub(crate) fn release(&self, worker: WorkerId) {
        if self.held().remove(&worker).is_some() {
            self.delete(worker);
        }
    }

    /// Whether the process of a worker that had a lock has ended. Then its file is deleted.
    pub(crate) fn is_released(&self, worker: WorkerId) -> bool {
        let is_released = match File::open(self.path(worker)) {
            Ok(file) => match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
            },
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        if is_released {
            self.delete(worker);
        }
        is_released
    }

    fn path(&self, worker: WorkerId) -> PathBuf {
        let mut path = self.database.clone().into_os_string();
        path.push(format!("-{worker}"));
        path.into()
    }

    fn delete(&self, worker: WorkerId) {
        // A file that is left over has no effect.
        let _ = fs::remove_file(self.path(worker));
    }

    fn held(&self) -> MutexGuard<'_, HashMap<WorkerId, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes the files of workers that did not leave.
impl Drop for WorkerLocks {
    fn drop(&mut self) {
        let workers: Vec<_> = self.held().drain().map(|(worker, _)| worker).collect();
        for worker in workers {
            self.delete(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Directory;

    #[test]
    fn a_lock_is_held_until_its_worker_leaves_or_its_process_ends() {
        let directory = Directory::new();
        let database = directory.database();
        let [here, there] = [0, 1].map(|_| WorkerLocks::beside(&database));
        let [worker, other] = [WorkerId::new(), WorkerId::new()];
        assert!(here.lock(worker) && here.lock(worker) && here.lock(other));
        assert!(!there.is_released(worker));
        assert!(!there.lock(worker), "by another process");
        here.release(worker);
        assert!(there.is_released(worker));
        drop(here);
        assert!(there.is_released(other));
        let path = there.path(other);
        assert!(!path.exists(), "nothing is left");
        // As a process that was killed leaves it.
        File::create(&path).expect("is created");
        assert!(there.is_released(other) && !path.exists());
    }

    #[test]
    fn a_deleted_file_is_created_again() {
        let directory = Directory::new();
        let locks = WorkerLocks::beside(&directory.database());
        let worker = WorkerId::new();
        assert!(locks.lock(worker));
        locks.delete(worker);
        assert!(locks.lock(worker) && locks.path(worker).exists());
    }
}
