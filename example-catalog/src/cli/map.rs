use cqrs_core::error::Failure;
use cqrs_core::store::EventQuery;
use cqrs_core::{Actor, Dispatcher};
use cqrs_map::{FlowMap, Observed};

use super::CliError;
use super::args::{MapArgs, MapFormat};
use super::out::print_line;

/// Prints the flow map of the catalog.
pub async fn run(dispatcher: &Dispatcher, map: &MapArgs, actor: Actor) -> Result<(), CliError> {
    let mut flow = FlowMap::new(&dispatcher.model()).title("Product catalog");
    if map.observed {
        let history = dispatcher.events(EventQuery::All).actor(actor);
        let mut events = history.stream()?;
        let mut observed = Observed::default();
        while let Some(event) = events.next().await.map_err(Failure::from)? {
            observed.add(&event);
        }
        flow = flow.observed(&observed);
    }
    let text = match map.format {
        MapFormat::Html => flow.html(),
        MapFormat::Svg => flow.svg(),
        MapFormat::Mermaid => flow.mermaid(),
        MapFormat::Dot => flow.dot(),
    };
    print_line(text.trim_end())?;
    Ok(())
}
