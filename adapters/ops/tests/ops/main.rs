//! The pages behind a real server, asked by a real client and by a real browser.

mod access;
mod browser;
mod changes;
mod domain;
mod pages;
mod server;
