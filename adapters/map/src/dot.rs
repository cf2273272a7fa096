use std::fmt::Write;

use crate::FlowMap;
use crate::kinds::{light, look};
use crate::text;

impl FlowMap {
    /// The map in the language of Graphviz. `dot -Tsvg` draws it.
    pub fn dot(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "digraph {} {{", text::dot(&self.title));
        out.push_str("    rankdir=LR;\n    ranksep=1;\n    nodesep=0.15;\n");
        out.push_str("    node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\"];\n");
        let _ = writeln!(out, "    edge [color=\"{}\"];", light("line"));
        for column in 0..6 {
            let places: Vec<_> = (0..self.stations.len())
                .filter(|&place| self.stations[place].column() == column)
                .collect();
            if places.is_empty() {
                continue;
            }
            out.push_str("    {\n        rank=same;\n");
            for place in places {
                let station = &self.stations[place];
                let look = look(station.kind());
                let _ = writeln!(
                    out,
                    "        n{place} [label={}, tooltip={}, fillcolor=\"{}\", color=\"{}\"];",
                    text::dot(station.label()),
                    text::dot(&station.summary()),
                    look.fill(),
                    look.stroke(),
                );
            }
            out.push_str("    }\n");
        }
        let of_policy = format!("color=\"{}\"", light("process-manager-edge"));
        for (place, link) in self.links.iter().enumerate() {
            let mut attributes = Vec::new();
            match (link.forward.is_empty(), link.backward.is_empty()) {
                (false, false) => attributes.push("dir=both"),
                (true, false) => attributes.push("dir=back"),
                _ => {}
            }
            if link.is_return(&self.stations) {
                attributes.extend(["constraint=false", "style=dashed", &of_policy]);
            }
            let label = self
                .numbers(place)
                .map(|it| format!("label={}", text::dot(&it)));
            attributes.extend(label.as_deref());
            let attributes = match &*attributes {
                [] => String::new(),
                some => format!(" [{}]", some.join(", ")),
            };
            let _ = writeln!(out, "    n{} -> n{}{attributes};", link.from, link.to);
        }
        out.push_str("}\n");
        out
    }
}
