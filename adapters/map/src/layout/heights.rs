//! The heights of cells in given orders. Each column in turn takes the heights that its neighbors' ends of edges have,
//! as near as the distances within the column allow: that is a regression with a given order, which has an exact
//! solution in linear time (pool adjacent violators).

use super::graph::{Cells, Layout, Place, Spacing};
use super::order::{Order, as_f64};

const MAX_ROUNDS: usize = 40;
/// Edges through several columns are straight before others are.
const PASSAGE_WEIGHT: f64 = 8.0;

pub(super) fn place(cells: &Cells, order: &Order, nodes: usize, spacing: Spacing) -> Layout {
    let ports = Ports::new(cells, order, spacing.port);
    let mut columns = Columns {
        cells,
        order,
        nodes,
        spacing,
        heights: (0..cells.all.len())
            .map(|cell| {
                if cell < nodes {
                    ports.height(cells, cell, spacing)
                } else {
                    0.0
                }
            })
            .collect(),
        middles: vec![0.0; cells.all.len()],
        ports,
    };
    columns.stack();
    for round in 0..MAX_ROUNDS {
        let count = order.len();
        for step in 0..count {
            let column = if round % 2 == 0 {
                step
            } else {
                count - 1 - step
            };
            // At first each column follows the one before it, then all their neighbors.
            let sides = match (round < MAX_ROUNDS / 2, round % 2 == 0) {
                (true, true) => (true, false),
                (true, false) => (false, true),
                _ => (true, true),
            };
            columns.settle(column, sides);
        }
    }
    columns.layout()
}

/// Where edges end on the sides of cells, from the middle.
struct Ports {
    /// Of each cell and each of its neighbors on this side, in the order of `Cell::left` and `Cell::right`.
    left: Vec<Vec<f64>>,
    right: Vec<Vec<f64>>,
    distance: f64,
}

impl Ports {
    fn new(cells: &Cells, order: &Order, distance: f64) -> Self {
        let mut places = vec![0; cells.all.len()];
        for column in order {
            for (place, &cell) in column.iter().enumerate() {
                places[cell] = place;
            }
        }
        let spread = |neighbors: &[usize]| {
            let mut sorted: Vec<usize> = (0..neighbors.len()).collect();
            sorted.sort_by_key(|&it| places[neighbors[it]]);
            let mut offsets = vec![0.0; neighbors.len()];
            let middle = (as_f64(neighbors.len()) - 1.0) / 2.0;
            for (rank, at) in sorted.into_iter().enumerate() {
                offsets[at] = (as_f64(rank) - middle) * distance;
            }
            offsets
        };
        Self {
            left: cells.all.iter().map(|cell| spread(&cell.left)).collect(),
            right: cells.all.iter().map(|cell| spread(&cell.right)).collect(),
            distance,
        }
    }

    /// A node has room for all ends.
    fn height(&self, cells: &Cells, cell: usize, spacing: Spacing) -> f64 {
        let cell = &cells.all[cell];
        let ends = cell.left.len().max(cell.right.len());
        spacing.node.max((as_f64(ends) + 1.0) * self.distance)
    }
}

struct Columns<'c> {
    cells: &'c Cells,
    order: &'c Order,
    nodes: usize,
    spacing: Spacing,
    ports: Ports,
    heights: Vec<f64>,
    middles: Vec<f64>,
}

impl Columns<'_> {
    /// The least distance of the middles of two cells, one below the other.
    fn distance(&self, upper: usize, lower: usize) -> f64 {
        let gap = if upper < self.nodes && lower < self.nodes {
            self.spacing.gap
        } else {
            self.spacing.passage
        };
        let (above, below) = (&self.cells.all[upper], &self.cells.all[lower]);
        let of_blocks = if above.block == below.block {
            0.0
        } else {
            self.spacing.block
        };
        f64::midpoint(self.heights[upper], self.heights[lower]) + gap + of_blocks
    }

    /// One below the other, all columns around one middle.
    fn stack(&mut self) {
        for column in self.order {
            let mut at = 0.0;
            for (place, &cell) in column.iter().enumerate() {
                if place > 0 {
                    at += self.distance(column[place - 1], cell);
                }
                self.middles[cell] = at;
            }
            for &cell in column {
                self.middles[cell] -= at / 2.0;
            }
        }
    }

    /// The height at which the edges to these sides are as straight as possible, and its weight.
    fn wish(&self, cell: usize, (to_left, to_right): (bool, bool)) -> (f64, f64) {
        let it = &self.cells.all[cell];
        let (mut sum, mut weights) = (0.0, 0.0);
        let sides = [
            (to_left, &it.left, &self.ports.left[cell]),
            (to_right, &it.right, &self.ports.right[cell]),
        ];
        for (place, (is_asked, neighbors, own)) in sides.into_iter().enumerate() {
            for (&neighbor, own) in neighbors.iter().zip(own).filter(|_| is_asked) {
                let there = &self.cells.all[neighbor];
                let (back, ports) = if place == 0 {
                    (&there.right, &self.ports.right[neighbor])
                } else {
                    (&there.left, &self.ports.left[neighbor])
                };
                let end = back.iter().position(|&it| it == cell);
                let port = end.map_or(0.0, |end| ports[end]);
                let weight = if cell >= self.nodes || neighbor >= self.nodes {
                    PASSAGE_WEIGHT
                } else {
                    1.0
                };
                sum += weight * (self.middles[neighbor] + port - own);
                weights += weight;
            }
        }
        if weights > 0.0 {
            (sum / weights, weights)
        } else {
            (self.middles[cell], 0.01)
        }
    }

    /// Gives the cells of a column the heights nearest to their wishes.
    fn settle(&mut self, column: usize, sides: (bool, bool)) {
        let column = &self.order[column];
        let mut pools: Vec<Pool> = Vec::with_capacity(column.len());
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(column.len());
        for (place, &cell) in column.iter().enumerate() {
            if place > 0 {
                offset += self.distance(column[place - 1], cell);
            }
            offsets.push(offset);
            let (wish, weight) = self.wish(cell, sides);
            let mut pool = Pool {
                mean: wish - offset,
                weight,
                cells: 1,
            };
            while let Some(above) = pools.pop_if(|above| above.mean > pool.mean) {
                let weight = above.weight + pool.weight;
                pool = Pool {
                    mean: (above.mean * above.weight + pool.mean * pool.weight) / weight,
                    weight,
                    cells: above.cells + pool.cells,
                };
            }
            pools.push(pool);
        }
        let means = pools
            .iter()
            .flat_map(|pool| std::iter::repeat_n(pool.mean, pool.cells));
        for ((mean, offset), &cell) in means.zip(offsets).zip(column) {
            self.middles[cell] = mean + offset;
        }
    }

    fn layout(&self) -> Layout {
        let mut top = f64::INFINITY;
        let mut bottom = f64::NEG_INFINITY;
        for (middle, height) in self.middles.iter().zip(&self.heights) {
            top = top.min(middle - height / 2.0);
            bottom = bottom.max(middle + height / 2.0);
        }
        if top > bottom {
            return Layout::default();
        }
        let nodes = (0..self.nodes)
            .map(|node| Place {
                middle: self.middles[node] - top,
                height: self.heights[node],
            })
            .collect();
        let edges = self
            .cells
            .chains
            .iter()
            .map(|chain| self.heights_of(chain, top))
            .collect();
        Layout {
            nodes,
            edges,
            height: bottom - top,
            crossings: 0,
        }
    }

    /// Where an edge leaves, passes and arrives.
    fn heights_of(&self, chain: &[usize], top: f64) -> Vec<f64> {
        let last = chain.len() - 1;
        let end = |neighbors: &[usize], ports: &[f64], other| {
            let at = neighbors.iter().position(|&it| it == other);
            at.map_or(0.0, |at| ports[at])
        };
        chain
            .iter()
            .enumerate()
            .map(|(place, &cell)| {
                let it = &self.cells.all[cell];
                let port = match place {
                    0 => end(&it.right, &self.ports.right[cell], chain[1]),
                    _ if place == last => end(&it.left, &self.ports.left[cell], chain[last - 1]),
                    _ => 0.0,
                };
                self.middles[cell] - top + port
            })
            .collect()
    }
}

/// Cells that touch each other, and so are moved together.
struct Pool {
    /// Of their wishes.
    mean: f64,
    weight: f64,
    cells: usize,
}
