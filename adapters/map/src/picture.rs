//! The geometry of a map.

use std::collections::BTreeMap;
use std::fmt::Write;

use cqrs_core::app::NodeKind;

use crate::FlowMap;
use crate::kinds::look;
use crate::layout::{Graph, Layout, Shape, Spacing, layout};
use crate::parts::{Link, Station};
use crate::text;

const FONT_SIZE: f64 = 13.0;
const MAX_LABEL_WIDTH: f64 = 230.0;
const MIN_BOX_WIDTH: f64 = 92.0;
const BOX_PADDING: f64 = 14.0;
const MARGIN: f64 = 16.0;
/// The line of headings above the columns.
const HEADER: f64 = 44.0;
/// Between a column and what bounds its band.
const BAND_PADDING: f64 = 12.0;
const MIN_GUTTER: f64 = 76.0;
const MAX_GUTTER: f64 = 132.0;
/// Between two ways back that run beside each other.
const TRACK: f64 = 8.0;
const CORNER: f64 = 8.0;
/// The length of an arrow's head.
const HEAD: f64 = 7.0;

/// From a box to the number beside an end of a line, past the arrow's head.
const NUMBER_DISTANCE: f64 = 9.0;
const ABOVE_LINE: f64 = 2.5;
const BELOW_LINE: f64 = 9.5;

const SPACING: Spacing = Spacing {
    node: 32.0,
    port: 11.0,
    gap: 12.0,
    passage: 12.0,
    block: 44.0,
};

/// Where the parts of a map are drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    pub width: f64,
    pub height: f64,
    pub bands: Vec<Area>,
    pub headings: Vec<Heading>,
    pub boxes: Vec<Area>,
    /// The labels of the stations, as wide as their boxes allow.
    pub labels: Vec<String>,
    pub ways: Vec<Way>,
    /// How often the edges between columns cross.
    pub crossings: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heading {
    pub x: f64,
    pub y: f64,
    pub text: String,
}

/// How a link is drawn, as paths of SVG.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    pub line: String,
    pub heads: Vec<String>,
    /// Room for a number beside each end: at the right, for what flows there, and at the left. Of a way back, both are
    /// above and below its left end.
    pub ends: [NumberPlace; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumberPlace {
    pub x: f64,
    pub y: f64,
    /// Whether the number ends there, instead of beginning.
    pub is_end: bool,
}

impl Area {
    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }

    fn right(&self) -> f64 {
        self.x + self.width
    }
}

impl Picture {
    pub fn new(map: &FlowMap) -> Self {
        let columns = Columns::new(map);
        let graph = columns.graph(map);
        let layout = layout(&graph, SPACING);
        let tracks = Tracks::new(map, &columns);
        let xs = columns.xs(&graph, &tracks);
        let boxes: Vec<Area> = map
            .stations
            .iter()
            .zip(&layout.nodes)
            .map(|(station, place)| {
                let column = columns.of(station);
                Area {
                    x: xs[column],
                    y: HEADER + MARGIN + place.middle - place.height / 2.0,
                    width: columns.widths[column],
                    height: place.height,
                }
            })
            .collect();
        let right = xs.iter().zip(&columns.widths).map(|(x, width)| x + width);
        let bottom = HEADER + MARGIN + layout.height + BAND_PADDING;
        let mut picture = Self {
            width: right.fold(0.0, f64::max)
                + BAND_PADDING
                + tracks.margin(columns.widths.len())
                + MARGIN,
            height: bottom + tracks.height() + MARGIN,
            bands: Vec::new(),
            headings: Vec::new(),
            labels: map.stations.iter().map(label).collect(),
            ways: Vec::new(),
            crossings: layout.crossings,
            boxes,
        };
        picture.band(map, &columns, &xs, bottom);
        picture.ways(map, &columns, &layout, &tracks, bottom);
        picture
    }

    /// The bands of the columns, and the headings of their blocks.
    fn band(&mut self, map: &FlowMap, columns: &Columns, xs: &[f64], bottom: f64) {
        for (column, (&x, &width)) in xs.iter().zip(&columns.widths).enumerate() {
            self.bands.push(Area {
                x: x - BAND_PADDING,
                y: MARGIN,
                width: width + 2.0 * BAND_PADDING,
                height: bottom - MARGIN,
            });
            let mut is_first = true;
            for block in 0..2 {
                let members: Vec<usize> = (0..map.stations.len())
                    .filter(|&it| {
                        let station = &map.stations[it];
                        columns.of(station) == column && self::block(station) == block
                    })
                    .collect();
                let tops = members.iter().map(|&it| self.boxes[it].y);
                let top = tops.fold(f64::INFINITY, f64::min);
                if members.is_empty() {
                    continue;
                }
                let mut kinds: Vec<NodeKind> =
                    members.iter().map(|&it| map.stations[it].kind()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                let names: Vec<_> = kinds.iter().map(|&kind| look(kind).plural).collect();
                // One below the other, the last one above the first box.
                let last = if is_first { MARGIN + 26.0 } else { top - 14.0 };
                for (place, name) in names.iter().rev().enumerate() {
                    let above = if place == 0 { 0.0 } else { 15.0 };
                    self.headings.push(Heading {
                        x: x + width / 2.0,
                        y: last - above,
                        text: (*name).to_owned(),
                    });
                }
                is_first = false;
            }
        }
    }

    fn ways(
        &mut self,
        map: &FlowMap,
        columns: &Columns,
        layout: &Layout,
        tracks: &Tracks,
        bottom: f64,
    ) {
        let mut heights = layout.edges.iter();
        let entries = Entries::new(map, tracks);
        for (place, link) in map.links.iter().enumerate() {
            let way = match (tracks.of(link, map), heights.as_slice().first()) {
                (Some(track), _) => self.way_back(link, track, entries.offset(place), bottom),
                (None, Some(edge)) => {
                    heights.next();
                    self.way(map, columns, link, edge)
                }
                (None, None) => continue,
            };
            self.ways.push(way);
        }
    }

    /// From one column to another one.
    fn way(&self, map: &FlowMap, columns: &Columns, link: &Link, heights: &[f64]) -> Way {
        let (from, to) = (&self.boxes[link.from], &self.boxes[link.to]);
        let first = columns.of(&map.stations[link.from]);
        let y = |height: f64| HEADER + MARGIN + height;
        let mut heads = Vec::new();
        let mut x = from.right();
        if !link.backward.is_empty() {
            heads.push(head_to_left(x, y(heights[0])));
            x += HEAD - 1.0;
        }
        let mut drawn = format!("M{} {}", n(x), n(y(heights[0])));
        for (step, pair) in heights.windows(2).enumerate() {
            let column = first + step + 1;
            let is_last = step + 2 == heights.len();
            let end = if is_last {
                to.x - if link.forward.is_empty() {
                    0.0
                } else {
                    HEAD - 1.0
                }
            } else {
                self.bands[column].x + BAND_PADDING
            };
            curve(&mut drawn, (x, y(pair[0])), (end, y(pair[1])));
            x = end;
            if !is_last {
                x += columns.widths[column];
                let _ = write!(drawn, "H{}", n(x));
            }
        }
        let last = heights.last().map_or(0.0, |last| y(*last));
        if !link.forward.is_empty() {
            heads.push(head_to_right(to.x, last));
        }
        Way {
            line: drawn,
            heads,
            ends: [
                NumberPlace {
                    x: to.x - NUMBER_DISTANCE,
                    y: last - ABOVE_LINE,
                    is_end: true,
                },
                NumberPlace {
                    x: from.right() + NUMBER_DISTANCE,
                    y: y(heights[0]) - ABOVE_LINE,
                    is_end: false,
                },
            ],
        }
    }

    /// From the right of a station, below all columns, to the left of another one.
    fn way_back(&self, link: &Link, track: f64, offset: f64, bottom: f64) -> Way {
        let (target, source) = (&self.boxes[link.from], &self.boxes[link.to]);
        let mut heads = Vec::new();
        let mut start = source.right();
        if !link.forward.is_empty() {
            heads.push(head_to_left(start, source.middle()));
            start += HEAD - 1.0;
        }
        let mut end = target.x;
        let entry = target.middle() + offset;
        if !link.backward.is_empty() {
            heads.push(head_to_right(end, entry));
            end -= HEAD - 1.0;
        }
        let down = source.right() + BAND_PADDING + 8.0 + track * TRACK;
        let lane = bottom + 12.0 + track * TRACK;
        let up = target.x - BAND_PADDING - 14.0 - track * TRACK;
        let drawn = format!(
            "M{} {}H{}q{r} 0 {r} {r}V{}q0 {r} -{r} {r}H{}q-{r} 0 -{r} -{r}V{}q0 -{r} {r} -{r}H{}",
            n(start),
            n(source.middle()),
            n(down - CORNER),
            n(lane - CORNER),
            n(up + CORNER),
            n(entry + CORNER),
            n(end),
            r = n(CORNER),
        );
        Way {
            line: drawn,
            heads,
            ends: [entry + BELOW_LINE, entry - ABOVE_LINE].map(|y| NumberPlace {
                x: target.x - NUMBER_DISTANCE,
                y,
                is_end: true,
            }),
        }
    }
}

/// The columns that have stations.
struct Columns {
    /// The number of each column among these.
    numbers: BTreeMap<usize, usize>,
    widths: Vec<f64>,
}

impl Columns {
    fn new(map: &FlowMap) -> Self {
        let mut widths: BTreeMap<usize, f64> = BTreeMap::new();
        for station in &map.stations {
            let own = text::width(&label(station)) * FONT_SIZE + 2.0 * BOX_PADDING;
            let heading = text::width(look(station.kind()).plural) * 12.0;
            let width = widths.entry(station.column()).or_insert(MIN_BOX_WIDTH);
            *width = width.max(own).max(heading).ceil();
        }
        Self {
            numbers: widths.keys().copied().zip(0..).collect(),
            widths: widths.into_values().collect(),
        }
    }

    fn of(&self, station: &Station) -> usize {
        self.numbers
            .get(&station.column())
            .copied()
            .unwrap_or_default()
    }

    fn graph(&self, map: &FlowMap) -> Graph {
        let nodes = map.stations.iter().map(|station| Shape {
            column: self.of(station),
            block: block(station),
        });
        let links = map
            .links
            .iter()
            .filter(|link| !link.is_return(&map.stations));
        Graph {
            nodes: nodes.collect(),
            edges: links.map(|link| (link.from, link.to)).collect(),
        }
    }

    /// The left of each column. The more edges there are between two, the wider is the space.
    fn xs(&self, graph: &Graph, tracks: &Tracks) -> Vec<f64> {
        let mut xs = Vec::new();
        let mut x = MARGIN + BAND_PADDING + tracks.margin(0);
        for (column, width) in self.widths.iter().enumerate() {
            xs.push(x);
            let between = graph
                .edges
                .iter()
                .filter(|&&(from, to)| {
                    graph.nodes[from].column <= column && graph.nodes[to].column > column
                })
                .count();
            let edges = f64::from(u32::try_from(between).unwrap_or(u32::MAX));
            let gutter = (MIN_GUTTER + edges * 2.0).min(MAX_GUTTER);
            x += width + gutter + tracks.margin(column + 1);
        }
        xs
    }
}

/// The lower block of the column of projections is what sends commands, whose ways back lead below everything.
fn block(station: &Station) -> usize {
    usize::from(station.column() == 3 && station.kind() != NodeKind::Projection)
}

fn label(station: &Station) -> String {
    text::fit(station.label(), MAX_LABEL_WIDTH / FONT_SIZE)
}

/// The ways back: those of one source run together until they part.
struct Tracks {
    /// The track of each source.
    sources: BTreeMap<usize, usize>,
    /// The columns that they lead to or come from.
    columns: Vec<(usize, usize)>,
}

impl Tracks {
    fn new(map: &FlowMap, columns: &Columns) -> Self {
        let returns = map
            .links
            .iter()
            .filter(|link| link.is_return(&map.stations));
        let mut sources = BTreeMap::new();
        let mut ends = Vec::new();
        for link in returns {
            let count = sources.len();
            sources.entry(link.to).or_insert(count);
            let of = |station: usize| columns.of(&map.stations[station]);
            ends.push((of(link.from), of(link.to)));
        }
        Self {
            sources,
            columns: ends,
        }
    }

    fn of(&self, link: &Link, map: &FlowMap) -> Option<f64> {
        let track = self.sources.get(&link.to)?;
        link.is_return(&map.stations).then(|| as_f64(*track))
    }

    fn height(&self) -> f64 {
        if self.sources.is_empty() {
            0.0
        } else {
            12.0 + as_f64(self.sources.len()) * TRACK
        }
    }

    /// The room that they need before a column, and after the one before that.
    fn margin(&self, column: usize) -> f64 {
        let uses = self
            .columns
            .iter()
            .any(|&(to, from)| to == column || from + 1 == column);
        if uses {
            18.0 + as_f64(self.sources.len()) * TRACK
        } else {
            0.0
        }
    }
}

/// Where the ways back of several sources arrive at one station.
struct Entries {
    offsets: BTreeMap<usize, f64>,
}

impl Entries {
    fn new(map: &FlowMap, tracks: &Tracks) -> Self {
        let mut by_target: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, link) in map.links.iter().enumerate() {
            if tracks.of(link, map).is_some() {
                by_target.entry(link.from).or_default().push(place);
            }
        }
        let mut offsets = BTreeMap::new();
        for links in by_target.values() {
            let step = (18.0 / as_f64(links.len())).min(8.0);
            let middle = (as_f64(links.len()) - 1.0) / 2.0;
            for (rank, &link) in links.iter().enumerate() {
                offsets.insert(link, (middle - as_f64(rank)) * step);
            }
        }
        Self { offsets }
    }

    fn offset(&self, link: usize) -> f64 {
        self.offsets.get(&link).copied().unwrap_or_default()
    }
}

/// Numbers of tracks are small.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A coordinate, without digits that nobody sees.
pub(crate) fn n(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn curve(line: &mut String, from: (f64, f64), to: (f64, f64)) {
    if (from.1 - to.1).abs() < 0.5 {
        let _ = write!(line, "L{} {}", n(to.0), n(to.1));
        return;
    }
    let middle = n(f64::midpoint(from.0, to.0));
    let (x, y) = (n(to.0), n(to.1));
    let _ = write!(line, "C{middle} {} {middle} {y} {x} {y}", n(from.1));
}

fn head_to_right(x: f64, y: f64) -> String {
    format!("M{} {}l-{h} -3.5v7z", n(x), n(y), h = n(HEAD))
}

fn head_to_left(x: f64, y: f64) -> String {
    format!("M{} {}l{h} -3.5v7z", n(x), n(y), h = n(HEAD))
}
