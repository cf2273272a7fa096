use crate::auth::Actor;
use crate::source::Source;

/// The actors of event handlers and process managers, which send the commands that these return.
#[derive(Default)]
pub(crate) struct Senders(Vec<NamedSender>);

struct NamedSender {
    /// The name of the event handler or process manager.
    name: &'static str,
    actor: Actor,
    source: Source,
}

impl Senders {
    pub(super) fn add(&mut self, name: &'static str, actor: Actor, source: Source) {
        self.0.push(NamedSender {
            name,
            actor,
            source,
        });
    }

    /// The actor of the event handler or process manager with this name, if it has one.
    pub(super) fn of(&self, name: &str) -> Option<&Actor> {
        let mut senders = self.0.iter();
        let found = senders.find(|sender| sender.name == name);
        found.map(|sender| &sender.actor)
    }

    /// Their names, and where they were given.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, Source)> {
        self.0.iter().map(|sender| (sender.name, sender.source))
    }
}
