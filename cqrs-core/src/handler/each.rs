use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::iter::Copied;
use std::ops::Index;
use std::{slice, vec};

use super::command::{CommandInput, CommandScope, Loads};
use super::input::Input;
use crate::error::Error;
use crate::message::Aggregate;
use crate::store::Tags;

/// The aggregates that a command's `#[id(Product, each)]` identifies: a map by id, in the order of
/// the ids. A command handler takes it by value: `products: Each<Product>`.
///
/// A repeated id is in the map once, at its first place. An aggregate without events has its
/// default state. The decision is atomic over all aggregates: its events are recorded only if no
/// event has concerned any of them since they were read.
pub struct Each<'a, A: Aggregate> {
    states: Vec<(&'a A::Id, &'a A)>,
    indexes: HashMap<Tags, usize>,
}

impl<'a, A: Aggregate> Each<'a, A> {
    /// Creates a map of these states, to call a handler as a plain function. The first state of a
    /// repeated id counts.
    pub fn new(states: impl IntoIterator<Item = (&'a A::Id, &'a A)>) -> Self {
        let states = states.into_iter();
        Self::tagged(states.map(|(id, state)| (A::tags(id), id, state)))
    }

    fn tagged(states: impl Iterator<Item = (Tags, &'a A::Id, &'a A)>) -> Self {
        let mut each = Self {
            states: Vec::new(),
            indexes: HashMap::new(),
        };
        for (tags, id, state) in states {
            if let Entry::Vacant(index) = each.indexes.entry(tags) {
                index.insert(each.states.len());
                each.states.push((id, state));
            }
        }
        each
    }

    /// The state of the aggregate with this id, if the command has the id.
    pub fn get(&self, id: &A::Id) -> Option<&'a A> {
        let index = self.indexes.get(&A::tags(id))?;
        self.states.get(*index).map(|(_, state)| *state)
    }

    /// The ids with their states, in the order of the ids.
    pub fn iter(&self) -> Copied<slice::Iter<'_, (&'a A::Id, &'a A)>> {
        self.states.iter().copied()
    }

    /// The states, in the order of the ids.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &'a A> {
        self.iter().map(|(_, state)| state)
    }

    /// Number of aggregates.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether the command has no id.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

impl<A: Aggregate> Index<&A::Id> for Each<'_, A> {
    type Output = A;

    /// The state of the aggregate with this id.
    ///
    /// # Panics
    /// When the command does not have the id.
    fn index(&self, id: &A::Id) -> &A {
        let state = self.get(id);
        state.unwrap_or_else(|| panic!("the command does not name `{}`", A::tags(id)))
    }
}

impl<'a, A: Aggregate> IntoIterator for Each<'a, A> {
    type Item = (&'a A::Id, &'a A);
    type IntoIter = vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.states.into_iter()
    }
}

impl<'e, 'a, A: Aggregate> IntoIterator for &'e Each<'a, A> {
    type Item = (&'a A::Id, &'a A);
    type IntoIter = Copied<slice::Iter<'e, Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<A: Aggregate<Id: fmt::Display> + fmt::Debug> fmt::Debug for Each<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = self.iter().map(|(id, state)| (id.to_string(), state));
        f.debug_map().entries(states).finish()
    }
}

/// An aggregate that handlers of the command `C` take as [`Each`]. `#[aggregate]` implements it for
/// commands with a fitting `#[id(.., each)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate: a command handler cannot take `Each<{Self}>`",
    label = "not an aggregate",
    note = "write `#[aggregate(id = ..)]` on an `impl {Self}` block with `#[apply]` methods"
)]
pub trait Listed<C, const ROLE: u64> {
    /// The type of one id.
    type Id;

    /// The ids that the command has.
    fn ids(command: &C) -> Vec<&Self::Id>;
}

impl<'a, A, C, const ROLE: u64> CommandInput<'a, C, ROLE> for Each<'a, A>
where
    A: Aggregate + Listed<C, ROLE, Id = <A as Aggregate>::Id>,
    C: 'static,
{
    fn describe() -> Input {
        Input::aggregate::<A>()
    }

    fn load(command: &C, place: usize, loads: &mut Loads) {
        let ids = <A as Listed<C, ROLE>>::ids(command);
        let mut tags: Vec<_> = ids.iter().map(|id| A::tags(id)).zip(0..).collect();
        tags.sort_unstable();
        tags.dedup_by(|(later, _), (first, _)| later == first);
        for (tags, index) in tags {
            loads.add_listed::<A>(place, index, tags);
        }
    }

    fn take(scope: &'a CommandScope<'a>, place: usize) -> Result<Self, Error> {
        let command = scope.command.downcast_ref::<C>();
        let ids = command.map(<A as Listed<C, ROLE>>::ids).unwrap_or_default();
        let mut loaded: Vec<_> = scope.loaded(place).collect();
        loaded.sort_unstable_by_key(|(index, _)| *index);
        let states = loaded.iter().filter_map(|(index, loaded)| {
            let state = loaded.state?.as_any().downcast_ref()?;
            Some((loaded.tags.clone(), *ids.get(*index)?, state))
        });
        let each = Self::tagged(states);
        if each.len() < loaded.len() {
            return Err(Error::message(format!(
                "a state of `{}` is not loaded",
                A::NAME
            )));
        }
        Ok(each)
    }
}

/// Never implemented: an aggregate of several ids is taken by reference.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take `Each<{A}>`, an aggregate of several ids",
    label = "has one id for each key of its `ids(..)`",
    note = "take `&{A}`; for a list, decide about each in a command of its own, or give `{A}` one \
            id: `#[aggregate(id = ..)]`"
)]
pub trait ListsSeveral<A> {}

/// Never implemented: the states of several aggregates are not in one slice.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take `&[{Self}]`",
    label = "several aggregates are taken as `Each<{Self}>`",
    note = "take `Each<{Self}>`, a map by id in the order of the ids, and mark the collection of \
            ids in the command with `#[id({Self}, each)]`"
)]
pub trait InOneSlice: 'static {}

/// Never implemented: the states of several aggregates are not in a `Vec`.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take `Vec<{Self}>`",
    label = "several aggregates are taken as `Each<State>`",
    note = "take `Each<State>`, a map by id in the order of the ids, and mark the collection of ids \
            in the command with `#[id(State, each)]`",
    note = "for a service, take `Service<Vec<{Self}>>` and give it to the builder with `.provide(..)`"
)]
pub trait InOneVec {}
