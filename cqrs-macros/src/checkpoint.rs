use syn::LitStr;

use crate::errors::Errors;

/// A name as it may stand in a checkpoint's. `what` has it, for messages.
pub fn name(name: Option<LitStr>, what: &str, errors: &mut Errors) -> Option<String> {
    let name = name?;
    let text = name.value();
    if text.chars().all(is_allowed) {
        return Some(text);
    }
    errors.at(
        name,
        format!("{what}'s name has only `a-z`, `0-9`, `_` and `-` in it"),
    );
    None
}

/// Whether a checkpoint's name may have the letter in it.
fn is_allowed(letter: char) -> bool {
    matches!(letter, 'a'..='z' | '0'..='9' | '_' | '-')
}
