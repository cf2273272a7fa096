//! What tests of several subjects use.

pub mod decorated;
pub mod transacting;
pub mod watched;
