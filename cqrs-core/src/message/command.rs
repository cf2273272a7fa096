use super::HandlerCell;
use crate::error::Invalid;
use crate::json::Json;

/// A request to change state. Derive it; name it in the imperative.
///
/// `#[command(error = .., permission = "..", name = "..")]` sets the rejection type, which defaults
/// to [`Rejected`](crate::Rejected), a message; the permission that the actor needs; and the wire
/// name, which defaults to the type's name. `#[id(Aggregate)]` marks the fields that identify the
/// aggregates concerned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "a command handler's first parameter is its command: \
            add `#[derive(Command, Clone, Serialize, Deserialize)]` to `{Self}`"
)]
pub trait Command: Json + Clone + Send + Sync + 'static {
    /// The command's rejection type.
    type Error: std::error::Error + Send + Sync + 'static; // `#[derive(Debug, thiserror::Error)]`, or no `error = ..` for a text
    /// The wire name.
    const NAME: &'static str;
    /// The permission that an actor needs to send the command.
    const PERMISSION: Option<&'static str>;
    /// Maximum number of times the handler runs for one sending of the command. Defaults to the
    /// dispatcher's `attempts`.
    const ATTEMPTS: Option<u32> = None;

    /// Runs [`Validate`](super::Validate), if the type implements it.
    fn check(&self) -> Result<(), Invalid>;

    /// The rejection as JSON, if its type implements `Serialize`.
    #[doc(hidden)]
    fn rejection(_: &Self::Error) -> Option<serde_json::Value> {
        None
    }

    /// The type of a handler's pointer.
    #[doc(hidden)]
    type Handler: Copy + Send + Sync + 'static;

    /// The cell in which the dispatcher finds the handler.
    #[doc(hidden)]
    fn cell() -> &'static HandlerCell<Self::Handler>;
}

/// The message has an `#[id(..)]` of an aggregate. The derives implement it.
///
/// `AGGREGATE` is the XXH3 hash of the aggregate's name, `ROLE` that of a parameter's name. A
/// command with one id of the aggregate implements the trait for every role; a command with
/// several, each for the parameter with the name of the field (without `_id`). `A` is the aggregate
/// and `Expected` the type of its id. Only errors name them: the trait is implemented for every
/// `Expected`, so that an id of another type gets an error of its own, [`IdOf`](super::IdOf).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not identify the `{A}` to load",
    label = "no `#[id({A})]` of type `{Expected}` in the command fits this parameter",
    note = "mark the field of `{Self}` that identifies it with `#[id({A})]`; its type is `{Expected}`",
    note = "a command with several ids of one aggregate: name each parameter as its field, without \
            `_id`",
    note = "to take all aggregates of an `#[id({A}, each)]`, write `Each<{A}>`"
)]
pub trait HasId<const AGGREGATE: u64, Expected, const ROLE: u64, A> {
    /// The type of the field.
    type Id;

    /// The id.
    fn id(&self) -> &Self::Id;
}

/// The command has one of the several ids of the aggregate `A`. As [`HasId`], with another error
/// text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not identify the `{A}` to load",
    label = "an `#[id(..)]` of type `{Expected}` is missing in the command, or does not fit this parameter",
    note = "`{A}` has several ids: mark a field of `{Self}` with `#[id(..)]` for each key in its \
            `#[aggregate(ids(..))]`; the one of type `{Expected}` is missing",
    note = "a command with several ids of one key: name the parameter as the field, without `_id`"
)]
pub trait HasIdOf<const KEY: u64, Expected, const ROLE: u64, A> {
    /// The type of the field.
    type Id;

    /// The id.
    fn id(&self) -> &Self::Id;
}

#[diagnostic::do_not_recommend]
impl<C, const KEY: u64, Expected, const ROLE: u64, A> HasIdOf<KEY, Expected, ROLE, A> for C
where
    C: HasId<KEY, Expected, ROLE, A>,
{
    type Id = C::Id;

    fn id(&self) -> &C::Id {
        HasId::id(self)
    }
}

/// The message has an `#[id(.., each)]` of an aggregate: a collection of ids. The derive implements
/// it. The parameters are those of [`HasId`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not identify the `{A}` aggregates to load",
    label = "no `#[id({A}, each)]` with ids of type `{Expected}` in the command fits this parameter",
    note = "mark the collection of ids in `{Self}` with `#[id({A}, each)]`; each id is a `{Expected}`",
    note = "a command with several such collections: name each parameter as its field, without \
            `_ids`",
    note = "to take the one aggregate of an `#[id({A})]`, write `&{A}`"
)]
pub trait HasIds<const AGGREGATE: u64, Expected, const ROLE: u64, A> {
    /// The type of one id.
    type Id;

    /// The ids, in order.
    fn ids(&self) -> Vec<&Self::Id>;
}
