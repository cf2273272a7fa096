use std::path::Path;
use std::sync::Arc;

use super::key_set::{Key, keys_of};
#[cfg(feature = "jwks-url")]
use super::remote_keys::{Refresher, RemoteKeys};
use super::setup_error::SetupError;
use super::watched_file::WatchedFile;

/// Where keys come from.
pub(super) enum KeySource {
    Fixed(Arc<Vec<Key>>),
    File(WatchedFile<Vec<Key>>),
    #[cfg(feature = "jwks-url")]
    Remote {
        keys: Arc<RemoteKeys>,
        /// Works until it is dropped.
        _refresher: Refresher,
    },
}

impl KeySource {
    pub(super) fn file(path: &Path) -> Result<Self, SetupError> {
        WatchedFile::open(path, |_, text| keys_of(text)).map(Self::File)
    }

    pub(super) fn json(json: &str) -> Result<Self, SetupError> {
        let keys = keys_of(json).map_err(|reason| SetupError::Invalid {
            path: "the key set".into(),
            reason,
        })?;
        Ok(Self::Fixed(Arc::new(keys)))
    }

    /// The keys that can be fetched.
    #[cfg(feature = "jwks-url")]
    pub(super) fn remote(&self) -> Option<&Arc<RemoteKeys>> {
        match self {
            Self::Remote { keys, .. } => Some(keys),
            Self::Fixed(_) | Self::File(_) => None,
        }
    }

    pub(super) fn get(&self) -> Arc<Vec<Key>> {
        match self {
            Self::Fixed(keys) => keys.clone(),
            Self::File(file) => file.get(),
            #[cfg(feature = "jwks-url")]
            Self::Remote { keys, .. } => keys.get(),
        }
    }
}
