use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::app::{Edge, Model, NodeId, NodeKind, Verb};

use crate::kinds::{KINDS, Look, look};
use crate::observed::Observed;
use crate::overlay::{Figure, Overlay, Surveyor};
use crate::parts::{Link, Part, Path, Station, Step};
use crate::paths::Paths;

/// The flow map of a [`Model`]: commands, aggregates, events, projections, read models and queries from left to right,
/// with reactions and process managers, which lead back to commands.
///
/// Handlers have no place of their own. That of a command leads from the command to the aggregates that it loads, and
/// from these to the events that it emits; that of a query, from the read models to the query. The details of a message
/// name its handler.
#[derive(Clone, Debug)]
pub struct FlowMap {
    pub(crate) title: String,
    /// In the order of the model: by kind, then by name.
    pub(crate) stations: Vec<Station>,
    pub(crate) links: Vec<Link>,
    paths: Paths,
    pub(crate) overlay: Option<Overlay>,
}

impl FlowMap {
    /// The map of a model.
    pub fn new(model: &Model) -> Self {
        let mut stations = Vec::new();
        for node in model.nodes.iter().filter(|node| !is_handler(node.id.kind)) {
            stations.push(Station {
                node: node.clone(),
                handlers: Vec::new(),
                sentences: Vec::new(),
            });
        }
        let steps = Steps::of(model, &stations);
        let links = links(&steps, &stations);
        let paths = Paths::new(steps, &links, &stations);
        let mut map = Self {
            title: "Flow map".to_owned(),
            stations,
            links,
            paths,
            overlay: None,
        };
        map.describe(model);
        map
    }

    /// Sets the title, for example the program's name. Defaults to `Flow map`.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Shows how often what is declared was observed in a log. A log has the causes of events, but not the names of
    /// commands: where several could have emitted the same events, only what these have in common is counted.
    #[must_use]
    pub fn observed(mut self, observed: &Observed) -> Self {
        let (steps, links) = self.paths.steps();
        let surveyor = Surveyor::new(&self.stations, &self.links, steps, links);
        self.overlay = Some(surveyor.survey(observed));
        self
    }

    /// The figures of both flows of a link.
    pub(crate) fn figures(&self, link: usize) -> [Figure; 2] {
        let overlay = self.overlay.as_ref();
        overlay.map_or_else(Default::default, |overlay| overlay.flows[link])
    }

    /// The figures of a link as one text, if there are any.
    pub(crate) fn numbers(&self, link: usize) -> Option<String> {
        match self.figures(link).map(Figure::short) {
            [None, None] => None,
            [Some(right), None] => Some(right),
            [None, Some(left)] => Some(left),
            [Some(right), Some(left)] => Some(format!("{right}, {left} back")),
        }
    }

    /// The figure of an event or a command.
    pub(crate) fn figure(&self, station: usize) -> Figure {
        let overlay = self.overlay.as_ref();
        overlay.map_or_else(Default::default, |overlay| overlay.stations[station])
    }

    /// Gives each station its handlers and sentences.
    fn describe(&mut self, model: &Model) {
        let places: BTreeMap<NodeId, usize> = self
            .stations
            .iter()
            .enumerate()
            .map(|(place, station)| (station.node.id.clone(), place))
            .collect();
        for edge in &model.edges {
            if edge.verb == Verb::Handles
                && is_handler(edge.from.kind)
                && let Some(place) = places.get(&edge.to)
                && let Some(handler) = model.node(edge.from.kind, &edge.from.name)
            {
                self.stations[*place].handlers.push(handler.clone());
            }
        }
        for edge in &model.edges {
            for (place, station) in self.stations.iter_mut().enumerate() {
                let is_subject = places.get(&edge.from) == Some(&place)
                    || station.handlers.iter().any(|it| it.id == edge.from);
                let is_object = places.get(&edge.to) == Some(&place);
                // That a handler handles its message is said with the handler.
                if is_subject != is_object {
                    station.tell(edge, is_subject);
                }
            }
        }
    }

    /// The kinds that the map has, in the order of the columns.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = NodeKind> {
        KINDS.into_iter().filter(|&kind| {
            let mut looks = self.stations.iter().map(|station| look(station.kind()));
            looks.any(|it| it == look(kind))
        })
    }

    pub(crate) fn looks(&self) -> impl Iterator<Item = Look> {
        self.kinds().map(look)
    }

    /// What leads to a station and what follows from it.
    pub(crate) fn path(&self, station: usize) -> Path {
        self.paths.of(station)
    }
}

fn is_handler(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::CommandHandler | NodeKind::QueryHandler)
}

/// The flows of a model between the stations of a map.
struct Steps<'m> {
    model: &'m Model,
    places: BTreeMap<&'m NodeId, usize>,
    found: Vec<Step>,
}

impl<'m> Steps<'m> {
    fn of(model: &'m Model, stations: &[Station]) -> Vec<Step> {
        let places: BTreeMap<NodeId, usize> = (0..)
            .zip(stations)
            .map(|(place, station)| (station.node.id.clone(), place))
            .collect();
        let ids = model.nodes.iter().map(|node| &node.id);
        let mut steps = Steps {
            model,
            places: ids.filter_map(|id| Some((id, *places.get(id)?))).collect(),
            found: Vec::new(),
        };
        for edge in &model.edges {
            if is_handler(edge.from.kind) {
                if edge.verb == Verb::Handles {
                    steps.add_handler(edge);
                }
            } else {
                let part = edge
                    .method
                    .map_or(Part::Whole, |method| Part::Of(method.to_owned()));
                let (from, to) = edge.flow();
                steps.add(from, to, edge.verb, part);
            }
        }
        steps.found
    }

    fn add(&mut self, from: &NodeId, to: &NodeId, verb: Verb, part: Part) {
        if let (Some(&from), Some(&to)) = (self.places.get(from), self.places.get(to)) {
            self.found.push(Step {
                from,
                to,
                verb,
                part,
            });
        }
    }

    /// The flows of a handler, from and to its message.
    fn add_handler(&mut self, edge: &Edge) {
        let model = self.model;
        let (handler, message) = (&edge.from, &edge.to);
        let part = || Part::Of(handler.name.clone());
        let objects = |verb| {
            let edges = model.edges_from(handler);
            edges
                .filter(move |edge| edge.verb == verb)
                .map(|edge| &edge.to)
        };
        for read in objects(Verb::Reads) {
            self.add(read, message, Verb::Reads, part());
        }
        let loaded: Vec<&NodeId> = objects(Verb::Loads).collect();
        if handler.kind == NodeKind::QueryHandler {
            for aggregate in loaded {
                self.add(aggregate, message, Verb::Loads, part());
            }
            return;
        }
        for aggregate in &loaded {
            self.add(message, aggregate, Verb::Loads, part());
        }
        for event in objects(Verb::Emits) {
            if loaded.is_empty() {
                self.add(message, event, Verb::Emits, part());
            }
            for aggregate in deciders(model, &loaded, event) {
                self.add(aggregate, event, Verb::Emits, part());
            }
        }
    }
}

/// The aggregates whose event it is, of those that a handler loads: those that fold it, or have an id in it.
fn deciders<'m>(model: &Model, loaded: &[&'m NodeId], event: &NodeId) -> Vec<&'m NodeId> {
    let folding: Vec<_> = loaded
        .iter()
        .copied()
        .filter(|aggregate| {
            model
                .edges_from(aggregate)
                .any(|edge| edge.verb == Verb::Folds && edge.to == *event)
        })
        .collect();
    if !folding.is_empty() {
        return folding;
    }
    let fields = model
        .node(event.kind, &event.name)
        .map_or(&[][..], |node| &node.fields);
    let named: Vec<_> = loaded
        .iter()
        .copied()
        .filter(|aggregate| {
            fields
                .iter()
                .any(|field| field.aggregate == Some(&*aggregate.name))
        })
        .collect();
    if named.is_empty() {
        loaded.to_vec()
    } else {
        named
    }
}

/// One link for all flows between two stations. That an aggregate folds what it has emitted goes without saying.
fn links(steps: &[Step], stations: &[Station]) -> Vec<Link> {
    let mut links: BTreeMap<(usize, usize), Link> = BTreeMap::new();
    for step in steps {
        let is_forward =
            (stations[step.from].column(), step.from) <= (stations[step.to].column(), step.to);
        let (from, to) = if is_forward {
            (step.from, step.to)
        } else {
            (step.to, step.from)
        };
        let link = links.entry((from, to)).or_insert_with(|| Link {
            from,
            to,
            forward: BTreeSet::new(),
            backward: BTreeSet::new(),
        });
        let verbs = if is_forward {
            &mut link.forward
        } else {
            &mut link.backward
        };
        verbs.insert(step.verb);
    }
    for link in links.values_mut() {
        if link.forward.contains(&Verb::Emits) {
            link.backward.remove(&Verb::Folds);
        }
    }
    links.into_values().collect()
}
