use proptest::prelude::*;

use super::order::{crossings, given};
use super::*;

const SPACING: Spacing = Spacing {
    node: 34.0,
    port: 10.0,
    gap: 12.0,
    passage: 10.0,
    block: 40.0,
};

fn graph(columns: &[usize], edges: &[(usize, usize)]) -> Graph {
    let nodes = columns.iter().map(|&column| Shape { column, block: 0 });
    Graph {
        nodes: nodes.collect(),
        edges: edges.to_vec(),
    }
}

/// Any graph: edges lead to the right, no two from one node to the same.
fn any_graph() -> impl Strategy<Value = Graph> {
    let nodes = prop::collection::vec((0..5_usize, 0..2_usize), 1..24);
    nodes
        .prop_flat_map(|nodes| {
            let count = nodes.len();
            let edges = prop::collection::vec((0..count, 0..count), 0..40);
            (Just(nodes), edges)
        })
        .prop_map(|(nodes, pairs)| {
            let mut edges: Vec<_> = pairs
                .into_iter()
                .filter_map(|(a, b)| match nodes[a].0.cmp(&nodes[b].0) {
                    std::cmp::Ordering::Less => Some((a, b)),
                    std::cmp::Ordering::Equal => None,
                    std::cmp::Ordering::Greater => Some((b, a)),
                })
                .collect();
            edges.sort_unstable();
            edges.dedup();
            let nodes = nodes
                .into_iter()
                .map(|(column, block)| Shape { column, block })
                .collect();
            Graph { nodes, edges }
        })
}

/// A graph that can be drawn without a crossing: forests whose roots are on the left, with shuffled nodes.
fn forest() -> impl Strategy<Value = Graph> {
    let parents = prop::collection::vec(any::<prop::sample::Index>(), 1..40);
    parents
        .prop_flat_map(|parents| {
            let count = parents.len();
            (
                Just(parents),
                Just((0..count).collect::<Vec<_>>()).prop_shuffle(),
            )
        })
        .prop_map(|(parents, names)| {
            let mut columns = vec![0];
            let mut edges = Vec::new();
            for (node, parent) in parents.iter().enumerate().skip(1) {
                // Every fourth is a root.
                let parent = parent.index(node);
                if node % 4 == 0 || columns[parent] == 4 {
                    columns.push(0);
                } else {
                    columns.push(columns[parent] + 1);
                    edges.push((names[parent], names[node]));
                }
            }
            let mut shuffled = vec![0; columns.len()];
            for (node, &name) in names.iter().enumerate() {
                shuffled[name] = columns[node];
            }
            graph(&shuffled, &edges)
        })
}

proptest! {
    #[test]
    fn nodes_of_a_column_do_not_overlap_and_blocks_keep_their_order(graph in any_graph()) {
        let layout = layout(&graph, SPACING);
        for (a, upper) in graph.nodes.iter().zip(&layout.nodes) {
            for (b, lower) in graph.nodes.iter().zip(&layout.nodes) {
                if a.column == b.column && upper.middle < lower.middle {
                    let space = lower.middle - lower.height / 2.0 - upper.middle - upper.height / 2.0;
                    prop_assert!(space > SPACING.passage - 0.01, "{space}");
                    prop_assert!(a.block <= b.block);
                }
            }
            prop_assert!(upper.middle - upper.height / 2.0 > -0.01);
            prop_assert!(upper.middle + upper.height / 2.0 < layout.height + 0.01);
        }
    }

    #[test]
    fn no_two_nodes_of_a_column_are_at_one_place(graph in any_graph()) {
        let layout = layout(&graph, SPACING);
        let mut places: Vec<_> = (0..graph.nodes.len())
            .map(|node| (graph.nodes[node].column, layout.nodes[node].middle.to_bits()))
            .collect();
        places.sort_unstable();
        places.dedup();
        prop_assert_eq!(places.len(), graph.nodes.len());
    }

    #[test]
    fn the_same_graph_gets_the_same_layout_with_not_more_crossings_than_it_came_with(graph in any_graph()) {
        let layout = super::layout(&graph, SPACING);
        prop_assert_eq!(&layout, &super::layout(&graph, SPACING));
        let cells = Cells::new(&graph);
        prop_assert!(layout.crossings <= crossings(&cells, &given(&cells)));
    }

    #[test]
    fn edges_end_on_the_sides_of_their_nodes_one_below_the_other(graph in any_graph()) {
        let layout = layout(&graph, SPACING);
        let mut ends = Vec::new();
        for (&(from, to), heights) in graph.edges.iter().zip(&layout.edges) {
            let columns = graph.nodes[to].column - graph.nodes[from].column;
            prop_assert_eq!(heights.len(), columns + 1);
            for (side, node, height) in [(0, from, heights[0]), (1, to, heights[columns])] {
                let place = layout.nodes[node];
                prop_assert!((height - place.middle).abs() < place.height / 2.0);
                ends.push((side, node, height.to_bits()));
            }
        }
        let count = ends.len();
        ends.sort_unstable();
        ends.dedup();
        prop_assert_eq!(ends.len(), count);
    }

    #[test]
    fn crossings_are_those_of_the_drawn_edges(graph in any_graph()) {
        let layout = layout(&graph, SPACING);
        // Every part of an edge between two columns.
        let mut parts = Vec::new();
        for (&(from, _), heights) in graph.edges.iter().zip(&layout.edges) {
            for (step, pair) in heights.windows(2).enumerate() {
                parts.push((graph.nodes[from].column + step, pair[0], pair[1]));
            }
        }
        let mut count = 0;
        for (place, a) in parts.iter().enumerate() {
            for b in &parts[place + 1..] {
                count += usize::from(a.0 == b.0 && (a.1 - b.1) * (a.2 - b.2) < 0.0);
            }
        }
        prop_assert_eq!(count, layout.crossings);
    }

    #[test]
    fn a_forest_has_no_crossings(graph in forest()) {
        prop_assert_eq!(layout(&graph, SPACING).crossings, 0);
    }
}

#[test]
fn planar_graphs_have_no_crossings() {
    // Two parts that are interleaved by name.
    let apart = graph(
        &[0, 0, 0, 0, 1, 1, 2, 2, 2],
        &[(0, 5), (1, 4), (2, 5), (3, 4), (4, 6), (5, 7), (4, 8)],
    );
    // A ladder: every node has two neighbors on each side.
    let ladder = graph(
        &[0, 0, 0, 1, 1, 1],
        &[(0, 4), (0, 5), (1, 3), (2, 5), (2, 3)],
    );
    // An edge over three columns around a chain.
    let around = graph(
        &[0, 1, 2, 3, 0, 2],
        &[(0, 1), (1, 2), (2, 3), (0, 3), (4, 5), (5, 3)],
    );
    for graph in [apart, ladder, around] {
        assert_eq!(layout(&graph, SPACING).crossings, 0, "{graph:?}");
    }
}

#[test]
fn what_cannot_be_drawn_without_a_crossing_has_one() {
    let graph = graph(&[0, 0, 1, 1], &[(0, 2), (0, 3), (1, 2), (1, 3)]);
    assert_eq!(layout(&graph, SPACING).crossings, 1);
}

#[test]
fn a_chain_is_straight_and_so_is_an_edge_past_other_nodes() {
    let graph = graph(&[0, 1, 2, 0, 2, 1, 1, 1], &[(0, 1), (1, 2), (3, 4)]);
    let layout = layout(&graph, SPACING);
    for heights in &layout.edges {
        assert!(
            heights
                .windows(2)
                .all(|pair| (pair[0] - pair[1]).abs() < 0.5),
            "{layout:?}"
        );
    }
}

#[test]
fn nothing_has_a_layout_too() {
    assert_eq!(layout(&Graph::default(), SPACING), Layout::default());
}

#[test]
fn a_thousand_nodes_have_a_layout() {
    let columns: Vec<_> = (0..1000).map(|node| node % 6).collect();
    let edges: Vec<_> = (0..1000_usize)
        .flat_map(|node| [node + 1, (node + 7 * (node % 31)) / 6 * 6 + (node + 1) % 6])
        .zip((0..1000).flat_map(|node| [node, node]))
        .filter(|&(to, from)| to < 1000 && to % 6 == from % 6 + 1)
        .map(|(to, from)| (from, to))
        .collect();
    let graph = graph(&columns, &edges);
    let cells = Cells::new(&graph);
    assert!(layout(&graph, SPACING).crossings < crossings(&cells, &given(&cells)));
}
