//! Hashes of names, which the type system can compare, and of code.

use xxhash_rust::const_xxh3::xxh3_64;

/// Hash of a name, for const generics: `HasId<{ key("product") }, ..>`.
///
/// The macros use it wherever two crates refer to the same aggregate without naming its type. It is
/// the 64-bit XXH3 hash of the name's UTF-8 bytes.
pub const fn key(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// Hash of code of which some parts are enabled: the hash of all of it, and for each condition whether it holds.
///
/// The macros use it where code has `#[cfg(..)]`, since they see all of the code.
pub const fn conditional_fingerprint(code: u64, conditions: &[bool]) -> u64 {
    let mut hash = code;
    let mut place = 0;
    while place < conditions.len() {
        let holds = if conditions[place] { 2 } else { 1 };
        // FNV-1a, as the hash of the code.
        hash = (hash ^ holds).wrapping_mul(0x0100_0000_01b3);
        place += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enabled_counts() {
        let all = [
            conditional_fingerprint(7, &[]),
            conditional_fingerprint(7, &[false]),
            conditional_fingerprint(7, &[true]),
            conditional_fingerprint(7, &[true, false]),
            conditional_fingerprint(7, &[false, true]),
            conditional_fingerprint(8, &[false, true]),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one), "{all:?}");
        }
        assert_eq!(all[0], 7);
    }
}
