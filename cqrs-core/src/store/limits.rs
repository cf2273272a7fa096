use super::{Append, AppendError, StateWrite};

/// The largest append that a store takes. Every store checks before it does anything else.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events of one command.
    pub events: usize,
    /// Bytes of one payload, or of one state.
    pub payload: usize,
    /// Tags of one event.
    pub tags: usize,
    /// Bytes of one tag, event type, actor or id of a state. None of them may have U+0000, which
    /// some databases cannot keep in a text.
    pub name: usize,
    /// Bytes of all payloads and states of one append.
    pub append: usize,
}

impl Default for Limits {
    /// 10,000 events of 1 MiB with 64 tags of 512 bytes, together 64 MiB.
    fn default() -> Self {
        Self {
            events: 10_000,
            payload: 1 << 20,
            tags: 64,
            name: 512,
            append: 64 << 20,
        }
    }
}

impl Limits {
    /// Checks an append.
    ///
    /// # Errors
    /// [`AppendError::Invalid`] that names the limit and what broke it.
    pub fn check(&self, append: &Append) -> Result<(), AppendError> {
        let within = |what: &str, size: usize, limit: usize| {
            if size <= limit {
                return Ok(());
            }
            Err(AppendError::Invalid {
                reason: format!("{what}: {size}, at most {limit}"),
            })
        };
        let name = |what: &str, text: &str| {
            let problem = if text.contains('\0') {
                "has U+0000".to_owned()
            } else if text.len() > self.name {
                format!("has {} bytes, at most {}", text.len(), self.name)
            } else {
                return Ok(());
            };
            Err(AppendError::Invalid {
                reason: format!("{what} {problem}: {:?}", shortened(text)),
            })
        };
        within("events of one command", append.events.len(), self.events)?;
        if let Some(actor) = &append.actor {
            name("the actor", actor)?;
        }
        within(
            "bytes of one append, of all its events and states",
            append.bytes(),
            self.append,
        )?;
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
            name("the id of a stored state", &key.id)?;
        }
        for event in &append.events {
            within(
                "bytes of an event's payload",
                event.payload.len(),
                self.payload,
            )?;
            name("an event's type", event.event_type.as_str())?;
            within("tags of an event", event.tags.as_slice().len(), self.tags)?;
            for tag in &event.tags {
                name("a tag", tag.as_str())?;
            }
        }
        Ok(())
    }
}

/// A name, shortened to a readable length.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}
