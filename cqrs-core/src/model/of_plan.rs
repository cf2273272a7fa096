use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Model, Node, NodeId, NodeKind, Verb};
use crate::handler::{Input, InputKind, StepKind};
use crate::message::EffectKind;
use crate::registry::{EventEntry, HandlerSummary, MessageEntry, MessageKind, SCHEDULED_COMMANDS};
use crate::source::Source;
use crate::wiring::{Models, Plan, PlannedProcess, PlannedProjection};

impl Model {
    /// The model of what is in a dispatcher's scope, and of the events of other modules that it takes.
    pub(crate) fn of(plan: &Plan, log_permission: Option<&'static str>) -> Self {
        let mut graph = Graph {
            plan,
            models: plan.models(),
            nodes: BTreeMap::new(),
            edges: Vec::new(),
            log_permission,
        };
        graph.messages();
        graph.aggregates();
        graph.handlers();
        graph.reactions();
        for projection in &plan.projections {
            graph.projection(projection);
        }
        for process in &plan.processes {
            // That of the framework has nothing to do with the program's types.
            if process.entry.name != SCHEDULED_COMMANDS {
                graph.process(process);
            }
        }
        graph.finish()
    }
}

/// A model in the making, whose edges may lead to what is not in scope.
struct Graph<'p> {
    plan: &'p Plan,
    models: Models,
    nodes: BTreeMap<NodeId, Node>,
    edges: Vec<Edge>,
    log_permission: Option<&'static str>,
}

impl Graph<'_> {
    fn add(&mut self, node: Node) {
        self.nodes.insert(node.id.clone(), node);
    }

    fn connect(
        &mut self,
        (from, source, method): (&NodeId, Source, Option<&'static str>),
        verb: Verb,
        to: NodeId,
    ) {
        self.edges.push(Edge {
            from: from.clone(),
            verb,
            to,
            method,
            source,
        });
    }

    fn messages(&mut self) {
        for message in &self.plan.messages {
            self.add(of_message(message));
        }
        for event in &self.plan.events {
            self.add(of_event(event));
        }
    }

    fn aggregates(&mut self) {
        for entry in &self.plan.aggregates {
            let id = NodeId::new(NodeKind::Aggregate, entry.aggregate.name);
            self.add(Node {
                permission: entry.aggregate.permission,
                ids: entry.aggregate.keys,
                ..Node::new(id.clone(), entry.docs, entry.source)
            });
            for event in entry.aggregate.events {
                self.connect((&id, entry.source, None), Verb::Folds, of_event_name(event));
            }
        }
    }

    fn handlers(&mut self) {
        let plan = self.plan;
        for handler in plan.handlers() {
            let HandlerSummary {
                kind,
                message,
                name,
                source,
                docs,
                inputs,
                emits,
            } = handler;
            let (message_kind, kind) = match kind {
                MessageKind::Command => (NodeKind::Command, NodeKind::CommandHandler),
                MessageKind::Query => (NodeKind::Query, NodeKind::QueryHandler),
            };
            let id = NodeId::new(kind, format!("{}::{name}", source.module));
            let subject = (&id, source, None);
            let message = NodeId::new(message_kind, message);
            self.connect(subject, Verb::Handles, message);
            let inputs = inputs();
            self.inputs(subject, &inputs);
            for event in emits() {
                self.connect(subject, Verb::Emits, of_event_name(event));
            }
            self.add(Node {
                services: services(&inputs),
                ..Node::new(id, docs, source)
            });
        }
    }

    /// What a handler takes.
    fn inputs(&mut self, subject: (&NodeId, Source, Option<&'static str>), inputs: &[Input]) {
        for input in inputs {
            match input.kind {
                InputKind::Aggregate(aggregate) => {
                    let aggregate = NodeId::new(NodeKind::Aggregate, aggregate.name);
                    self.connect(subject, Verb::Loads, aggregate);
                }
                InputKind::Views(model) => {
                    if let Some(planned) = self.models.get(&model.id) {
                        let projection = &self.plan.projections[planned.projection];
                        let model = of_read_model(projection, model.name);
                        self.connect(subject, Verb::Reads, model);
                    }
                }
                _ => {}
            }
        }
    }

    fn reactions(&mut self) {
        for entry in &self.plan.reactions {
            let id = NodeId::new(NodeKind::Reaction, entry.name);
            let subject = (&id, entry.source, None);
            self.connect(subject, Verb::Handles, of_event_name(entry.event));
            for command in (entry.sends)() {
                let command = NodeId::new(NodeKind::Command, command);
                self.connect(subject, Verb::Sends, command);
            }
            let inputs = (entry.inputs)();
            self.inputs(subject, &inputs);
            self.add(Node {
                services: services(&inputs),
                ..Node::new(id, entry.docs, entry.source)
            });
        }
    }

    fn projection(&mut self, projection: &PlannedProjection) {
        let entry = projection.entry;
        let id = NodeId::new(NodeKind::Projection, entry.name);
        for model in projection.models() {
            let model_id = of_read_model(projection, model.name);
            self.add(Node {
                fields: model.fields.to_vec(),
                ..Node::new(model_id, model.docs, entry.source)
            });
        }
        let mut taken = Vec::new();
        for fold in &projection.folds {
            let source = Source {
                line: fold.line,
                ..entry.source
            };
            let subject = (&id, source, Some(fold.name));
            self.connect(subject, Verb::Folds, of_event_name(fold.event));
            for input in &fold.inputs {
                if let InputKind::Views(model) = input.kind {
                    let model = of_read_model(projection, model.name);
                    self.connect(subject, Verb::Writes, model);
                }
            }
            taken.extend(fold.inputs.iter().copied());
        }
        self.add(Node {
            version: Some(entry.version),
            services: services(&taken),
            ..Node::new(id, entry.docs, entry.source)
        });
    }

    fn process(&mut self, process: &PlannedProcess) {
        let entry = process.entry;
        let id = NodeId::new(NodeKind::ProcessManager, entry.name);
        for step in &process.steps {
            let subject = (&id, process.source_of(step), Some(step.name));
            if let Some(event) = step.event {
                self.connect(subject, Verb::Handles, of_event_name(event));
            }
            if let StepKind::Rejected { command, .. } = step.kind {
                let command = NodeId::new(NodeKind::Command, command);
                self.connect(subject, Verb::Compensates, command);
            }
            for effect in &step.effects {
                match effect {
                    EffectKind::Send(command) => {
                        let command = NodeId::new(NodeKind::Command, *command);
                        self.connect(subject, Verb::Sends, command);
                    }
                    EffectKind::Deadline(event) => {
                        self.connect(subject, Verb::Schedules, of_event_name(event));
                    }
                    EffectKind::Reschedule(_) | EffectKind::Cancel(_) | EffectKind::End => {}
                }
            }
        }
        self.add(Node::new(id, entry.docs, entry.source));
    }

    /// The model, with the events and commands of other modules that it names. What is registered nowhere, which
    /// `build` reports, is left out.
    fn finish(mut self) -> Model {
        let registry = self.plan.registry;
        let named = self.edges.iter().map(|edge| &edge.to);
        let missing: BTreeSet<NodeId> = named
            .filter(|id| !self.nodes.contains_key(id))
            .cloned()
            .collect();
        for event in &registry.events {
            let id = of_event_name(event.name);
            if missing.contains(&id) {
                self.nodes.entry(id).or_insert_with(|| of_event(event));
            }
        }
        for message in &registry.messages {
            let id = of_message_name(message);
            if missing.contains(&id) {
                self.nodes.entry(id).or_insert_with(|| of_message(message));
            }
        }
        let Self {
            nodes,
            mut edges,
            log_permission,
            ..
        } = self;
        edges.retain(|edge| nodes.contains_key(&edge.to));
        edges.sort();
        edges.dedup();
        Model {
            nodes: nodes.into_values().collect(),
            edges,
            log_permission,
        }
    }
}

fn of_message(entry: &MessageEntry) -> Node {
    let outcome = (entry.outcome)();
    let (answer, rejection) = match entry.kind {
        MessageKind::Command => (None, outcome),
        MessageKind::Query => (outcome, None),
    };
    Node {
        permission: entry.permission,
        has_rows: entry.has_rows,
        fields: entry.fields.to_vec(),
        schema: (entry.schema)(),
        answer,
        rejection,
        ..Node::new(of_message_name(entry), entry.docs, entry.source)
    }
}

fn of_message_name(entry: &MessageEntry) -> NodeId {
    let kind = match entry.kind {
        MessageKind::Command => NodeKind::Command,
        MessageKind::Query => NodeKind::Query,
    };
    NodeId::new(kind, entry.name)
}

fn of_event(entry: &EventEntry) -> Node {
    Node {
        version: Some(entry.version),
        fields: entry.fields.to_vec(),
        schema: (entry.schema)(),
        ..Node::new(of_event_name(entry.name), entry.docs, entry.source)
    }
}

fn of_event_name(name: &str) -> NodeId {
    NodeId::new(NodeKind::Event, name)
}

fn of_read_model(projection: &PlannedProjection, name: &str) -> NodeId {
    NodeId::new(
        NodeKind::ReadModel,
        format!("{}.{name}", projection.entry.name),
    )
}

/// The types of the services and transactions among the inputs, each once.
fn services(inputs: &[Input]) -> Vec<&'static str> {
    let types = inputs.iter().filter_map(|input| match input.kind {
        InputKind::Service(service) => Some(service.name),
        InputKind::Transaction(store) | InputKind::Writes(store) | InputKind::Reader(store) => {
            Some(store.name)
        }
        _ => None,
    });
    let mut names: Vec<_> = types.collect();
    names.sort_unstable();
    names.dedup();
    names
}
