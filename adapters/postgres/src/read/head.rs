use crate::fault::{Fault, Kind};
use crate::known_log::{KnownLog, SeenHead};
use crate::link::connection::Connection;
use crate::sql::Sql;

/// Publishes a head that was read, once all that was read with it is durable (I7). If the log was
/// replaced while the connection was open, the read fails, since its events may not be in the known
/// log.
pub(crate) async fn observe(
    log: &KnownLog,
    sql: &Sql,
    connection: &Connection,
    mut seen: SeenHead,
) -> Result<(), Fault> {
    if !seen.is_durable && !log.is_durable(seen.position) {
        connection.flush().await?;
        seen.is_durable = true;
    }
    if log.observe(connection.incarnation(), &seen) {
        return Ok(());
    }
    let recognized = log.recognize(connection.client(), sql);
    connection.exchange(recognized).await?;
    connection.give_up();
    Err(Fault::new(Kind::Lost, "the log was replaced: read again"))
}
