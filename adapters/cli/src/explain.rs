use std::fmt::{self, Write};

use cqrs_core::app::{Edge, Model, Node, NodeId, NodeKind, Verb};
use serde_json::Value;

use crate::args::ExplainArgs;
use crate::error::CliError;
use crate::out::{FAINT, HEADING, print_json, print_line};

/// Prints the wiring: messages with their handlers, events with their listeners.
pub(crate) fn run(model: &Model, explain: &ExplainArgs, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return print_model(model, explain.name.as_deref());
    }
    let mut text = Text {
        model,
        name: explain.name.as_deref(),
        out: String::new(),
    };
    text.section("COMMANDS", NodeKind::Command, Text::message)?;
    text.section("QUERIES", NodeKind::Query, Text::message)?;
    text.section("EVENTS", NodeKind::Event, Text::event)?;
    if text.out.is_empty() {
        return Err(unknown(explain.name.as_deref()));
    }
    print_line(text.out.trim_end())?;
    Ok(())
}

/// Prints the model, or a part of it, as JSON.
fn print_model(model: &Model, name: Option<&str>) -> Result<(), CliError> {
    let Some(name) = name else {
        return Ok(print_json(model)?);
    };
    let mut part = Model::default();
    let nodes = model.nodes.iter().filter(|node| node.id.name == name);
    part.nodes.extend(nodes.cloned());
    if part.nodes.is_empty() {
        return Err(unknown(Some(name)));
    }
    let edges = model.edges.iter();
    let own = edges.filter(|edge| edge.from.name == name || edge.to.name == name);
    part.edges.extend(own.cloned());
    Ok(print_json(&part)?)
}

fn unknown(name: Option<&str>) -> CliError {
    let name = name.unwrap_or_default();
    CliError::Invalid(format!(
        "there is no message or event `{name}`: without a name, `explain` lists them all"
    ))
}

struct Text<'m> {
    model: &'m Model,
    /// The only message or event to explain, with its schema.
    name: Option<&'m str>,
    out: String,
}

impl<'m> Text<'m> {
    fn section(
        &mut self,
        heading: &str,
        kind: NodeKind,
        write: impl Fn(&mut Self, &'m Node) -> fmt::Result,
    ) -> fmt::Result {
        let name = self.name;
        let all = self.model.of_kind(kind);
        let mut nodes = all
            .filter(|node| name.is_none_or(|name| name == node.id.name))
            .peekable();
        if nodes.peek().is_some() {
            writeln!(self.out, "{HEADING}{heading}{HEADING:#}\n")?;
        }
        nodes.try_for_each(|node| write(self, node))
    }

    fn message(&mut self, node: &'m Node) -> fmt::Result {
        let permission = node.permission.map(|it| format!("  needs {it}"));
        let rows = if node.has_rows { "  own rows" } else { "" };
        let needs = permission.unwrap_or_default() + rows;
        self.title(node, &needs)?;
        for edge in self.model.edges_to(&node.id) {
            match edge.verb {
                Verb::Handles => self.handler(edge)?,
                Verb::Sends => self.subject("sent by", edge)?,
                _ => {}
            }
        }
        self.end(node.schema.as_ref())
    }

    fn handler(&mut self, edge: &'m Edge) -> fmt::Result {
        self.line("handled by", edge.from.label(), edge.source)?;
        self.objects("decides on", &edge.from, Verb::Loads)?;
        self.objects("reads", &edge.from, Verb::Reads)?;
        let handler = self.model.node(edge.from.kind, &edge.from.name);
        self.list("uses", handler.map_or(&[], |it| &it.services))?;
        self.objects("emits", &edge.from, Verb::Emits)
    }

    fn event(&mut self, node: &'m Node) -> fmt::Result {
        self.title(node, &format!("  version {}", node.version.unwrap_or(1)))?;
        let mut is_heard = false;
        for edge in self.model.edges_to(&node.id) {
            match edge.verb {
                Verb::Emits => self.subject("emitted by", edge)?,
                Verb::Schedules => self.subject("scheduled by", edge)?,
                _ => {
                    is_heard = true;
                    self.subject(edge.from.kind.words(), edge)?;
                    self.returned(edge)?;
                }
            }
        }
        if !is_heard {
            self.list("listeners", &["none"])?;
        }
        self.end(node.schema.as_ref())
    }

    /// The commands that the listener of an event may return.
    fn returned(&mut self, listening: &Edge) -> fmt::Result {
        let edges = self.model.edges_from(&listening.from);
        let sent = edges.filter(|it| it.verb == Verb::Sends && it.method == listening.method);
        let names: Vec<_> = sent.map(|it| it.to.label()).collect();
        self.list("  returns", &names)
    }

    fn subject(&mut self, label: &str, edge: &Edge) -> fmt::Result {
        let subject = edge.from.label();
        match edge.method {
            Some(method) => self.line(label, &format!("{subject}::{method}"), edge.source),
            None => self.line(label, subject, edge.source),
        }
    }

    fn objects(&mut self, label: &str, subject: &NodeId, verb: Verb) -> fmt::Result {
        let edges = self.model.edges_from(subject);
        let objects = edges.filter(|it| it.verb == verb);
        let names: Vec<_> = objects.map(|it| it.to.label()).collect();
        self.list(label, &names)
    }

    fn title(&mut self, node: &Node, remark: &str) -> fmt::Result {
        let name = &node.id.name;
        writeln!(
            self.out,
            "{HEADING}{name}{HEADING:#}{FAINT}{remark}{FAINT:#}"
        )?;
        let mut lines = node.docs.lines();
        lines.try_for_each(|line| writeln!(self.out, "  {line}"))
    }

    fn line(&mut self, label: &str, name: &str, place: impl fmt::Display) -> fmt::Result {
        writeln!(self.out, "  {label:<16}{name:<28} {FAINT}{place}{FAINT:#}")
    }

    fn list(&mut self, label: &str, names: &[&str]) -> fmt::Result {
        if names.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  {label:<16}{}", names.join(", "))
    }

    fn end(&mut self, schema: Option<&Value>) -> fmt::Result {
        if self.name.is_some()
            && let Some(schema) = schema
        {
            writeln!(self.out, "\n{schema:#}")?;
        }
        writeln!(self.out)
    }
}
