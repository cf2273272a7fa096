//! Checks of permissions and the authorizer.

use std::collections::BTreeMap;

use super::{Plan, Problems};
use crate::report::nearest;
use crate::source::Source;

impl Plan {
    /// Checks that the dispatcher has an authorizer if permissions are named, and that the log
    /// needs a permission if the history of an aggregate does.
    pub(crate) fn check_permissions(
        &self,
        has_authorizer: bool,
        log_permission: Option<&'static str>,
        problems: &mut Problems,
    ) {
        let messages: Vec<Source> = self
            .messages
            .iter()
            .filter(|it| it.permission.is_some())
            .map(|it| it.source)
            .collect();
        let aggregates: Vec<Source> = self
            .aggregates
            .iter()
            .filter(|it| it.aggregate.permission.is_some())
            .map(|it| it.source)
            .collect();
        let write = "`.authorizer(HeldPermissions)` on the builder, an `Authorizer` of your own, \
                     or `.authorizer(AllowAll)` to let everyone in";
        if !has_authorizer && !messages.is_empty() {
            problems.add(
                "messages name permissions, but the dispatcher has no authorizer",
                messages,
                write,
            );
        }
        if !has_authorizer && (!aggregates.is_empty() || log_permission.is_some()) {
            problems.add(
                "reading history needs permissions, but the dispatcher has no authorizer",
                aggregates.iter().copied(),
                write,
            );
        }
        if log_permission.is_none() && !aggregates.is_empty() {
            problems.add(
                "aggregates name permissions, but the log, which has their events, needs none",
                aggregates,
                "`.log_permission(\"..\")` on the builder, with the permission for reads of all events",
            );
        }
    }

    /// Checks that each actor that sends commands is that of one event handler or process manager.
    pub(crate) fn check_senders(
        &self,
        senders: impl Iterator<Item = (&'static str, Source)>,
        problems: &mut Problems,
    ) {
        let mut given: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        for (name, source) in senders {
            given.entry(name).or_default().push(source);
        }
        for (name, sources) in given {
            let reaction = self.reactions.iter().find(|it| it.name == name);
            let is_process = self.processes.iter().any(|it| it.entry.name == name);
            if reaction.is_none() && !is_process {
                problems.add(
                    self.unknown_sender(name),
                    sources.iter().copied(),
                    "`.sends_as(..)` with the name of one, or `.module(..)` on the builder for the crate that has it",
                );
            }
            if !is_process && reaction.is_some_and(|it| (it.sends)().is_empty()) {
                problems.add(
                    format!("the event handler `{name}` is to send commands, but returns none"),
                    sources.iter().copied(),
                    "no `.sends_as(..)`: what its function sends has the actor of `app.execute(..).actor(..)`",
                );
            }
            if sources.len() > 1 {
                problems.add(
                    format!("`{name}` is to send commands as several actors"),
                    sources,
                    "`.sends_as(..)` once per event handler or process manager",
                );
            }
        }
    }

    fn unknown_sender(&self, name: &str) -> String {
        let reactions = self.reactions.iter().map(|it| it.name);
        let processes = self.processes.iter().map(|it| it.entry.name);
        let similar = nearest(reactions.chain(processes), name);
        let question = similar.map(|known| format!(": did you mean `{known}`?"));
        format!(
            "`{name}` is to send commands, but is no event handler or process manager{}",
            question.unwrap_or_default()
        )
    }
}
