/// What is to be placed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub nodes: Vec<Shape>,
    /// From a node to one further right.
    pub edges: Vec<(usize, usize)>,
}

/// A node, before it has a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub column: usize,
    /// Within a column, nodes of a lower block are above those of a higher one.
    pub block: usize,
}

/// Distances, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spacing {
    /// The least height of a node.
    pub node: f64,
    /// Between two ends of edges on one side of a node.
    pub port: f64,
    /// Between two nodes of a column.
    pub gap: f64,
    /// Between two edges that pass a column, or a node and such an edge.
    pub passage: f64,
    /// Between two blocks of a column, in addition.
    pub block: f64,
}

/// Where everything is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    /// The middle of each node and its height.
    pub nodes: Vec<Place>,
    /// The heights of each edge: where it leaves, where it passes each column between, where it arrives.
    pub edges: Vec<Vec<f64>>,
    pub height: f64,
    /// How often edges cross.
    pub crossings: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub middle: f64,
    pub height: f64,
}

/// A node, or the place where an edge passes a column.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub column: usize,
    pub block: usize,
    /// The neighbors in the columns beside it.
    pub left: Vec<usize>,
    pub right: Vec<usize>,
}

/// The graph, with cells for the edges that pass columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    /// Nodes first.
    pub all: Vec<Cell>,
    /// The cells of each edge, from left to right.
    pub chains: Vec<Vec<usize>>,
    pub columns: usize,
}

impl Cells {
    pub fn new(graph: &Graph) -> Self {
        let mut all: Vec<Cell> = graph
            .nodes
            .iter()
            .map(|node| Cell {
                column: node.column,
                block: node.block,
                left: Vec::new(),
                right: Vec::new(),
            })
            .collect();
        let columns = all.iter().map(|cell| cell.column + 1).max().unwrap_or(0);
        let mut chains = Vec::with_capacity(graph.edges.len());
        for &(from, to) in &graph.edges {
            let mut chain = vec![from];
            for column in all[from].column + 1..all[to].column {
                chain.push(all.len());
                all.push(Cell {
                    column,
                    block: 0,
                    left: Vec::new(),
                    right: Vec::new(),
                });
            }
            chain.push(to);
            for pair in chain.windows(2) {
                all[pair[0]].right.push(pair[1]);
                all[pair[1]].left.push(pair[0]);
            }
            chains.push(chain);
        }
        Self {
            all,
            chains,
            columns,
        }
    }
}
