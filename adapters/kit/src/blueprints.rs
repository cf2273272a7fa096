//! The code that a version of a projection was built by, as text for a column.

use cqrs_core::store::Blueprint;

/// A column that is no list of blueprints.
#[derive(Debug, thiserror::Error)]
#[error("the code of a projection's version: {0}")]
pub struct UnreadableBlueprints(#[from] serde_json::Error);

/// The text of a column.
///
/// # Errors
/// When the blueprints have no JSON, which cannot be: they are names and numbers.
pub fn encode(blueprints: &[Blueprint]) -> Result<String, UnreadableBlueprints> {
    Ok(serde_json::to_string(blueprints)?)
}

/// The list in a column.
///
/// # Errors
/// When the text is something else.
pub fn decode(stored: &str) -> Result<Vec<Blueprint>, UnreadableBlueprints> {
    Ok(serde_json::from_str(stored)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let blueprint = Blueprint {
            events: vec!["opened".to_owned()],
            ..Blueprint::default()
        };
        let written = [blueprint, Blueprint::default()];
        let stored = encode(&written).expect("it has a text");
        assert_eq!(decode(&stored).expect("it is read"), written);
        assert!(decode("{}").is_err());
    }
}
