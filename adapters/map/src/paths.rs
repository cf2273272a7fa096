use std::collections::BTreeMap;

use cqrs_core::app::{NodeKind, Verb};

use crate::parts::{Link, Part, Path, Station, Step};

/// What leads to each station of a map, and what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    steps: Vec<Step>,
    /// The link of each step, if it is shown.
    links: Vec<Option<usize>>,
    kinds: Vec<NodeKind>,
    /// The steps that leave a station, and those that enter it.
    leaving: Vec<Vec<usize>>,
    entering: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Causes,
    Effects,
}

/// How far a path goes on with a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    None,
    /// To the next station, and no further.
    Station,
    Further,
}

impl Paths {
    pub fn new(steps: Vec<Step>, links: &[Link], stations: &[Station]) -> Self {
        let by_ends: BTreeMap<(usize, usize), usize> = (0..)
            .zip(links)
            .map(|(place, link)| ((link.from, link.to), place))
            .collect();
        let mut paths = Self {
            links: Vec::new(),
            kinds: stations.iter().map(Station::kind).collect(),
            leaving: vec![Vec::new(); stations.len()],
            entering: vec![Vec::new(); stations.len()],
            steps,
        };
        for (place, step) in paths.steps.iter().enumerate() {
            let link = match by_ends.get(&(step.from, step.to)) {
                Some(&forward) if links[forward].forward.contains(&step.verb) => Some(forward),
                _ => by_ends.get(&(step.to, step.from)).copied(),
            };
            let is_shown = link.is_some_and(|link| links[link].shows(step));
            paths.links.push(link.filter(|_| is_shown));
            paths.leaving[step.from].push(place);
            paths.entering[step.to].push(place);
        }
        paths
    }

    /// The flows, and the link of each, if it is shown.
    pub fn steps(&self) -> (&[Step], &[Option<usize>]) {
        (&self.steps, &self.links)
    }

    /// All effects of a station, through reactions and process managers as well, and its causes up to the commands that
    /// lead to it. Of a command, the causes are what sends it, and the events that this answers.
    pub fn of(&self, station: usize) -> Path {
        let mut path = Path::default();
        path.stations.insert(station);
        self.walk(station, Direction::Effects, &mut path);
        self.walk(station, Direction::Causes, &mut path);
        path
    }

    fn walk(&self, start: usize, direction: Direction, path: &mut Path) {
        let mut open = vec![(start, Part::Whole)];
        let mut seen = open.clone();
        while let Some((station, part)) = open.pop() {
            for (step, next) in self.next(station, direction) {
                if !part.meets(&self.inner_part(station, step)) {
                    continue;
                }
                let reach = match direction {
                    Direction::Effects => self.effect(step),
                    Direction::Causes => self.cause(start, station, step),
                };
                if reach == Reach::None {
                    continue;
                }
                path.stations.insert(next);
                path.links.extend(self.links[step]);
                let entered = (next, self.inner_part(next, step));
                if reach == Reach::Further && !seen.contains(&entered) {
                    seen.push(entered.clone());
                    open.push(entered);
                }
            }
        }
    }

    fn next(&self, station: usize, direction: Direction) -> impl Iterator<Item = (usize, usize)> {
        let steps = match direction {
            Direction::Effects => &self.leaving[station],
            Direction::Causes => &self.entering[station],
        };
        steps.iter().map(move |&step| {
            let Step { from, to, .. } = self.steps[step];
            (
                step,
                if direction == Direction::Effects {
                    to
                } else {
                    from
                },
            )
        })
    }

    /// The part of a station that a step belongs to. Messages and read models have no parts: what is in them is taken
    /// by all.
    fn inner_part(&self, station: usize, step: usize) -> Part {
        match self.kinds[station] {
            NodeKind::Event | NodeKind::ReadModel | NodeKind::Query | NodeKind::Command => {
                Part::Whole
            }
            _ => self.steps[step].part.clone(),
        }
    }

    /// An event that an aggregate folds has no effect by that: a decision on the state has those of its command.
    fn effect(&self, step: usize) -> Reach {
        match (self.is_state(step), self.links[step]) {
            (false, _) => Reach::Further,
            (true, Some(_)) => Reach::Station,
            (true, None) => Reach::None,
        }
    }

    /// Whether the causes of `start`, one of which is `station`, go on with a step into that.
    fn cause(&self, start: usize, station: usize, step: usize) -> Reach {
        let is_start = station == start;
        let of_command = self.kinds[start] == NodeKind::Command;
        let origin = self.kinds[self.steps[step].from];
        if self.is_state(step) {
            return match self.links[step] {
                Some(_) if is_start => Reach::Station,
                _ => Reach::None,
            };
        }
        match self.kinds[station] {
            NodeKind::Command if is_start && is_policy(origin) => Reach::Further,
            NodeKind::Command if is_start => Reach::Station,
            NodeKind::Command => Reach::None,
            NodeKind::Event if is_policy(origin) => Reach::Station,
            kind if is_policy(kind) && of_command && origin == NodeKind::Event => Reach::Station,
            kind if is_policy(kind) && of_command => Reach::None,
            kind if is_policy(kind) && origin == NodeKind::Command => Reach::Station,
            _ => Reach::Further,
        }
    }

    /// Whether a step is that of an event into the state of an aggregate.
    fn is_state(&self, step: usize) -> bool {
        let Step { to, verb, .. } = self.steps[step];
        verb == Verb::Folds && self.kinds[to] == NodeKind::Aggregate
    }
}

/// Whether it answers events with commands.
fn is_policy(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Reaction | NodeKind::ProcessManager)
}
