//! Checks of permissions and the authorizer.

use super::{Plan, Problems};
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
}
