use std::fmt::{self, Write};

use cqrs_core::Dispatcher;
use cqrs_core::app::{EventDescription, MessageDescription};
use serde_json::Value;

use super::out::{FAINT, HEADING, print_line};
use super::{CliError, args};

/// Prints the wiring: messages with their handlers, events with their listeners.
pub fn run(dispatcher: &Dispatcher, explain: &args::ExplainArgs) -> Result<(), CliError> {
    let description = dispatcher.describe();
    let wanted = |name: &str| explain.name.as_deref().is_none_or(|wanted| wanted == name);
    let mut text = Text {
        out: String::new(),
        schemas: explain.name.is_some(),
    };
    let commands = description.commands.iter().filter(|it| wanted(it.name));
    text.section("COMMANDS", commands, Text::message)?;
    let queries = description.queries.iter().filter(|it| wanted(it.name));
    text.section("QUERIES", queries, Text::message)?;
    let events = description.events.iter().filter(|it| wanted(it.name));
    text.section("EVENTS", events, Text::event)?;
    if text.out.is_empty() {
        let name = explain.name.as_deref().unwrap_or_default();
        return Err(CliError::Invalid(format!(
            "there is no message or event `{name}`: without a name, `explain` lists them all"
        )));
    }
    print_line(text.out.trim_end())?;
    Ok(())
}

struct Text {
    out: String,
    schemas: bool,
}

impl Text {
    fn section<T>(
        &mut self,
        heading: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(&mut Self, T) -> fmt::Result,
    ) -> fmt::Result {
        let mut items = items.peekable();
        if items.peek().is_some() {
            writeln!(self.out, "{HEADING}{heading}{HEADING:#}\n")?;
        }
        items.try_for_each(|item| write(self, item))
    }

    fn message(&mut self, it: &MessageDescription) -> fmt::Result {
        let permission = it.permission.map(|it| format!("  needs {it}"));
        self.title(it.name, permission.as_deref().unwrap_or_default(), it.docs)?;
        self.line("handled by", it.handler, it.handler_source)?;
        self.list("decides on", &it.aggregates)?;
        self.list("reads", &it.read_models)?;
        self.list("uses", &it.services)?;
        self.end(it.schema())
    }

    fn event(&mut self, it: &EventDescription) -> fmt::Result {
        let version = format!("  version {}", it.version);
        self.title(it.name, &version, it.docs)?;
        for listener in &it.listeners {
            self.line(listener.kind, &listener.name, listener.source)?;
            self.list("  returns", &listener.sends)?;
        }
        if it.listeners.is_empty() {
            self.list("listeners", &["none"])?;
        }
        self.end(it.schema())
    }

    fn title(&mut self, name: &str, note: &str, docs: &str) -> fmt::Result {
        writeln!(self.out, "{HEADING}{name}{HEADING:#}{FAINT}{note}{FAINT:#}")?;
        docs.lines()
            .try_for_each(|line| writeln!(self.out, "  {line}"))
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

    fn end(&mut self, schema: Option<Value>) -> fmt::Result {
        if self.schemas
            && let Some(schema) = schema
        {
            writeln!(self.out, "\n{schema:#}")?;
        }
        writeln!(self.out)
    }
}

impl From<fmt::Error> for CliError {
    fn from(error: fmt::Error) -> Self {
        Self::failed(error)
    }
}
