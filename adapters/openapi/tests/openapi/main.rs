//! The documents of a domain that has everything.

mod asyncapi;
mod library;
mod openapi;
mod program;

use cqrs_core::app::model;
use cqrs_openapi::{Document, Options};

fn options() -> Options {
    Options::new().title("Library").version("1.2.3")
}

fn openapi_document() -> Document {
    cqrs_openapi::openapi(&model(), &options().bearer())
}
