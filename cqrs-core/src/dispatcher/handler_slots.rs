use std::any::TypeId;
use std::sync::Arc;

use super::inner::QuerySlot;
use super::slots::{NewSlot, Slots};
use crate::decision::CommandSlot;
use crate::handler::{Input, InputKind, QueryInputs, ReaderStore, Services};
use crate::registry::CommandHandlerEntry;
use crate::store::ViewStore;
use crate::wiring::{Models, Plan, Stores, is_same};

/// The slots of command handlers, each with its services.
pub(super) fn command_slots(
    handlers: &[&'static CommandHandlerEntry],
    services: &Services,
) -> Slots<CommandSlot> {
    let slots = handlers.iter().filter_map(|entry| {
        let inputs = (entry.inputs)();
        let slot = CommandSlot {
            entry,
            services: services.resolve(&inputs),
            takes_transaction: inputs.iter().any(Input::is_transaction),
            takes_writes: inputs.iter().any(Input::is_writes),
        };
        Some(NewSlot {
            message: entry.message,
            place: (entry.place)()?,
            run: (entry.run)(),
            slot,
        })
    });
    slots.collect()
}

/// The slots of query handlers, each with its services, read models and stores.
pub(super) fn query_slots(
    plan: &Plan,
    services: &Services,
    models: &Models,
    stores: &Stores,
) -> Slots<QuerySlot> {
    let slots = plan.query_handlers.iter().filter_map(|entry| {
        let inputs = (entry.inputs)();
        let readers: Vec<_> = inputs.iter().map(|input| stores.reader(input)).collect();
        let slot = QuerySlot {
            entry,
            reads: reads(plan, &inputs, &readers, models, stores),
            stores: stores_read(&inputs, &readers, stores),
            reads_beside_log: readers
                .iter()
                .any(|reader| matches!(reader, Some(ReaderStore::Log(_)))),
            takes_context: inputs.iter().any(Input::is_context),
            inputs: QueryInputs {
                services: services.resolve(&inputs),
                models: inputs
                    .iter()
                    .map(|input| {
                        let model = model_of(input)?;
                        let store = stores.views.of_model(model)?;
                        Some((store.clone(), models.get(&model)?.schema.clone()))
                    })
                    .collect(),
                readers: readers.into(),
            },
        };
        Some(NewSlot {
            message: entry.message,
            place: (entry.place)()?,
            run: (entry.run)(),
            slot,
        })
    });
    slots.collect()
}

/// The read model of an input, if it is one.
fn model_of(input: &Input) -> Option<TypeId> {
    match input.kind {
        InputKind::Views(model) => Some(model.id),
        _ => None,
    }
}

/// Indexes in the plan of the projections that a query depends on. The tables of an SQL query are
/// unknown, so it depends on every projection that writes with SQL. With a view store's own reader
/// it depends on all projections of that store.
fn reads(
    plan: &Plan,
    inputs: &[Input],
    readers: &[Option<ReaderStore>],
    models: &Models,
    stores: &Stores,
) -> Box<[usize]> {
    let mut reads: Vec<usize> = inputs
        .iter()
        .filter_map(model_of)
        .filter_map(|model| Some(models.get(&model)?.projection))
        .collect();
    for (input, reader) in inputs.iter().zip(readers) {
        for (place, projection) in plan.projections.iter().enumerate() {
            let may_write = match (input.kind, reader) {
                (InputKind::Transaction(_), _) => projection.takes_transaction(),
                (InputKind::Reader(_), Some(ReaderStore::Views(read))) => {
                    let written = stores.of_projection(projection);
                    written.is_some_and(|written| is_same(written, read))
                }
                _ => false,
            };
            if may_write {
                reads.push(place);
            }
        }
    }
    reads.sort_unstable();
    reads.dedup();
    reads.into()
}

/// The view stores that a query reads from, without duplicates.
fn stores_read(
    inputs: &[Input],
    readers: &[Option<ReaderStore>],
    stores: &Stores,
) -> Box<[Arc<dyn ViewStore>]> {
    let mut read: Vec<Arc<dyn ViewStore>> = Vec::new();
    for (input, reader) in inputs.iter().zip(readers) {
        let store = match reader {
            Some(ReaderStore::Views(views)) => Some(views),
            // A store that is also the log answers as a view store whether there is anything to
            // wait for.
            Some(ReaderStore::Log(_)) => stores.views_beside_log(),
            None => model_of(input).and_then(|model| stores.views.of_model(model)),
        };
        if let Some(store) = store
            && !read.iter().any(|known| is_same(known, store))
        {
            read.push(store.clone());
        }
    }
    read.into()
}
