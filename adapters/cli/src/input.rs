use std::io::Read;

use crate::error::CliError;

/// Maximum size of a message on the standard input, which is also the dispatcher's.
const MAX_JSON_BYTES: u64 = 1 << 20;

/// A message's JSON, from the argument or the standard input.
pub(crate) fn json(argument: &str) -> Result<Vec<u8>, CliError> {
    if argument != "-" {
        return Ok(argument.as_bytes().to_vec());
    }
    let mut json = Vec::new();
    // One more byte, so that the dispatcher detects a message that is too long.
    std::io::stdin()
        .lock()
        .take(MAX_JSON_BYTES + 1)
        .read_to_end(&mut json)?;
    Ok(json)
}
