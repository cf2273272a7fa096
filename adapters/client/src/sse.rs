/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SentEvent {
    pub(crate) kind: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

/// Takes events out of the bytes of a stream, as the HTML standard has it (section 9.2.6), except for `retry`.
#[derive(Default)]
pub(crate) struct Parser {
    /// A line that is not complete.
    line: Vec<u8>,
    event: SentEvent,
    has_data: bool,
    /// The last byte was a carriage return, so a line feed belongs to it.
    follows_return: bool,
}

impl Parser {
    /// The size of what is not complete, in bytes.
    pub(crate) fn pending(&self) -> usize {
        self.line.len() + self.event.data.len()
    }

    /// Takes the next bytes, and returns the events that are complete with them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<SentEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            let is_second = std::mem::replace(&mut self.follows_return, *byte == b'\r');
            match byte {
                b'\n' if is_second => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                byte => self.line.push(*byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<SentEvent> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            // Comments, which keep the connection alive, among them.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: answer\r\nid: 7\r\ndata: {\"a\":\ndata: 1}\r\n\r\nid: 8\n\ndata:\u{e9}\n\n";

    fn expected() -> [SentEvent; 2] {
        [
            SentEvent {
                kind: "answer".to_owned(),
                data: "{\"a\":\n1}".to_owned(),
                id: Some("7".to_owned()),
            },
            SentEvent {
                kind: String::new(),
                data: "\u{e9}".to_owned(),
                id: None,
            },
        ]
    }

    #[test]
    fn events_are_found_however_the_bytes_come() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let parts = STREAM.as_bytes().chunks(size);
            let events: Vec<_> = parts.flat_map(|part| parser.take(part)).collect();
            assert_eq!(events, expected(), "{size}");
            assert_eq!(parser.pending(), 0);
        }
    }
}
