use cqrs_core::app::NodeKind;

use crate::themes::LIGHT;

/// How a kind of station is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Also the name of its colors in the style sheets.
    pub class: &'static str,
    pub plural: &'static str,
}

pub(crate) fn look(kind: NodeKind) -> Look {
    let (class, plural) = match kind {
        NodeKind::Command => ("command", "Commands"),
        NodeKind::Aggregate => ("aggregate", "Aggregates"),
        NodeKind::Event => ("event", "Events"),
        NodeKind::Projection => ("projection", "Projections"),
        NodeKind::ReadModel => ("read-model", "Read models"),
        NodeKind::Query => ("query", "Queries"),
        NodeKind::ProcessManager => ("process-manager", "Process managers"),
        _ => ("reaction", "Reactions"),
    };
    Look { class, plural }
}

impl Look {
    /// The colors of its boxes on white paper: those of the sticky notes of event storming.
    pub fn fill(self) -> &'static str {
        light(self.class)
    }

    pub fn stroke(self) -> &'static str {
        light(&format!("{}-edge", self.class))
    }
}

/// A color of the light theme.
pub(crate) fn light(name: &str) -> &'static str {
    let start = format!("--{name}: ");
    let value = LIGHT.split(&*start).nth(1);
    value
        .and_then(|rest| rest.split(';').next())
        .unwrap_or("#ffffff")
}

/// The kinds of stations, in the order of the columns.
pub(crate) const KINDS: [NodeKind; 8] = [
    NodeKind::Command,
    NodeKind::Aggregate,
    NodeKind::Event,
    NodeKind::Projection,
    NodeKind::Reaction,
    NodeKind::ProcessManager,
    NodeKind::ReadModel,
    NodeKind::Query,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_colors_in_both_themes() {
        let mut fills: Vec<_> = KINDS.iter().map(|&kind| look(kind).fill()).collect();
        fills.sort_unstable();
        fills.dedup();
        assert_eq!(fills.len(), KINDS.len());
        for theme in [LIGHT, crate::themes::DARK] {
            for kind in KINDS {
                let class = look(kind).class;
                assert!(theme.contains(&format!("--{class}: #")), "{class}");
                assert!(theme.contains(&format!("--{class}-edge: #")), "{class}");
            }
        }
    }
}
