use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};

use xxhash_rust::xxh3::Xxh3Default;

/// A file with its size, number of lines and hash, found before its lines are sent.
pub(crate) struct FileSummary {
    /// The file, at its beginning.
    pub(crate) file: File,
    /// The hash of its content.
    pub(crate) content: u128,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Number of lines.
    pub(crate) lines: u64,
}

impl FileSummary {
    /// Reads a file to its end.
    pub(crate) fn of(mut file: File) -> io::Result<Self> {
        let mut hash = Xxh3Default::new();
        let mut bytes = 0;
        let mut lines = 0;
        let mut last = b'\n';
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(read);
            bytes += read.len() as u64;
            lines += read
                .iter()
                .map(|byte| u64::from(*byte == b'\n'))
                .sum::<u64>();
            last = read.last().copied().unwrap_or(last);
        }
        file.rewind()?;
        // The last line may lack its line break.
        lines += u64::from(last != b'\n');
        Ok(Self {
            file,
            content: hash.digest128(),
            bytes,
            lines,
        })
    }
}
