use super::{Append, AppendError, StateWrite};

/// Maximum sizes of an append, part of a log's [capabilities](super::Capabilities::limits). The
/// dispatcher checks them before it appends, so a log need not.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of events of one command.
    pub events: usize,
    /// Maximum size of one payload, or of one state, in bytes.
    pub payload: usize,
    /// Maximum number of tags of one event.
    pub tags: usize,
    /// Maximum size of one tag, event type, actor or id of a state, in bytes. None of them may
    /// contain U+0000, which some databases cannot keep in a text.
    pub name: usize,
    /// Maximum number of statements that the handler of one command records.
    pub statements: usize,
    /// Maximum total size of all payloads, states and statements of one append, in bytes.
    pub append: usize,
}

impl Default for Limits {
    /// 10,000 events, payloads of 1 MiB, 64 tags of 512 bytes per event, 1,000 statements, and 64 MiB
    /// in total.
    fn default() -> Self {
        Self {
            events: 10_000,
            payload: 1 << 20,
            tags: 64,
            name: 512,
            statements: 1000,
            append: 64 << 20,
        }
    }
}

impl Limits {
    /// Checks an append.
    ///
    /// # Errors
    /// [`AppendError::Invalid`], which names the limit and the value that exceeds it.
    pub fn check(&self, append: &Append) -> Result<(), AppendError> {
        within("events of one command", append.events.len(), self.events)?;
        if let Some(actor) = &append.actor {
            self.check_name("the actor", actor)?;
        }
        if let Err(reason) = append.metadata.check_inherited() {
            return Err(AppendError::Invalid { reason });
        }
        within(
            "bytes of one append, of all its events, states and statements",
            append.bytes(),
            self.append,
        )?;
        if let Some(writes) = &append.writes {
            within("statements of one command", writes.count(), self.statements)?;
        }
        for StateWrite { key, body, .. } in &append.states {
            if body.len() > self.payload {
                return Err(AppendError::Invalid {
                    reason: format!(
                        "the state of `{}:{}` is {} bytes of JSON, at most {}: keep less in it, or \
                         let it be folded from its events, without `storage = \"state\"`",
                        key.aggregate,
                        key.id,
                        body.len(),
                        self.payload
                    ),
                });
            }
            self.check_name("the id of a stored state", &key.id)?;
        }
        for event in &append.events {
            within(
                "bytes of an event's payload",
                event.payload.len(),
                self.payload,
            )?;
            self.check_name("an event's type", event.event_type.as_str())?;
            within("tags of an event", event.tags.as_slice().len(), self.tags)?;
            for tag in &event.tags {
                self.check_name("a tag", tag.as_str())?;
            }
        }
        Ok(())
    }

    #[inline]
    fn check_name(&self, what: &str, text: &str) -> Result<(), AppendError> {
        if text.len() <= self.name && !text.as_bytes().contains(&0) {
            return Ok(());
        }
        Err(self.bad_name(what, text))
    }

    #[cold]
    fn bad_name(&self, what: &str, text: &str) -> AppendError {
        let problem = if text.as_bytes().contains(&0) {
            "has U+0000".to_owned()
        } else {
            format!("has {} bytes, at most {}", text.len(), self.name)
        };
        AppendError::Invalid {
            reason: format!("{what} {problem}: {:?}", shortened(text)),
        }
    }
}

#[inline]
fn within(what: &str, size: usize, limit: usize) -> Result<(), AppendError> {
    if size <= limit {
        return Ok(());
    }
    Err(exceeded(what, size, limit))
}

#[cold]
fn exceeded(what: &str, size: usize, limit: usize) -> AppendError {
    AppendError::Invalid {
        reason: format!("{what}: {size}, at most {limit}"),
    }
}

/// A name, shortened to a readable length.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandId;
    use crate::store::{
        CustomMetadata, EventData, EventType, Position, RecordedWrites, StateKey, Tag,
    };

    const LIMITS: Limits = Limits {
        events: 2,
        payload: 10,
        tags: 3,
        name: 20,
        statements: 1,
        append: 15,
    };

    fn event(event_type: String, tags: usize, payload: usize) -> EventData {
        EventData {
            event_type: EventType::from(event_type),
            version: 1,
            tags: (0..tags)
                .map(|it| Tag::from(&*format!("tag:{it}")))
                .collect(),
            payload: vec![b'1'; payload],
        }
    }

    fn append(events: Vec<EventData>) -> Append {
        Append::new(CommandId::new(), events)
    }

    fn with_state(id: String, body: usize) -> Append {
        append(Vec::new()).state(StateWrite {
            key: StateKey {
                aggregate: "cart",
                id,
            },
            body: vec![b'1'; body],
            based_on: None::<Position>,
        })
    }

    /// Statements of these sizes.
    #[derive(Default)]
    struct Statements(Vec<usize>);

    impl RecordedWrites for Statements {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn bytes(&self) -> usize {
            self.0.iter().sum()
        }

        fn texts(&self) -> Vec<String> {
            Vec::new()
        }
    }

    fn with_statements(sizes: &[usize]) -> Append {
        append(Vec::new()).writes(Statements(sizes.to_vec()))
    }

    #[test]
    fn an_append_at_its_limits_is_accepted() {
        let name = "x".repeat(20);
        let events = vec![event(name.clone(), 3, 10), event(name.clone(), 0, 5)];
        LIMITS.check(&append(events).by(name.clone())).unwrap();
        LIMITS.check(&with_state(name, 10)).unwrap();
        LIMITS.check(&with_statements(&[15])).unwrap();
    }

    #[test]
    fn an_append_beyond_a_limit_is_refused_with_the_limit() {
        let (name, long) = ("noted".to_owned(), "x".repeat(21));
        let refused = [
            ("at most 2", append(vec![event(name.clone(), 0, 1); 3])),
            ("at most 10", append(vec![event(name.clone(), 0, 11)])),
            ("at most 3", append(vec![event(name.clone(), 4, 1)])),
            ("at most 20", append(vec![event(long.clone(), 0, 1)])),
            ("at most 20", append(Vec::new()).by(long.clone())),
            ("at most 20", with_state(long, 1)),
            ("at most 10", with_state(name.clone(), 11)),
            ("at most 15", append(vec![event(name, 0, 8); 2])),
            ("at most 1", with_statements(&[1, 1])),
            ("at most 15", with_statements(&[16])),
            ("U+0000", append(vec![event("\0".to_owned(), 0, 1)])),
            ("U+0000", append(Vec::new()).by("\0".to_owned())),
            (
                "no key",
                append(Vec::new()).metadata(CustomMetadata::from([("A", "")])),
            ),
            ("U+0000", with_state("\0".to_owned(), 1)),
        ];
        for (limit, append) in refused {
            match LIMITS.check(&append) {
                Err(AppendError::Invalid { reason }) => assert!(reason.contains(limit), "{reason}"),
                other => panic!("{limit}: {other:?}"),
            }
        }
    }
}
