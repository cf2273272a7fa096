use cqrs_core::store::{
    BoxFuture, ProjectionVersion, Replacement, ReplacementOutcome, StoreError, VersionChange,
    VersionRemoval, VersionStore,
};

use crate::Sqlite;
use crate::write::versions;

impl VersionStore for Sqlite {
    fn versions(
        &self,
        projection: String,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        let readers = &self.shared().readers;
        readers.run(move |conn| versions::of_projection(conn, &projection))
    }

    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        self.in_writer(move |conn| versions::change(conn, &change))
    }

    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>> {
        let locks = self.shared().worker_locks.clone();
        self.in_writer(move |conn| versions::remove(conn, &locks, &removal))
    }

    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>> {
        self.in_writer(move |conn| versions::replace_views(conn, &replacement))
    }
}
