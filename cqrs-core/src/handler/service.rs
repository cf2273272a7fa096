use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Input, InputKind, ServiceType, Source};
use crate::error::Error;

/// A service that was given to the builder with `provide`. Handlers take it as `Service<Prices>` or
/// `Service<dyn Mailer>`. Derefs to the service; clones share it.
pub struct Service<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Service<T> {
    /// Wraps a service, to call a handler as a plain function.
    pub fn new(service: Arc<T>) -> Self {
        Self(service)
    }
}

impl<T: ?Sized> Deref for Service<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Service<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Service<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A service that handlers on all threads can share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a service: handlers on several threads would share it",
    label = "not `Send + Sync`",
    note = "for a trait of your own, write `trait TheTrait: Send + Sync`; else put what is not \
            `Sync` in a `Mutex`"
)]
pub trait Shareable: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + Send + Sync + 'static> Shareable for T {}

/// An `Arc<T>` for any, possibly unsized, `T`.
pub(crate) type ErasedService = Arc<dyn Any + Send + Sync>;

/// The services given to a builder, by type.
#[derive(Clone, Default)]
pub struct Services {
    services: HashMap<TypeId, ProvidedService>,
}

/// A service that was given to a builder.
#[derive(Clone)]
pub(crate) struct ProvidedService {
    pub(crate) id: TypeId,
    /// The type's Rust name.
    pub(crate) name: &'static str,
    /// Each place in the source that provided this type. The last one counts.
    pub(crate) at: Vec<Source>,
    service: ErasedService,
}

impl Services {
    /// Adds a service. Replaces an earlier one of the same type.
    #[track_caller]
    pub fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, service: Arc<T>) {
        let ServiceType { id, name } = ServiceType::of::<T>();
        let service: ErasedService = Arc::new(service);
        let provided = self.services.entry(id).or_insert_with(|| ProvidedService {
            id,
            name,
            at: Vec::new(),
            service: service.clone(),
        });
        provided.at.push(Source::caller());
        provided.service = service;
    }

    /// The services, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ProvidedService> {
        let mut services: Vec<_> = self.services.values().collect();
        services.sort_by_key(|service| service.name);
        services.into_iter()
    }

    pub(crate) fn contains(&self, id: TypeId) -> bool {
        self.services.contains_key(&id)
    }

    /// The services that a handler takes, at the places of its inputs.
    pub(crate) fn resolve(&self, inputs: &[Input]) -> Box<[Option<ErasedService>]> {
        inputs
            .iter()
            .map(|input| match input.kind {
                InputKind::Service(service) => {
                    let provided = self.services.get(&service.id)?;
                    Some(provided.service.clone())
                }
                _ => None,
            })
            .collect()
    }
}

/// The service at an input's place.
pub(crate) fn take<T: ?Sized + Send + Sync + 'static>(
    services: &[Option<ErasedService>],
    place: usize,
) -> Result<Service<T>, Error> {
    services
        .get(place)
        .and_then(Option::as_ref)
        .and_then(|service| service.downcast_ref::<Arc<T>>())
        .map(|service| Service(service.clone()))
        .ok_or_else(|| {
            Error::message(format!(
                "no `{}` was provided: call `.provide(..)` on the builder",
                std::any::type_name::<T>()
            ))
        })
}
