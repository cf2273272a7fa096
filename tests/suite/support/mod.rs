//! Helpers for tests of several subjects.

pub mod decorated;
pub mod lacking;
mod noted;
pub mod one_by_one;
pub mod parked;
pub mod postgres;
mod race;
pub mod sources;
pub mod stock;
pub mod stores;
pub mod transacting;
pub mod umadb;
pub mod watched;

pub use noted::noted;
pub use race::race;
