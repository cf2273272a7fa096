//! Programs of the machine that tests use: those in `PATH`, what `scripts/setup` installs in `.tools`, and a browser
//! without a screen.
//!
//! Published crates have it among their dependencies for tests by its path, without a version: cargo leaves it out of
//! their packages.

#[expect(
    clippy::missing_panics_doc,
    reason = "a browser that does not do what it is asked for is a failure of each test"
)]
mod browser;
mod find;
mod messages;

pub use browser::{Browser, Theme};
pub use find::{in_path, program, tool, without};
