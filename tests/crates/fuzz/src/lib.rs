//! What is done with the inputs of a fuzzer. `fuzz/` calls these functions, and `tests/corpus.rs` does so with the inputs
//! that were worth keeping. Each panics if something does not hold that has to hold for every input.

#![expect(
    clippy::missing_panics_doc,
    reason = "so a target says that it has found something"
)]

mod domain;
mod headers;
mod http;
mod json;
mod served;
mod tokens;

pub use headers::headers;
pub use http::http;
pub use json::json;
pub use tokens::tokens;

/// Takes an input.
pub type Target = fn(&[u8]);

/// The targets by the names of their corpora.
pub const TARGETS: [(&str, Target); 4] = [
    ("headers", headers),
    ("http", http),
    ("json", json),
    ("tokens", tokens),
];
