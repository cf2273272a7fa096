#![doc = include_str!("../README.md")]

mod answers;
mod asyncapi;
mod command;
mod components;
mod document;
mod example;
mod headers;
mod openapi;
mod options;
mod problems;
mod query;
mod schema;
mod text;

pub use asyncapi::asyncapi;
pub use document::Document;
pub use openapi::openapi;
pub use options::Options;
