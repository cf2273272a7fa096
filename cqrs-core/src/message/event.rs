use super::ReadBack;
use super::tuples::for_tuples;
use crate::error::{Error, NewerVersion};
use crate::json::{self, Json, Unreadable};
use crate::store::{EventData, EventType, Position, Recorded, Tag, Tags};

/// A recorded fact. Derive it on a struct; name it in the past tense.
///
/// `#[event(name = "product-created", version = 1)]` sets the wire name and version, which stay
/// when the type is renamed. `#[id(Aggregate)]` marks the fields that identify the aggregates
/// concerned, `#[id(Aggregate, each)]` a collection of ids.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "add `#[derive(Event, Serialize, Deserialize)]` and `#[event(name = \"..\", version = \
            1)]` to `{Self}`",
    note = "an `enum` that derives `Event` is several events: take one of them"
)]
pub trait Event: Json + Send + Sync + 'static {
    /// The wire name.
    const NAME: &'static str;
    /// The version of the wire format.
    const VERSION: u32;

    /// Adds the tags of the aggregates that the event concerns.
    fn tags(&self, tags: &mut Tags);
}

/// The wire name of an event. In an expansion, `E::NAME` would check the event's derives once more,
/// beside those of the type.
pub const fn wire_name<E: Event>() -> &'static str {
    E::NAME
}

impl Recorded {
    /// The payload as an `E`.
    ///
    /// # Errors
    /// When the payload has a newer version than this program knows, or does not fit `E`. The error
    /// names the event and its position, and shows the payload.
    pub fn decode<E: Event>(&self) -> Result<E, Error> {
        decode(&self.data, Some(self.position))
    }
}

/// In place of its version, for an event that could not be converted: its payload is the reason.
pub(crate) const UNREADABLE: u32 = 0;

/// The payload as an `E`. An event that is folded before it is recorded has no position.
pub(super) fn decode<E: Event>(event: &EventData, position: Option<Position>) -> Result<E, Error> {
    if event.version > E::VERSION {
        return Err(Error::from(NewerVersion {
            event_type: event.event_type.clone(),
            position,
            version: event.version,
            known: E::VERSION,
        }));
    }
    if event.version == UNREADABLE {
        return Err(Error::message(format!(
            "event `{}`{} cannot be read: {}",
            event.event_type,
            place(position),
            String::from_utf8_lossy(&event.payload),
        )));
    }
    json::decode(&event.payload).map_err(|error| {
        unreadable(
            event,
            position,
            (std::any::type_name::<E>(), E::VERSION),
            &error,
        )
    })
}

#[cold]
fn unreadable(
    event: &EventData,
    position: Option<Position>,
    (rust_type, known): (&str, u32),
    error: &Unreadable,
) -> Error {
    let remedy = position.map(|_| remedy(event, known, error));
    Error::message(format!(
        "event `{}` (version {}){} cannot be read as `{rust_type}`: {error}: {}{}",
        event.event_type,
        event.version,
        place(position),
        String::from_utf8_lossy(&event.payload[..event.payload.len().min(200)]),
        remedy.unwrap_or_default(),
    ))
}

/// What to write, if the type was another one when the event was recorded.
fn remedy(event: &EventData, known: u32, error: &Unreadable) -> String {
    let EventData {
        event_type,
        version,
        ..
    } = event;
    let upcaster = format!("`#[upcast(event = \"{event_type}\", from = {version})]`");
    let convert = if *version < known {
        format!(". Version {version} has no upcaster to {known}: write {upcaster}")
    } else {
        let next = version.saturating_add(1);
        format!(
            ". If it was recorded by an earlier program, raise its `version` to {next} and write {upcaster}"
        )
    };
    let missing = error.reason.strip_prefix("missing field ");
    missing.map_or_else(
        || convert.clone(),
        |field| {
            let field = field.split(" at line").next().unwrap_or(field);
            format!("{convert}, or give the field {field} a default: `#[serde(default)]`")
        },
    )
}

fn place(position: Option<Position>) -> String {
    position.map_or_else(String::new, |position| format!(" at position {position}"))
}

/// The events that a command handler returns: an event, an enum that derives `Event`, `()`, or an
/// `Option`, `Vec` or tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "neither an event nor anything that holds events",
    note = "add `#[derive(Event, Serialize, Deserialize)]` and `#[event(name = \"..\", version = \
            1)]` to `{Self}`; an enum of events has `#[derive(Event)]` only"
)]
pub trait IntoEvents {
    /// Adds the wire names of the events that it may have.
    fn names(names: &mut Vec<&'static str>);

    /// Adds the events, in order.
    ///
    /// # Errors
    /// When an event could not be read back from its JSON.
    fn record(self, events: &mut NewEvents) -> Result<(), Error>;
}

/// The event has an `#[id(..)]` of an aggregate. The derive implements it. `A` is the aggregate and
/// `Expected` the type of its id. Only errors name them: the trait is implemented for every
/// `Expected`, so that an id of another type gets an error of its own, [`IdOf`](super::IdOf).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that concerns `{A}`",
    label = "has no `#[id({A})]` of type `{Expected}`, so it would never reach `{A}`",
    note = "derive `Event` for `{Self}`, and mark the field that identifies the aggregate with \
            `#[id({A})]`; its type is `{Expected}`"
)]
pub trait Concerns<const AGGREGATE: u64, Expected, A> {
    /// The type of the field.
    type Id;

    /// The wire name. `#[aggregate]` reads it here, so that only events that reach the aggregate
    /// have one.
    const TYPE: &'static str;

    /// Whether several fields of the event are ids of the aggregate.
    const SEVERAL: bool;

    /// Whether the event may have several ids of the aggregate, in several fields or in one.
    const REPEATED: bool = Self::SEVERAL;

    /// The id of the event that belongs to this tag.
    fn concerned(&self, tag: &Tag) -> Option<&Self::Id>;
}

/// The event has one of the several ids of the aggregate `A`. As [`Concerns`], with another error
/// text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that concerns `{A}`",
    label = "an `#[id(..)]` of type `{Expected}` is missing, so it would never reach `{A}`",
    note = "`{A}` has several ids: derive `Event` for `{Self}`, and mark a field with `#[id(..)]` \
            for each key in `#[aggregate(ids(..))]`; the one of type `{Expected}` is missing"
)]
pub trait ConcernsOneOf<const KEY: u64, Expected, A> {
    /// The type of the field.
    type Id;

    /// The wire name.
    const TYPE: &'static str;

    /// Whether several fields of the event are ids of this key.
    const SEVERAL: bool;
}

#[diagnostic::do_not_recommend]
impl<E, const KEY: u64, Expected, A> ConcernsOneOf<KEY, Expected, A> for E
where
    E: Concerns<KEY, Expected, A>,
{
    type Id = E::Id;

    const TYPE: &'static str = E::TYPE;
    const SEVERAL: bool = E::SEVERAL;
}

/// The events of one decision, in order.
#[derive(Debug, Default)]
pub struct NewEvents {
    events: Vec<EventData>,
    read_back: ReadBack,
}

impl NewEvents {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self {
            events: Vec::new(),
            read_back: ReadBack::new(),
        }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When the event could not be read back from its JSON. The error names the event and the
    /// field.
    pub fn push<E: Event>(&mut self, event: &E) -> Result<(), Error> {
        let mut tags = Tags::new();
        event.tags(&mut tags);
        let (payload, read_back) = json::round_trip(event).map_err(|error| {
            Error::message(format!("event `{}` cannot be recorded: {error}", E::NAME))
        })?;
        let event_type = EventType::new(E::NAME);
        // Most decisions have one event.
        if self.events.capacity() == 0 {
            self.events = Vec::with_capacity(1);
        }
        self.events.push(EventData {
            event_type,
            version: E::VERSION,
            tags,
            payload,
        });
        self.read_back.push(read_back);
        Ok(())
    }

    /// The events.
    pub fn into_vec(self) -> Vec<EventData> {
        self.events
    }

    /// The events, and the same events decoded from their JSON.
    pub(crate) fn into_parts(self) -> (Vec<EventData>, ReadBack) {
        (self.events, self.read_back)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEvents for E {
    fn names(names: &mut Vec<&'static str>) {
        names.push(E::NAME);
    }

    fn record(self, events: &mut NewEvents) -> Result<(), Error> {
        events.push(&self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoEvents> IntoEvents for Option<E> {
    fn names(names: &mut Vec<&'static str>) {
        E::names(names);
    }

    fn record(self, events: &mut NewEvents) -> Result<(), Error> {
        self.map_or(Ok(()), |event| event.record(events))
    }
}

#[diagnostic::do_not_recommend]
impl<E: IntoEvents> IntoEvents for Vec<E> {
    fn names(names: &mut Vec<&'static str>) {
        E::names(names);
    }

    fn record(self, events: &mut NewEvents) -> Result<(), Error> {
        self.into_iter().try_for_each(|event| event.record(events))
    }
}

#[diagnostic::do_not_recommend]
impl IntoEvents for () {
    fn names(_: &mut Vec<&'static str>) {}

    fn record(self, _: &mut NewEvents) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! implement {
    ($($name:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name: IntoEvents),+> IntoEvents for ($($name,)+) {
            fn names(names: &mut Vec<&'static str>) {
                $($name::names(names);)+
            }

            #[allow(non_snake_case)]
            fn record(self, events: &mut NewEvents) -> Result<(), Error> {
                let ($($name,)+) = self;
                $($name.record(events)?;)+
                Ok(())
            }
        }
    };
}

for_tuples!(implement);
