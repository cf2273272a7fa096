use std::fmt::Write;

use cqrs_core::app::NodeKind;

use crate::FlowMap;
use crate::kinds::{light, look};
use crate::text;

impl FlowMap {
    /// The map as a flowchart of Mermaid, which Markdown viewers of many sites draw.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        for (place, station) in self.stations.iter().enumerate() {
            let kind = station.kind();
            let label = text::mermaid(station.label());
            let (open, close) = shape(kind);
            let class = look(kind).class;
            let _ = writeln!(out, "    n{place}{open}\"{label}\"{close}:::{class}");
        }
        for (place, link) in self.links.iter().enumerate() {
            let is_return = link.is_return(&self.stations);
            let arrow = match (link.forward.is_empty(), link.backward.is_empty()) {
                (false, false) if is_return => "<-.->",
                (false, false) => "<-->",
                _ if is_return => "-.->",
                _ => "-->",
            };
            // With one direction, the arrow has its head at the end.
            let (from, to) = if link.forward.is_empty() {
                (link.to, link.from)
            } else {
                (link.from, link.to)
            };
            let label = self
                .numbers(place)
                .map_or(String::new(), |it| format!("|\"{}\"|", text::mermaid(&it)));
            let _ = writeln!(out, "    n{from} {arrow}{label} n{to}");
        }
        for look in self.looks() {
            let (class, fill, stroke, ink) = (look.class, look.fill(), look.stroke(), light("ink"));
            let _ = writeln!(
                out,
                "    classDef {class} fill:{fill},stroke:{stroke},color:{ink}"
            );
        }
        out
    }
}

/// The brackets of a shape.
fn shape(kind: NodeKind) -> (&'static str, &'static str) {
    match kind {
        NodeKind::Query => ("([", "])"),
        NodeKind::ReadModel => ("[(", ")]"),
        NodeKind::Reaction | NodeKind::ProcessManager => ("{{", "}}"),
        _ => ("[", "]"),
    }
}
