//! `MemStore` without its two `println!` per command. The cost of printing is not part of a
//! framework, so the benchmarks show the peer with and without it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};

/// The same steps as in `cqrs_es::mem_store::MemStore` 0.5.0: clone the events to load them, and
/// clone them again to store the new ones after them.
pub struct QuietStore<A: Aggregate> {
    events: RwLock<HashMap<String, Vec<EventEnvelope<A>>>>,
}

impl<A: Aggregate> Default for QuietStore<A> {
    fn default() -> Self {
        Self {
            events: RwLock::default(),
        }
    }
}

impl<A: Aggregate> QuietStore<A> {
    fn committed(&self, aggregate_id: &str) -> Vec<EventEnvelope<A>> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events
            .get(aggregate_id)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

pub struct QuietContext<A: Aggregate> {
    aggregate_id: String,
    aggregate: A,
    sequence: usize,
}

impl<A: Aggregate> AggregateContext<A> for QuietContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A: Aggregate> EventStore<A> for QuietStore<A> {
    type AC = QuietContext<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        Ok(self.committed(aggregate_id))
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<QuietContext<A>, AggregateError<A::Error>> {
        let mut aggregate = A::default();
        let mut sequence = 0;
        for envelope in self.load_events(aggregate_id).await? {
            sequence = envelope.sequence;
            aggregate.apply(envelope.payload);
        }
        Ok(QuietContext {
            aggregate_id: aggregate_id.to_owned(),
            aggregate,
            sequence,
        })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: QuietContext<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let QuietContext {
            aggregate_id,
            mut sequence,
            ..
        } = context;
        let wrap = |payload| {
            sequence += 1;
            let (aggregate_id, metadata) = (aggregate_id.clone(), metadata.clone());
            EventEnvelope {
                aggregate_id,
                sequence,
                payload,
                metadata,
            }
        };
        let wrapped: Vec<_> = events.into_iter().map(wrap).collect();
        let mut all = self.committed(&aggregate_id);
        all.extend(wrapped.iter().cloned());
        self.events
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(aggregate_id, all);
        Ok(wrapped)
    }
}
