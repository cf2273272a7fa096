#![doc = include_str!("../README.md")]

mod dot;
mod flow_map;
mod html;
mod kinds;
mod layout;
mod mermaid;
mod observed;
mod overlay;
mod parts;
mod paths;
mod picture;
mod svg;
mod text;
mod themes;

pub use flow_map::FlowMap;
pub use observed::Observed;
