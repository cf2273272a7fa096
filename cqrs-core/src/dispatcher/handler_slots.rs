use std::any::TypeId;
use std::sync::Arc;

use super::answering::AnsweringVersion;
use super::inner::QuerySlot;
use super::query_sources::BuildingRead;
use super::slots::{NewSlot, Slots};
use crate::decision::CommandSlot;
use crate::handler::{Input, InputKind, QueryInputs, ReaderStore, Services};
use crate::message::RowRule;
use crate::registry::{CommandHandlerEntry, QueryHandlerEntry};
use crate::store::ViewStore;
use crate::wiring::{Models, Plan, PlannedProjection, Stores, is_same};

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
            may_have_effects: entry.is_async || !inputs.iter().all(Input::is_free_of_effects),
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
    answering: &[Option<Arc<AnsweringVersion>>],
) -> Slots<QuerySlot> {
    let slots = plan.query_handlers.iter().filter_map(|entry| {
        let inputs = (entry.inputs)();
        let readers: Vec<_> = inputs.iter().map(|input| stores.reader(input)).collect();
        let reads = reads(plan, &inputs, &readers, models, stores);
        let slot = QuerySlot {
            entry,
            building: building(plan, &inputs, &readers, models, stores, answering, &reads),
            reads,
            stores: stores_read(&inputs, &readers, stores),
            reads_beside_log: readers
                .iter()
                .any(|reader| matches!(reader, Some(ReaderStore::Log(_)))),
            // The actor is in the context.
            takes_context: entry.rows.is_some() || inputs.iter().any(Input::is_context),
            inputs: QueryInputs {
                rows: rules(entry, &inputs),
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

/// The rule about rows of each input, if the query has any.
fn rules(entry: &QueryHandlerEntry, inputs: &[Input]) -> Box<[Option<RowRule>]> {
    let Some(rows) = entry.rows else {
        return Box::default();
    };
    let rules = rows();
    let of_inputs = inputs.iter().map(|input| {
        let model = model_of(input)?;
        rules.iter().find(|rule| rule.model == model).cloned()
    });
    of_inputs.collect()
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
            if may_write(projection, input, reader.as_ref(), stores) {
                reads.push(place);
            }
        }
    }
    reads.sort_unstable();
    reads.dedup();
    reads.into()
}

/// Whether a projection may write what an input reads, if that is no read model.
fn may_write(
    projection: &PlannedProjection,
    input: &Input,
    reader: Option<&ReaderStore>,
    stores: &Stores,
) -> bool {
    match (input.kind, reader) {
        (InputKind::Transaction(_), _) => projection.takes_transaction(),
        (InputKind::Reader(_), Some(ReaderStore::Views(read))) => {
            let written = stores.of_projection(projection);
            written.is_some_and(|written| is_same(written, read))
        }
        _ => false,
    }
}

/// The projections among these that a query depends on, and whose own version does not answer yet.
fn building(
    plan: &Plan,
    inputs: &[Input],
    readers: &[Option<ReaderStore>],
    models: &Models,
    stores: &Stores,
    answering: &[Option<Arc<AnsweringVersion>>],
    reads: &[usize],
) -> Box<[BuildingRead]> {
    let building = reads.iter().enumerate().filter_map(|(place, worker)| {
        let answering = answering[*worker].clone()?;
        let of_projection = inputs.iter().enumerate().filter_map(|(input, kind)| {
            let model = model_of(kind)?;
            (models.get(&model)?.projection == *worker).then_some((input, model))
        });
        let projection = &plan.projections[*worker];
        let mut others = inputs.iter().zip(readers);
        Some(BuildingRead {
            answering,
            place,
            models: of_projection.collect(),
            is_read_otherwise: others
                .any(|(input, reader)| may_write(projection, input, reader.as_ref(), stores)),
        })
    });
    building.collect()
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
