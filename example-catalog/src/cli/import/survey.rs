use std::fs::File;
use std::io::{self, ErrorKind, Read};

use xxhash_rust::xxh3::Xxh3Default;

/// What is known of a file before its lines are read.
pub struct Survey {
    /// A hash of all that is in it.
    pub content: u128,
    /// How many lines it has.
    pub lines: u64,
}

impl Survey {
    /// Reads a file to its end.
    pub fn of(mut file: File) -> io::Result<(File, Self)> {
        let mut hash = Xxh3Default::new();
        let mut lines = 0;
        let mut ends_in_line = false;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(read);
            lines += read
                .iter()
                .map(|byte| u64::from(*byte == b'\n'))
                .sum::<u64>();
            ends_in_line = read.last() != Some(&b'\n');
        }
        let survey = Self {
            content: hash.digest128(),
            lines: lines + u64::from(ends_in_line),
        };
        Ok((file, survey))
    }
}
