//! Compares the services of the builder with those that handlers take.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};

use super::{Plan, Problems, Role};
use crate::handler::{Input, InputKind, ProvidedService, ServiceType, Services};
use crate::registry::MessageKind;
use crate::source::Source;

impl Plan {
    /// Checks that each service was provided that a handler takes which runs in these roles.
    pub(crate) fn check_services(
        &self,
        services: &Services,
        roles: &[Role],
        problems: &mut Problems,
    ) {
        let mut missing: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        for (source, service) in self.services(roles) {
            if !services.contains(service.id) {
                missing.entry(service.name).or_default().push(source);
            }
        }
        let unused: Vec<_> = self
            .unused(services)
            .into_iter()
            .map(|service| format!("`{}`", service.name))
            .collect();
        let hint = if unused.is_empty() {
            String::new()
        } else {
            format!(
                ": {} was provided, but no handler takes it",
                unused.join(", ")
            )
        };
        for (name, sources) in missing {
            problems.add(
                format!("no `{name}` was provided, which handlers take as `Service<..>`"),
                sources,
                format!("`.provide::<{name}>(..)` on the builder{hint}"),
            );
        }
    }

    /// Warns of probable mistakes that do not prevent the dispatcher from working.
    pub(crate) fn warn_of_services(&self, services: &Services, warnings: &mut Problems) {
        for service in self.unused(services) {
            warnings.add(
                format!("no handler takes the service `{}`", service.name),
                service.at.iter().copied(),
                "`Service<..>` of it in a handler, name the trait that handlers take, \
                 `.provide::<dyn Trait>(..)`, or remove it",
            );
        }
        for service in services.iter().filter(|service| service.at.len() > 1) {
            warnings.add(
                format!(
                    "the service `{}` was provided {} times: handlers get the last",
                    service.name,
                    service.at.len()
                ),
                service.at.iter().copied(),
                "`.provide(..)` once per type",
            );
        }
    }

    /// The provided services that no handler takes, by name.
    fn unused<'a>(&self, services: &'a Services) -> Vec<&'a ProvidedService> {
        let taken: HashSet<TypeId> = self
            .services(&Role::ALL)
            .map(|(_, service)| service.id)
            .collect();
        services
            .iter()
            .filter(|service| !taken.contains(&service.id))
            .collect()
    }

    /// Each service that a handler takes which runs in these roles, with the handler's place. A reaction
    /// may send any command and query.
    fn services(&self, roles: &[Role]) -> impl Iterator<Item = (Source, ServiceType)> {
        let reacts = roles.contains(&Role::Reactions);
        let sends = [
            (MessageKind::Command, Role::Commands),
            (MessageKind::Query, Role::Queries),
        ]
        .map(|(kind, role)| (kind, reacts || roles.contains(&role)));
        let handlers = self
            .handlers()
            .filter(move |it| sends.contains(&(it.kind, true)))
            .map(|it| (it.source, (it.inputs)()));
        let reactions = self
            .reactions
            .iter()
            .filter(move |_| reacts)
            .map(|it| (it.source, (it.inputs)()));
        handlers.chain(reactions).flat_map(|(source, inputs)| {
            inputs
                .into_iter()
                .filter_map(move |Input { kind }| match kind {
                    InputKind::Service(service) => Some((source, service)),
                    _ => None,
                })
        })
    }
}
