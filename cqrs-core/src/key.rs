//! Hashes of names, which the type system can compare.

use xxhash_rust::const_xxh3::xxh3_64;

/// Hash of a name, for const generics: `HasId<{ key("product") }, ..>`.
///
/// The macros use it wherever two crates refer to the same aggregate without naming its type. It is
/// the 64-bit XXH3 hash of the name's UTF-8 bytes.
pub const fn key(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}
