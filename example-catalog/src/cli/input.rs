use std::io::Read;

use super::Stop;

/// The most bytes that a message on the standard input may have; as much as a dispatcher takes.
const MOST: u64 = 1 << 20;

/// A message's JSON, as given or from the standard input.
pub fn json(argument: &str) -> Result<Vec<u8>, Stop> {
    if argument != "-" {
        return Ok(argument.as_bytes().to_vec());
    }
    let mut json = Vec::new();
    // One byte more, so that the dispatcher sees that it is too long.
    std::io::stdin()
        .lock()
        .take(MOST + 1)
        .read_to_end(&mut json)?;
    Ok(json)
}
