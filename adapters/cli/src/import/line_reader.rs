use std::io::{self, BufRead, Read};

/// Maximum size of a line.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 10;

/// The lines of a file, numbered from 1. Memory is bounded for any content.
pub(crate) struct LineReader<R> {
    input: R,
    number: u64,
}

/// A line, without its text if it is too long.
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) text: Option<Vec<u8>>,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Numbered>> {
        let mut text = Vec::new();
        let most = (MAX_LINE_BYTES + 1) as u64;
        if self
            .input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut text)?
            == 0
        {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > MAX_LINE_BYTES {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Numbered { number, text: None }));
        }
        Ok(Some(Numbered {
            number,
            text: Some(text),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        let most = "y".repeat(MAX_LINE_BYTES);
        let text = format!("one\n{long}\n\n{most}\n{long}zzz\nlast");
        let mut lines = LineReader::new(text.as_bytes());
        let mut read = Vec::new();
        while let Some(line) = lines.next().expect("memory can be read") {
            read.push((line.number, line.text.map(|text| text.len())));
        }
        let expected = [Some(3), None, Some(0), Some(MAX_LINE_BYTES), None, Some(4)];
        assert_eq!(read, (1..).zip(expected).collect::<Vec<_>>());
    }
}
