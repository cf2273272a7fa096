//! Buffers of the thread, for text that is looked at or copied and then forgotten. They save an
//! allocation and its growth for each tag, event and command.

use std::cell::Cell;

/// Capacity in bytes up to which a buffer is kept, so that one large value does not occupy memory
/// for as long as the thread lives.
const MAX_KEPT: usize = 1 << 16;

/// Runs `write` with an empty buffer of bytes.
pub(crate) fn bytes<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local!(static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Taken out for the time: if `write` calls the user's code and that comes here again, it gets
    // a new buffer.
    let mut buffer = BYTES.take();
    buffer.clear();
    let written = write(&mut buffer);
    if buffer.capacity() <= MAX_KEPT {
        BYTES.set(buffer);
    }
    written
}

/// Runs `write` with an empty string.
pub(crate) fn text<T>(write: impl FnOnce(&mut String) -> T) -> T {
    thread_local!(static TEXT: Cell<String> = const { Cell::new(String::new()) });
    let mut buffer = TEXT.take();
    buffer.clear();
    let written = write(&mut buffer);
    if buffer.capacity() <= MAX_KEPT {
        TEXT.set(buffer);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_in_use_is_not_given_away_again() {
        let outer = text(|outer| {
            outer.push('a');
            let inner = text(|inner| {
                inner.push('b');
                inner.clone()
            });
            format!("{outer}{inner}")
        });
        assert_eq!(outer, "ab");
        assert_eq!(text(|text| text.clone()), "");
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        bytes(|buffer| buffer.resize(MAX_KEPT + 1, 0));
        assert!(bytes(|buffer| buffer.capacity()) <= MAX_KEPT);
        bytes(|buffer| buffer.push(0));
        assert!(bytes(|buffer| buffer.is_empty() && buffer.capacity() > 0));
    }
}
