//! What was observed in a log, on the edges of a map.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::app::{NodeKind, Verb};

use crate::observed::{Cause, Decision, Observed, Rejection};
use crate::parts::{Link, Part, Station, Step};

/// The figures of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overlay {
    pub events: u64,
    pub decisions: u64,
    /// How often the flows of each link were observed: that to the right, then that to the left.
    pub flows: Vec<[Figure; 2]>,
    /// How often each event was recorded, and each command decided.
    pub stations: Vec<Figure>,
    /// What has led to events, although nothing on the map does: the cause, the events, and how often.
    pub undeclared: BTreeMap<(String, String), u64>,
}

/// A number of observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Whether a log shows it at all: no log says who has read a read model.
    pub is_observable: bool,
    pub count: u64,
    /// Observations that may be of this, or of something else.
    pub unclear: u64,
}

/// A link and a direction.
type Flow = (usize, usize);

/// One way in which a decision may have come about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Route {
    command: Option<usize>,
    steps: BTreeSet<usize>,
}

pub(crate) struct Surveyor<'m> {
    stations: &'m [Station],
    links: &'m [Link],
    steps: &'m [Step],
    /// The link of each step.
    of_steps: &'m [Option<usize>],
    overlay: Overlay,
}

impl Figure {
    /// A number that fits beside a line or into a box, if there is one.
    pub fn short(self) -> Option<String> {
        match (self.is_observable, self.count) {
            (false, _) => None,
            (true, 0) if self.unclear > 0 => Some("?".to_owned()),
            (true, count @ 0..1_000) => Some(count.to_string()),
            (true, count @ 1_000..10_000) => {
                Some(format!("{}.{}k", count / 1_000, count % 1_000 / 100))
            }
            (true, count @ 10_000..1_000_000) => Some(format!("{}k", count / 1_000)),
            (true, count) => Some(format!("{}M", count / 1_000_000)),
        }
    }

    /// The number in words.
    pub fn words(self) -> Option<String> {
        let times = |count: u64| {
            if count == 1 {
                "once".to_owned()
            } else {
                format!("{count} times")
            }
        };
        match (self.is_observable, self.count, self.unclear) {
            (false, ..) => None,
            (true, 0, 0) => Some("not observed".to_owned()),
            (true, 0, unclear) => Some(format!("observed up to {}", times(unclear))),
            (true, count, 0) => Some(format!("observed {}", times(count))),
            (true, count, unclear) => Some(format!(
                "observed {}, and up to {unclear} more",
                times(count)
            )),
        }
    }

    /// From 0, for what was not observed, to 4, for thousands.
    pub fn weight(self) -> usize {
        match self.count.max(self.unclear.min(1)) {
            0 => 0,
            1..10 => 1,
            10..100 => 2,
            100..1_000 => 3,
            _ => 4,
        }
    }
}

impl<'m> Surveyor<'m> {
    pub fn new(
        stations: &'m [Station],
        links: &'m [Link],
        steps: &'m [Step],
        of_steps: &'m [Option<usize>],
    ) -> Self {
        Self {
            stations,
            links,
            steps,
            of_steps,
            overlay: Overlay {
                flows: vec![Default::default(); links.len()],
                stations: vec![Figure::default(); stations.len()],
                ..Overlay::default()
            },
        }
    }

    pub fn survey(mut self, observed: &Observed) -> Overlay {
        self.overlay.events = observed.events();
        self.mark_observable();
        for (decision, count) in observed.decisions() {
            self.overlay.decisions += count;
            self.decision(decision, count);
        }
        for (rejection, count) in observed.rejections() {
            let found = self.compensations(rejection);
            let flows: BTreeSet<_> = found.iter().filter_map(|&step| self.flow(step)).collect();
            for (link, direction) in flows {
                self.overlay.flows[link][direction].count += count;
            }
        }
        self.overlay
    }

    fn mark_observable(&mut self) {
        for (place, step) in self.steps.iter().enumerate() {
            let is_observable = match step.verb {
                Verb::Emits | Verb::Sends | Verb::Schedules | Verb::Compensates => true,
                Verb::Loads => self.kind(step.from) == NodeKind::Command,
                // Of what only does something, nothing is in the log.
                Verb::Handles => self.answers(step).next().is_some(),
                _ => false,
            };
            if let Some((link, direction)) = self.flow(place).filter(|_| is_observable) {
                self.overlay.flows[link][direction].is_observable = true;
            }
        }
        for (place, station) in self.stations.iter().enumerate() {
            let kind = station.kind();
            self.overlay.stations[place].is_observable =
                matches!(kind, NodeKind::Command | NodeKind::Event);
        }
    }

    /// The flow that shows a step.
    fn flow(&self, step: usize) -> Option<Flow> {
        let link = self.of_steps[step]?;
        let is_forward = self.links[link].from == self.steps[step].from;
        Some((link, usize::from(!is_forward)))
    }

    fn kind(&self, station: usize) -> NodeKind {
        self.stations[station].kind()
    }

    fn find(&self, kind: NodeKind, name: &str) -> Option<usize> {
        self.stations
            .iter()
            .position(|it| it.kind() == kind && it.node.id.name == name)
    }

    /// What the method of a step into a reaction or process manager may return.
    fn answers(&self, into: &Step) -> impl Iterator<Item = usize> {
        (0..self.steps.len()).filter(move |&it| {
            let step = &self.steps[it];
            step.from == into.to
                && step.part.meets(&into.part)
                && matches!(step.verb, Verb::Sends | Verb::Schedules)
        })
    }

    fn decision(&mut self, decision: &Decision, count: u64) {
        let events: Option<Vec<usize>> = decision
            .events
            .iter()
            .map(|name| self.find(NodeKind::Event, name))
            .collect();
        let Some(events) = events else {
            let events = decision.events.join(", ");
            *self
                .overlay
                .undeclared
                .entry((decision.cause.words(), events))
                .or_default() += count;
            return;
        };
        for &event in &events {
            self.overlay.stations[event].count += count;
        }
        let decided = self.decided(&events);
        let routes = match &decision.cause {
            Cause::Program | Cause::Unknown => decided,
            Cause::Event(name) => {
                let triggers = self.triggers(name);
                self.caused(&triggers, decided, &events)
            }
            Cause::Rejection(rejection) => {
                let triggers = self.compensations(rejection);
                self.caused(&triggers, decided, &events)
            }
        };
        if routes.is_empty() {
            let events = decision.events.join(", ");
            *self
                .overlay
                .undeclared
                .entry((decision.cause.words(), events))
                .or_default() += count;
        }
        self.add(&routes, count);
    }

    /// The commands whose handlers may emit all of these events.
    fn decided(&self, events: &[usize]) -> Vec<Route> {
        let mut by_part: BTreeMap<&Part, BTreeSet<usize>> = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            let is_load = step.verb == Verb::Loads && self.kind(step.from) == NodeKind::Command;
            if is_load || (step.verb == Verb::Emits && events.contains(&step.to)) {
                by_part.entry(&step.part).or_default().insert(place);
            }
        }
        let mut routes = Vec::new();
        for steps in by_part.into_values() {
            let has_all = events.iter().all(|event| {
                steps
                    .iter()
                    .any(|&it| self.steps[it].verb == Verb::Emits && self.steps[it].to == *event)
            });
            let command = steps
                .iter()
                .map(|&it| self.steps[it].from)
                .find(|&it| self.kind(it) == NodeKind::Command);
            if has_all {
                routes.push(Route { command, steps });
            }
        }
        routes
    }

    /// The steps of an event into what answers it.
    fn triggers(&self, event: &str) -> Vec<usize> {
        let event = self.find(NodeKind::Event, event);
        self.steps_where(|it| it.verb == Verb::Handles && Some(it.from) == event)
    }

    /// The steps of a rejected command into its process manager.
    fn compensations(&self, rejection: &Rejection) -> Vec<usize> {
        let command = self.find(NodeKind::Command, &rejection.command);
        let process = self.find(NodeKind::ProcessManager, &rejection.process);
        self.steps_where(|it| {
            it.verb == Verb::Compensates && Some(it.from) == command && Some(it.to) == process
        })
    }

    fn steps_where(&self, is_meant: impl Fn(&Step) -> bool) -> Vec<usize> {
        let steps = self.steps.iter().enumerate();
        steps
            .filter(|(_, step)| is_meant(step))
            .map(|(place, _)| place)
            .collect()
    }

    /// The ways of a decision that begin with one of these steps.
    fn caused(&self, triggers: &[usize], decided: Vec<Route>, events: &[usize]) -> Vec<Route> {
        let mut routes = Vec::new();
        for &trigger in triggers {
            for answer in self.answers(&self.steps[trigger]) {
                let step = &self.steps[answer];
                if step.verb == Verb::Schedules && events == [step.to] {
                    routes.push(Route {
                        command: None,
                        steps: [trigger, answer].into(),
                    });
                }
                for route in decided.iter().filter(|it| it.command == Some(step.to)) {
                    let mut route = route.clone();
                    route.steps.extend([trigger, answer]);
                    routes.push(route);
                }
            }
        }
        routes
    }

    /// What all routes have in common has happened; of the others, nobody knows.
    fn add(&mut self, routes: &[Route], count: u64) {
        let flows: Vec<BTreeSet<Flow>> = routes
            .iter()
            .map(|route| {
                route
                    .steps
                    .iter()
                    .filter_map(|&step| self.flow(step))
                    .collect()
            })
            .collect();
        let all: BTreeSet<Flow> = flows.iter().flatten().copied().collect();
        for (link, direction) in all {
            let figure = &mut self.overlay.flows[link][direction];
            if flows.iter().all(|flows| flows.contains(&(link, direction))) {
                figure.count += count;
            } else {
                figure.unclear += count;
            }
        }
        let commands: BTreeSet<_> = routes.iter().map(|route| route.command).collect();
        for &command in commands.iter().flatten() {
            let figure = &mut self.overlay.stations[command];
            if commands.len() == 1 {
                figure.count += count;
            } else {
                figure.unclear += count;
            }
        }
    }
}
