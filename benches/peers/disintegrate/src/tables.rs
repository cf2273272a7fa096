use disintegrate::serde::json::Json;
use disintegrate_postgres::{Error, PgEventStore};
use peer::Result;
use sqlx::PgPool;

use crate::account::AccountEvent;

pub type Store = PgEventStore<AccountEvent, Json<AccountEvent>>;

/// The rest of the store's own migration, which stops on PostgreSQL 14 and 15: one of its functions
/// has a hexadecimal number, which only PostgreSQL 16 and later can parse, and the columns come
/// after it. This function is the same with a decimal number.
const MISSING: &str = "
CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void AS $$
DECLARE
    id    bigint;
    db_id int;
BEGIN
    SELECT last_value INTO id FROM seq_event_event_id;
    SELECT oid INTO db_id FROM pg_database WHERE datname = current_database();
    PERFORM pg_try_advisory_xact_lock_shared(db_id, 0);
    PERFORM pg_try_advisory_xact_lock_shared(1, (id & 4294967295)::bit(32)::integer);
    PERFORM pg_try_advisory_xact_lock_shared(2, (id >> 32)::bit(32)::integer);
END;
$$ LANGUAGE plpgsql;
ALTER TABLE event ADD COLUMN IF NOT EXISTS account text;
CREATE INDEX IF NOT EXISTS idx_event_account ON event (account) WHERE account IS NOT NULL";

pub async fn create(pool: &PgPool) -> Result<Store> {
    match Store::try_new(pool.clone(), Json::default()).await {
        Ok(store) => Ok(store),
        Err(Error::Migration(_)) => {
            sqlx::raw_sql(MISSING).execute(pool).await?;
            Ok(Store::new_uninitialized(pool.clone(), Json::default()))
        }
        Err(error) => Err(error.into()),
    }
}
