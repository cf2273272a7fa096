/// A message about an unknown word, with the most similar known word and a list of all known words:
/// `unknown key ..: did you mean ..?`.
pub fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    format!(
        "{} known {kind}s: {}",
        no_such(kind, word, known),
        quoted.join(", ")
    )
}

/// A message about an unknown word, as the start of a sentence.
pub fn no_such(kind: &str, word: &str, known: &[&str]) -> String {
    match meant(word, known) {
        Some(meant) => format!("unknown {kind} `{word}`: did you mean `{meant}`?"),
        None => format!("unknown {kind} `{word}`;"),
    }
}

/// The most similar known word, if any is similar.
pub fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|known| (distance(word, known), *known));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= best.len().div_ceil(3)).then_some(best)
}

/// Number of letters to insert, remove or replace to turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, letter) in from.chars().enumerate() {
        let mut next = vec![place + 1];
        for (column, (wanted, pair)) in to.iter().zip(row.windows(2)).enumerate() {
            let replaced = pair[0] + usize::from(letter != *wanted);
            next.push(replaced.min(pair[1] + 1).min(next[column] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["error", "permission", "name", "crate"];

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        for (word, known) in [
            ("permision", "permission"),
            ("err", "error"),
            ("errors", "error"),
            ("nmae", "name"),
            ("krate", "crate"),
        ] {
            assert_eq!(meant(word, &KNOWN), Some(known));
        }
        assert_eq!(meant("returns", &KNOWN), None);
        assert_eq!(meant("x", &[]), None);
    }

    #[test]
    fn the_known_words_are_listed() {
        assert_eq!(
            unknown("key", "permision", &KNOWN),
            "unknown key `permision`: did you mean `permission`? \
             known keys: `error`, `permission`, `name`, `crate`"
        );
        assert_eq!(
            unknown("key", "returns", &["name"]),
            "unknown key `returns`; known keys: `name`"
        );
    }
}
