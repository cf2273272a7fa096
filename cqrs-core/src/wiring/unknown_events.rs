use super::{Plan, Problems};
use crate::registry::{EventEntry, RESERVED};
use crate::store::{EventLog, StoreError};

/// Events of an unknown type are counted up to this number, so that `build` does not read a long log.
const MAX_COUNT: u64 = 10_000;

impl Plan {
    /// Warns of events in the log that nothing in this process registers or retires: a type that was renamed or
    /// removed, or a program that is older than the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn warn_of_unknown_events(
        &self,
        log: &dyn EventLog,
        warnings: &mut Problems,
    ) -> Result<(), StoreError> {
        let Some(counts) = log.capabilities().type_counts else {
            return Ok(());
        };
        let registered = self.registry.events.iter().chain(&self.events);
        let known = registered.flat_map(|event| names(event)).collect();
        let others = counts.other_types(known, MAX_COUNT).await?.into_iter();
        // Those of process managers are no types of the program, also once one of these is removed.
        let unknown = others.filter(|(name, _)| !name.as_str().starts_with(RESERVED));
        for (unknown, count) in unknown {
            let count = match count {
                MAX_COUNT.. => format!("{MAX_COUNT} events or more"),
                1 => "1 event".to_owned(),
                _ => format!("{count} events"),
            };
            warnings.add(
                format!("the log has {count} of the type `{unknown}`, which nothing registers"),
                None,
                format!(
                    "`use the_crate as _;` for the crate that has it, or `retired = [\"{unknown}\"]` in the \
                     `#[event(..)]` of the event that has replaced it, if nothing needs it any more"
                ),
            );
        }
        Ok(())
    }
}

/// The names that an event settles.
fn names(event: &'static EventEntry) -> impl Iterator<Item = &'static str> {
    event.names().chain(event.retired.iter().copied())
}
