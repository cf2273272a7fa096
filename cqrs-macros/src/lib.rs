// Examples need `cqrs-core`, which depends on this crate: `tests/lib.rs` compiles and runs them.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

use proc_macro::TokenStream;

mod aggregate;
mod args;
mod case;
mod checkpoint;
mod command;
mod command_handler;
mod earlier_name;
mod errors;
mod event;
mod event_handler;
mod event_method;
mod field;
mod fingerprint;
mod framework;
mod function;
mod hygiene;
mod id;
mod identity;
mod impl_block;
mod message;
mod partitioning;
mod process_manager;
mod process_step;
mod projection;
mod query;
mod query_handler;
mod read_model;
mod setup;
mod source;
mod storage;
mod suggest;
mod sum;
#[cfg(test)]
mod tests;
mod types;
mod upcast;

#[cfg_attr(not(doctest), doc = include_str!("docs/command.md"))]
#[proc_macro_derive(Command, attributes(command, id))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), command::CommandItem::read).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/query.md"))]
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), query::QueryItem::read).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/event.md"))]
#[proc_macro_derive(Event, attributes(event, id))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::derive(input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/read_model.md"))]
#[proc_macro_derive(ReadModel, attributes(read_model, key, index))]
pub fn derive_read_model(input: TokenStream) -> TokenStream {
    errors::derive(input.into(), read_model::ReadModelItem::read).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/aggregate.md"))]
#[proc_macro_attribute]
pub fn aggregate(args: TokenStream, item: TokenStream) -> TokenStream {
    aggregate::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/command_handler.md"))]
#[proc_macro_attribute]
pub fn command_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    command_handler::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/query_handler.md"))]
#[proc_macro_attribute]
pub fn query_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    query_handler::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/event_handler.md"))]
#[proc_macro_attribute]
pub fn event_handler(args: TokenStream, item: TokenStream) -> TokenStream {
    event_handler::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/upcast.md"))]
#[proc_macro_attribute]
pub fn upcast(args: TokenStream, item: TokenStream) -> TokenStream {
    upcast::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/projection.md"))]
#[proc_macro_attribute]
pub fn projection(args: TokenStream, item: TokenStream) -> TokenStream {
    projection::attribute(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("docs/process_manager.md"))]
#[proc_macro_attribute]
pub fn process_manager(args: TokenStream, item: TokenStream) -> TokenStream {
    process_manager::attribute(args.into(), item.into()).into()
}
