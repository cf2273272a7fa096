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
#[cfg(feature = "page")]
mod page;
mod problems;
mod query;
mod schema;
mod text;

pub use asyncapi::asyncapi;
pub use document::Document;
pub use openapi::openapi;
pub use options::Options;
#[cfg(feature = "page")]
pub use page::{PAGE, PAGE_POLICY, PageFile};
