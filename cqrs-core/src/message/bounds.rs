//! The bounds that the macros put on the types around an event. Each is a separate trait,
//! implemented for all fitting types, so that a compile error names the fault of the user's type.

use std::any::type_name;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Error;
use crate::json;
use crate::store::{Tag, Tags};

/// The id of an aggregate: any type with a text, which is part of the tags of events.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an aggregate",
    label = "has no `Display`",
    note = "an id's text is in the tags of events, `product:P001`: implement `std::fmt::Display` \
            for a type of your own, as `struct SeatId(u32, char);` in place of a tuple",
    note = "for a collection of ids or an `Option`, write `#[id(TheAggregate, each)]`"
)]
pub trait AggregateId {
    /// The tag of the aggregate with this name and id.
    fn tag(&self, aggregate: &str) -> Tag;
}

#[diagnostic::do_not_recommend]
impl<I: fmt::Display + 'static> AggregateId for I {
    #[inline]
    fn tag(&self, aggregate: &str) -> Tag {
        Tag::of_id(aggregate, self)
    }
}

/// The type by which the message `M` identifies the aggregate `A`. It has to be `Expected`, the
/// type of the aggregate's id. Implemented if both are the same type.
#[diagnostic::on_unimplemented(
    message = "`{M}` identifies `{A}` by a `{Self}`, but the aggregate's id is a `{Expected}`",
    label = "expected an id of type `{Expected}`, found `{Self}`",
    note = "use `{Expected}` for the id in `{M}`, or `{Self}` for the id in the `#[aggregate(..)]` \
            of `{A}`",
    note = "a list of ids is marked with `#[id({A}, each)]`, and the handler of a command takes \
            `Each<{A}>`"
)]
pub trait IdOf<A, Expected, M> {
    /// Named by `#[aggregate]` to check an event.
    const FITS: () = ();

    /// The same id.
    fn id_of(&self) -> &Expected;
}

#[diagnostic::do_not_recommend]
impl<A, Id, M> IdOf<A, Id, M> for Id {
    fn id_of(&self) -> &Id {
        self
    }
}

/// A collection of ids.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a collection of ids",
    label = "`each` is for a `Vec`, set, array or `Option` of ids",
    note = "for one id, write `#[id(TheAggregate)]`, without `each`",
    note = "each id implements `std::fmt::Display`"
)]
pub trait AggregateIds {
    /// The type of one id.
    type Id;

    /// The ids, in order.
    fn ids(&self) -> Vec<&Self::Id>;

    /// Adds a tag for each id.
    fn tag_each(&self, aggregate: &str, tags: &mut Tags);

    /// The id that belongs to this tag of the aggregate.
    fn find(&self, aggregate: &str, tag: &Tag) -> Option<&Self::Id>;
}

#[diagnostic::do_not_recommend]
impl<C, I> AggregateIds for C
where
    C: IntoIterator<Item = I>,
    for<'a> &'a C: IntoIterator<Item = &'a I>,
    I: fmt::Display,
{
    type Id = I;

    fn ids(&self) -> Vec<&I> {
        self.into_iter().collect()
    }

    fn tag_each(&self, aggregate: &str, tags: &mut Tags) {
        for id in self {
            tags.add(aggregate, id);
        }
    }

    fn find(&self, aggregate: &str, tag: &Tag) -> Option<&I> {
        let mut ids = self.into_iter();
        ids.find(|id| Tag::new(aggregate, id) == *tag)
    }
}

/// The state of an aggregate that is kept in the store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the store",
    label = "has no `Serialize`, or no `Deserialize`",
    note = "`storage = \"state\"` and `snapshot_every` keep the state as JSON: add \
            `#[derive(Serialize, Deserialize)]` to `{Self}`"
)]
pub trait StorableState: Sized {
    /// [`Aggregate::save`](super::Aggregate::save), with the fingerprint of the `impl` block that
    /// folded it.
    ///
    /// # Errors
    /// When the state could not be read back from its JSON. The error names the field.
    fn save(&self, fingerprint: u64) -> Result<Option<Vec<u8>>, Error>;

    /// [`Aggregate::restore`](super::Aggregate::restore): `None` if the `impl` block has changed
    /// since, if a type of another path wrote the state, or if its JSON does not fit the type.
    fn restore(body: &[u8], fingerprint: u64) -> Option<Self>;
}

/// A stored state.
#[derive(Serialize, serde::Deserialize)]
struct Stored<A> {
    fingerprint: u64,
    state: A,
}

#[diagnostic::do_not_recommend]
impl<A: Serialize + DeserializeOwned> StorableState for A {
    fn save(&self, fingerprint: u64) -> Result<Option<Vec<u8>>, Error> {
        let stored = Stored {
            fingerprint: of_type::<A>(fingerprint),
            state: self,
        };
        let written = json::round_trip_as::<Stored<A>, _>(&stored);
        let (body, _) = written.map_err(|error| error.within("state"))?;
        Ok(Some(body))
    }

    fn restore(body: &[u8], fingerprint: u64) -> Option<Self> {
        let stored: Stored<A> = json::decode(body).ok()?;
        (stored.fingerprint == of_type::<A>(fingerprint)).then_some(stored.state)
    }
}

/// Combines the fingerprint with the type. Two types with one name in different modules share the
/// key of their stored states, and may even have the same text; neither must take the other's
/// state.
fn of_type<A>(fingerprint: u64) -> u64 {
    xxh3_64_with_seed(type_name::<A>().as_bytes(), fingerprint)
}
