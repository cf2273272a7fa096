//! Names as numbers, so that the type system can compare them.

use xxhash_rust::const_xxh3::xxh3_64;

/// The number that stands for a name in const generics: `HasId<{ key("product") }, ..>`.
///
/// The macros write it wherever two crates must mean the same aggregate without naming its
/// type; it is XXH3, 64 bits, of the name's UTF-8 bytes.
pub const fn key(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}
