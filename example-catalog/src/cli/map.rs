use cqrs_core::Dispatcher;
use cqrs_map::FlowMap;

use super::CliError;
use super::args::{MapArgs, MapFormat};
use super::out::print_line;

/// Prints the flow map of the catalog.
pub fn run(dispatcher: &Dispatcher, map: &MapArgs) -> Result<(), CliError> {
    let flow = FlowMap::new(&dispatcher.model()).title("Product catalog");
    let text = match map.format {
        MapFormat::Html => flow.html(),
        MapFormat::Svg => flow.svg(),
        MapFormat::Mermaid => flow.mermaid(),
        MapFormat::Dot => flow.dot(),
    };
    print_line(text.trim_end())?;
    Ok(())
}
