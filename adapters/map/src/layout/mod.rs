//! Places the nodes of a graph whose columns are given: orders each column such that few edges cross, then finds
//! heights at which edges are straight.

mod graph;
mod heights;
mod order;
#[cfg(test)]
mod tests;

use graph::Cells;
pub(crate) use graph::{Graph, Layout, Shape, Spacing};

/// Places a graph. The same graph gets the same layout.
pub(crate) fn layout(graph: &Graph, spacing: Spacing) -> Layout {
    let cells = Cells::new(graph);
    let order = order::best(&cells);
    let crossings = order::crossings(&cells, &order);
    let mut layout = heights::place(&cells, &order, graph.nodes.len(), spacing);
    layout.crossings = crossings;
    layout
}
