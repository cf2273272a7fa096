//! The order of each column: sweeps by the mean place of neighbors, then exchanges and moves of single cells as long as
//! these remove crossings. Several first orders are tried, of which the best result is taken.

use super::graph::Cells;

/// The cells of each column, from above.
pub(super) type Order = Vec<Vec<usize>>;

const MAX_SWEEPS: usize = 24;
/// Above this number of cells, single cells are not tried at all places of their columns.
const MAX_CELLS_TO_MOVE: usize = 600;

/// An order with few crossings, not more than in the given one.
pub(super) fn best(cells: &Cells) -> Order {
    let given = given(cells);
    let mut best = given.clone();
    let mut fewest = crossings(cells, &best);
    let reversed: Order = given
        .iter()
        .map(|column| column.iter().rev().copied().collect())
        .collect();
    let starts = [
        depth_first(cells, &given, Side::Right),
        depth_first(cells, &given, Side::Left),
        given,
        depth_first(cells, &reversed, Side::Right),
        reversed,
    ];
    for start in starts {
        if fewest == 0 {
            break;
        }
        let mut order = start;
        by_blocks(cells, &mut order);
        let order = improved(cells, order);
        let count = crossings(cells, &order);
        if count < fewest {
            best = order;
            fewest = count;
        }
    }
    best
}

/// The nodes as they are given, by block.
pub(super) fn given(cells: &Cells) -> Order {
    let mut order = vec![Vec::new(); cells.columns];
    for (place, cell) in cells.all.iter().enumerate() {
        order[cell.column].push(place);
    }
    by_blocks(cells, &mut order);
    order
}

fn by_blocks(cells: &Cells, order: &mut Order) {
    for column in order {
        column.sort_by_key(|&cell| cells.all[cell].block);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Cells {
    fn neighbors(&self, cell: usize, side: Side) -> &[usize] {
        match side {
            Side::Left => &self.all[cell].left,
            Side::Right => &self.all[cell].right,
        }
    }
}

/// Neighbors one after the other: of a forest, this has no crossings.
fn depth_first(cells: &Cells, first: &Order, towards: Side) -> Order {
    let mut order = vec![Vec::new(); cells.columns];
    let mut is_seen = vec![false; cells.all.len()];
    let mut starts: Vec<usize> = first.iter().flatten().copied().collect();
    if towards == Side::Left {
        starts.reverse();
    }
    for start in starts {
        let mut open = vec![start];
        while let Some(cell) = open.pop() {
            if std::mem::replace(&mut is_seen[cell], true) {
                continue;
            }
            order[cells.all[cell].column].push(cell);
            let back = match towards {
                Side::Left => Side::Right,
                Side::Right => Side::Left,
            };
            // The last one is looked at first: what is ahead, then what else leads to it.
            for side in [back, towards] {
                open.extend(cells.neighbors(cell, side).iter().rev());
            }
        }
    }
    order
}

/// Sweeps and exchanges.
fn improved(cells: &Cells, start: Order) -> Order {
    let mut best = start.clone();
    let mut fewest = crossings(cells, &best);
    let mut order = start;
    for sweep in 0..MAX_SWEEPS {
        let side = if sweep % 2 == 0 {
            Side::Left
        } else {
            Side::Right
        };
        sort_by_neighbors(cells, &mut order, side);
        exchange(cells, &mut order);
        let count = crossings(cells, &order);
        if count < fewest {
            fewest = count;
            best.clone_from(&order);
        }
        if fewest == 0 {
            return best;
        }
    }
    if cells.all.len() <= MAX_CELLS_TO_MOVE {
        while move_each(cells, &mut best) {
            exchange(cells, &mut best);
        }
    }
    best
}

fn places(cells: &Cells, order: &Order) -> Vec<usize> {
    let mut places = vec![0; cells.all.len()];
    for column in order {
        for (place, &cell) in column.iter().enumerate() {
            places[cell] = place;
        }
    }
    places
}

/// Sorts each column by the mean place of the neighbors on one side, from that side on. A cell without any stays where
/// it is.
fn sort_by_neighbors(cells: &Cells, order: &mut Order, side: Side) {
    let mut places = places(cells, order);
    let count = order.len();
    for step in 1..count {
        let column = match side {
            Side::Left => step,
            Side::Right => count - 1 - step,
        };
        let mut keys: Vec<(usize, f64, usize)> = Vec::with_capacity(order[column].len());
        for &cell in &order[column] {
            let neighbors = cells.neighbors(cell, side);
            let key = if neighbors.is_empty() {
                as_f64(places[cell])
            } else {
                let sum: usize = neighbors.iter().map(|&it| places[it]).sum();
                as_f64(sum) / as_f64(neighbors.len())
            };
            keys.push((cells.all[cell].block, key, cell));
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for (place, (_, _, cell)) in keys.into_iter().enumerate() {
            order[column][place] = cell;
            places[cell] = place;
        }
    }
}

/// Places and counts of cells are far below the numbers that an `f64` cannot have.
#[expect(clippy::cast_precision_loss, reason = "as above")]
pub(super) fn as_f64(count: usize) -> f64 {
    count as f64
}

/// How often the edges of two cells of a column cross, if `upper` is above `lower`.
fn pair_crossings(cells: &Cells, places: &[usize], upper: usize, lower: usize) -> usize {
    let count = |side| {
        let below = cells.neighbors(lower, side);
        let above = cells.neighbors(upper, side);
        above
            .iter()
            .map(|&it| {
                below
                    .iter()
                    .filter(|&&other| places[other] < places[it])
                    .count()
            })
            .sum::<usize>()
    };
    count(Side::Left) + count(Side::Right)
}

/// Exchanges cells that lie beside each other while that removes crossings.
fn exchange(cells: &Cells, order: &mut Order) {
    let mut places = places(cells, order);
    let mut is_better = true;
    while is_better {
        is_better = false;
        for column in order.iter_mut() {
            for place in 1..column.len() {
                let (upper, lower) = (column[place - 1], column[place]);
                if cells.all[upper].block == cells.all[lower].block
                    && pair_crossings(cells, &places, lower, upper)
                        < pair_crossings(cells, &places, upper, lower)
                {
                    column.swap(place - 1, place);
                    places.swap(upper, lower);
                    is_better = true;
                }
            }
        }
    }
}

/// Moves each cell to the best place of its column. Whether that has removed a crossing.
fn move_each(cells: &Cells, order: &mut Order) -> bool {
    let mut is_better = false;
    for cell in 0..cells.all.len() {
        let places = places(cells, order);
        let Some(to) = best_place(cells, order, &places, cell) else {
            continue;
        };
        let column = &mut order[cells.all[cell].column];
        let moved = column.remove(places[cell]);
        column.insert(to, moved);
        is_better = true;
    }
    is_better
}

fn best_place(cells: &Cells, order: &Order, places: &[usize], cell: usize) -> Option<usize> {
    let column = &order[cells.all[cell].column];
    let block = cells.all[cell].block;
    let (mut fewest, mut best) = (0, None);
    // Crossings that are removed and added on the way down, then on the way up.
    let mut change = 0;
    for (place, &other) in column.iter().enumerate().skip(places[cell] + 1) {
        if cells.all[other].block != block {
            break;
        }
        change += added(cells, places, (other, cell), (cell, other));
        if change < fewest {
            fewest = change;
            best = Some(place);
        }
    }
    change = 0;
    for (place, &other) in column[..places[cell]].iter().enumerate().rev() {
        if cells.all[other].block != block {
            break;
        }
        change += added(cells, places, (cell, other), (other, cell));
        if change < fewest {
            fewest = change;
            best = Some(place);
        }
    }
    best
}

/// The crossings of two cells in one order, less those in another one.
fn added(cells: &Cells, places: &[usize], after: (usize, usize), before: (usize, usize)) -> i64 {
    let after = pair_crossings(cells, places, after.0, after.1);
    let before = pair_crossings(cells, places, before.0, before.1);
    i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX)
}

/// How often edges cross between all columns.
pub(super) fn crossings(cells: &Cells, order: &Order) -> usize {
    let places = places(cells, order);
    let mut count = 0;
    for column in order {
        // The right ends of edges so far, by place: each one further down is crossed.
        let mut ends: Vec<usize> = Vec::new();
        for &cell in column {
            let mut right: Vec<usize> =
                cells.all[cell].right.iter().map(|&it| places[it]).collect();
            right.sort_unstable();
            for end in &right {
                count += ends.len() - ends.partition_point(|it| it <= end);
            }
            for end in right {
                let at = ends.partition_point(|it| *it <= end);
                ends.insert(at, end);
            }
        }
    }
    count
}
