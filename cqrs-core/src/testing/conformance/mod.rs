//! The promises of a store, as tests.
