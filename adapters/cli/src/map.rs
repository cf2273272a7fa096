use cqrs_core::app::Model;
use cqrs_core::error::Failure;
use cqrs_core::store::EventQuery;
use cqrs_core::{Actor, Dispatcher};
use cqrs_map::{FlowMap, Observed};

use crate::args::{MapArgs, MapFormat};
use crate::error::CliError;
use crate::out::{print_json, print_line};

/// The use of what is declared, as far as the log shows it.
pub(crate) async fn observed(dispatcher: &Dispatcher, actor: Actor) -> Result<Observed, CliError> {
    let history = dispatcher.events(EventQuery::All).actor(actor);
    let mut events = history.stream()?;
    let mut observed = Observed::default();
    while let Some(event) = events.next().await.map_err(Failure::from)? {
        observed.add(&event);
    }
    Ok(observed)
}

/// Prints the flow map of a program. As JSON, this is its model.
pub(crate) fn run(
    model: &Model,
    map: &MapArgs,
    (title, as_json): (&str, bool),
    observed: Option<&Observed>,
) -> Result<(), CliError> {
    if as_json {
        return Ok(print_json(model)?);
    }
    let mut flow = FlowMap::new(model).title(title);
    if let Some(observed) = observed {
        flow = flow.observed(observed);
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
