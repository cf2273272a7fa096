use cqrs_core::store::{
    BoxFuture, ProjectionVersion, Replacement, ReplacementOutcome, StoreError, VersionChange,
    VersionRemoval, VersionStore,
};

use crate::Postgres;
use crate::write::{replacement, versions};

impl VersionStore for Postgres {
    fn versions(
        &self,
        projection: String,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        Box::pin(async move {
            let client = self.shared().pool.get().await?;
            Ok(versions::of_projection(&client, &self.shared().sql, &projection).await?)
        })
    }

    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        Box::pin(async move { Ok(versions::change(self.shared(), &change).await?) })
    }

    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(versions::remove(self.shared(), &removal).await?) })
    }

    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>> {
        Box::pin(async move { Ok(replacement::replace(self.shared(), &replacement).await?) })
    }
}
