use cqrs_core::store::Appended;
use cqrs_kit::prepared::Prepared;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row::{Head, number};

/// The rows that a batch writes, as one array per column: the parameters of one statement, however
/// many appends there are.
#[derive(Default)]
pub(crate) struct Columns<'b> {
    /// Position and time of the last event.
    head: (i64, i64),
    position: Vec<i64>,
    id: Vec<Uuid>,
    event_type: Vec<&'b str>,
    version: Vec<i64>,
    tags: Vec<&'b str>,
    time: Vec<i64>,
    actor: Vec<Option<&'b str>>,
    event_command: Vec<Uuid>,
    correlation: Vec<Uuid>,
    causation: Vec<Uuid>,
    payload: Vec<&'b [u8]>,
    tag: Vec<&'b str>,
    tagged: Vec<i64>,
    command: Vec<Uuid>,
    fingerprint: Vec<i64>,
    first: Vec<i64>,
    count: Vec<i64>,
    state_aggregate: Vec<&'b str>,
    state_id: Vec<&'b str>,
    state_body: Vec<&'b [u8]>,
    state_position: Vec<i64>,
}

impl<'b> Columns<'b> {
    /// No rows, after this head.
    pub(crate) fn new(head: &Head) -> Self {
        Self {
            head: (number(head.position), head.time),
            ..Self::default()
        }
    }

    /// Position and time of the last event.
    pub(crate) fn head(&self) -> (i64, i64) {
        self.head
    }

    pub(crate) fn has_states(&self) -> bool {
        !self.state_id.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.command.is_empty()
    }

    /// Adds the rows of an append with these positions.
    pub(crate) fn add(&mut self, append: &'b Prepared, appended: &Appended) {
        for (event, tags) in &append.events {
            let position = number(event.position);
            let time = event.meta.time.as_microsecond();
            self.head = (position, time);
            self.position.push(position);
            self.id.push(event.meta.id.as_uuid());
            self.event_type.push(event.data.event_type.as_str());
            self.version.push(i64::from(event.data.version));
            self.tags.push(tags);
            self.time.push(time);
            self.actor.push(event.meta.actor.as_deref());
            self.event_command.push(event.meta.command.as_uuid());
            self.correlation.push(event.meta.correlation);
            self.causation.push(event.meta.causation);
            self.payload.push(&event.data.payload);
            for tag in &event.data.tags {
                self.tag.push(tag.as_str());
                self.tagged.push(position);
            }
        }
        self.command.push(append.command.as_uuid());
        self.fingerprint.push(append.fingerprint.cast_signed());
        self.first.push(number(appended.first));
        self.count.push(appended.count.cast_signed());
        for state in &append.states {
            self.add_state(
                &state.key.id,
                state.key.aggregate,
                &state.body,
                number(appended.last),
            );
        }
    }

    /// An upsert cannot change a row twice, so the last of several states of an aggregate is kept. The
    /// others would be overwritten within the same statement anyway.
    fn add_state(&mut self, id: &'b str, aggregate: &'b str, body: &'b [u8], position: i64) {
        let keys = self.state_aggregate.iter().zip(&self.state_id);
        let known = keys.map(|(aggregate, id)| (*aggregate, *id));
        if let Some(place) = known.into_iter().position(|it| it == (aggregate, id)) {
            self.state_body[place] = body;
            self.state_position[place] = position;
            return;
        }
        self.state_aggregate.push(aggregate);
        self.state_id.push(id);
        self.state_body.push(body);
        self.state_position.push(position);
    }

    /// Returns the number of head rows that the statement has set: 1 if everything was written, 0 if
    /// the head was another one than `before` and nothing was written.
    pub(crate) async fn write(
        &self,
        client: &Connection,
        statement: &Statement,
        before: &Head,
    ) -> Result<i64, Fault> {
        let params: [&(dyn ToSql + Sync); 25] = [
            &number(before.position),
            &before.epoch,
            &self.head.0,
            &self.head.1,
            &self.position,
            &self.id,
            &self.event_type,
            &self.version,
            &self.tags,
            &self.time,
            &self.actor,
            &self.event_command,
            &self.correlation,
            &self.causation,
            &self.payload,
            &self.tag,
            &self.tagged,
            &self.command,
            &self.fingerprint,
            &self.first,
            &self.count,
            &self.state_aggregate,
            &self.state_id,
            &self.state_body,
            &self.state_position,
        ];
        // The statement without states has no parameters for them, and they come last.
        let count = statement.params().len().min(params.len());
        let row = client.query_one(statement, &params[..count]).await?;
        Ok(row.try_get(0)?)
    }
}
