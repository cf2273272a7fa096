use std::sync::Arc;

use crate::ViewFixture;

/// Opens the fixture's data, as one process would.
pub(super) async fn open<F: ViewFixture>(fixture: &F) -> Arc<F::Views> {
    Arc::new(fixture.open_views().await)
}

/// Opens the fixture's data several times, as several processes would.
pub(super) async fn open_many<F: ViewFixture>(fixture: &F, count: usize) -> Vec<Arc<F::Views>> {
    let mut stores = Vec::with_capacity(count);
    for _ in 0..count {
        stores.push(open(fixture).await);
    }
    stores
}
