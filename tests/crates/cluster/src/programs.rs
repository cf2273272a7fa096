//! The programs of a cluster.

use std::path::PathBuf;

use test_tools::in_path;

pub(crate) struct Programs {
    /// The directory of PostgreSQL's.
    pub(crate) postgres: PathBuf,
    pub(crate) patroni: PathBuf,
    pub(crate) etcd: PathBuf,
}

impl Programs {
    /// # Errors
    /// The first that is missing, with where it comes from.
    pub(crate) fn find() -> Result<Self, &'static str> {
        Ok(Self {
            postgres: test_postgres::binaries()
                .ok_or("PostgreSQL is not installed: install Debian's `postgresql`")?,
            patroni: in_path(&["patroni"])
                .ok_or("Patroni is not installed: install Debian's `patroni`")?,
            etcd: in_path(&["etcd"])
                .ok_or("etcd is not installed: install Debian's `etcd-server`")?,
        })
    }
}
