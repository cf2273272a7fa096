//! What lets command handlers take an aggregate.

use proc_macro2::TokenStream;

use super::AggregateItem;
use crate::hygiene::code;
use crate::id;
use crate::identity::{self, Identity};

impl AggregateItem {
    /// Lets command handlers take `Each<Self>`, if their command has a collection of ids.
    pub(super) fn listed(&self) -> TokenStream {
        let (ty, id) = (&self.subject.ty, self.id.ty());
        let (bound, command, ids) = match &self.id {
            Identity::One(_) => {
                let aggregate = id::key(&self.name);
                let bound = code! {
                    __cqrs::HasIds<
                        #aggregate, #id, __ROLE, Self, Id: __cqrs::IdOf<Self, #id, __C>
                    >
                };
                let ids = code! {
                    command.ids().into_iter().map(__cqrs::IdOf::<Self, #id, __C>::id_of).collect()
                };
                (bound, code!(command), ids)
            }
            Identity::Several(_) => {
                let bound = code!(__cqrs::ListsSeveral<Self>);
                (bound, code!(_), code!(__cqrs::Vec::new()))
            }
        };
        code! {
            impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for #ty
            where
                __C: #bound,
            {
                type Id = #id;

                fn ids(#command: &__C) -> __cqrs::Vec<&#id> {
                    #ids
                }
            }
        }
    }

    /// Lets command handlers take `&Self`, if their command has the id, or all of them.
    pub(super) fn borrowed(&self) -> TokenStream {
        let ty = &self.subject.ty;
        let (bound, load) = match &self.id {
            Identity::One(id) => {
                let aggregate = id::key(&self.name);
                let bound = code! {
                    __cqrs::HasId<
                        #aggregate, #id, __ROLE, Self, Id: __cqrs::IdOf<Self, #id, __C>
                    >
                };
                let id = code!(__cqrs::IdOf::<Self, #id, __C>::id_of(command.id()));
                (bound, code!(loads.add::<Self>(place, #id)))
            }
            Identity::Several(keys) => {
                let (bound, tags) = identity::bounds_and_tags(keys);
                (bound, code!(loads.add_tagged::<Self>(place, #tags)))
            }
        };
        code! {
            impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for #ty
            where
                __C: #bound,
            {
                fn describe() -> __cqrs::Input {
                    __cqrs::Input::aggregate::<Self>()
                }

                fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
                    #load;
                }

                fn take<'a>(
                    scope: &'a __cqrs::CommandScope<'a>,
                    place: __cqrs::usize,
                ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
                    scope.state(place)
                }
            }
        }
    }
}
