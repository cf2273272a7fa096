use std::fmt::Write;

use cqrs_core::app::{NodeKind, Verb};

use crate::FlowMap;
use crate::kinds::look;
use crate::parts::{Link, Station};
use crate::picture::{Area, Picture, n};
use crate::text::escape;
use crate::themes::{DARK, LIGHT, MAP};

impl FlowMap {
    /// The map as a picture of its own, light or dark as the viewer prefers it.
    pub fn svg(&self) -> String {
        let style = format!(
            "<style>svg{{{LIGHT}}}@media (prefers-color-scheme: dark){{svg{{{DARK}}}}}{MAP}</style>"
        );
        let picture = Picture::new(self);
        let paper = "<rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"var(--paper)\"/>\n";
        self.drawn(&picture, &format!("{style}\n{paper}"), &|_, _| {
            String::new()
        })
    }

    /// The picture, with further content at its start. `attributes` are those of a station's element, which is a link
    /// if there are any.
    pub(crate) fn drawn(
        &self,
        picture: &Picture,
        start: &str,
        attributes: &dyn Fn(usize, &Station) -> String,
    ) -> String {
        let (width, height) = (n(picture.width), n(picture.height));
        let title = escape(&self.title);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"group\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n{start}"
        );
        for Area {
            x,
            y,
            width,
            height,
        } in &picture.bands
        {
            let _ = writeln!(
                out,
                "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
                n(*x),
                n(*y),
                n(*width),
                n(*height)
            );
        }
        for heading in &picture.headings {
            let _ = writeln!(
                out,
                "<text class=\"heading\" x=\"{}\" y=\"{}\">{}</text>",
                n(heading.x),
                n(heading.y),
                escape(&heading.text)
            );
        }
        for (place, link) in self.links.iter().enumerate() {
            self.link(&mut out, picture, place, link);
        }
        for (place, station) in self.stations.iter().enumerate() {
            self.station(&mut out, picture, place, &attributes(place, station));
        }
        out.push_str("</svg>\n");
        out
    }

    fn link(&self, out: &mut String, picture: &Picture, place: usize, link: &Link) {
        let Some(way) = picture.ways.get(place) else {
            return;
        };
        let of_policy = [link.from, link.to].iter().any(|&end| {
            let kind = self.stations[end].kind();
            matches!(kind, NodeKind::Reaction | NodeKind::ProcessManager)
        });
        let mut class = String::from("link");
        if of_policy {
            class.push_str(" policy");
        }
        if link.is_return(&self.stations) {
            class.push_str(" return");
        }
        let figures = self.figures(place);
        if figures.iter().any(|figure| figure.is_observable) {
            let weights = figures.iter().map(|figure| figure.weight());
            let _ = write!(class, " seen-{}", weights.max().unwrap_or_default());
        }
        let _ = write!(
            out,
            "<g class=\"{class}\" id=\"l{place}\" data-ends=\"{} {}\"><title>{}</title><path class=\"way\" d=\"{}\"/>",
            link.from,
            link.to,
            escape(&self.sentence(place, link)),
            way.line
        );
        for head in &way.heads {
            let _ = write!(out, "<path class=\"head\" d=\"{head}\"/>");
        }
        for (figure, at) in figures.iter().zip(&way.ends) {
            // What was not observed is dashed; what a command loads has the number of the command.
            if figure.weight() == 0 || link.forward.contains(&Verb::Loads) {
                continue;
            }
            if let Some(number) = figure.short() {
                let class = if at.is_end { "number end" } else { "number" };
                let (x, y) = (n(at.x), n(at.y));
                let _ = write!(
                    out,
                    "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{number}</text>"
                );
            }
        }
        out.push_str("</g>\n");
    }

    fn station(&self, out: &mut String, picture: &Picture, place: usize, attributes: &str) {
        let station = &self.stations[place];
        let area = &picture.boxes[place];
        let element = if attributes.is_empty() { "g" } else { "a" };
        let kind = station.kind();
        let _ = write!(
            out,
            "<{element} class=\"station {}\" id=\"s{place}\"{attributes}><title>{}</title>{}",
            look(kind).class,
            escape(&station.summary()),
            rect(area, kind, 0.0),
        );
        if kind == NodeKind::ProcessManager {
            out.push_str(&rect(area, kind, 3.0));
        }
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{}\" y=\"{}\">{}</text></{element}>",
            n(area.x + area.width / 2.0),
            n(area.y + area.height / 2.0),
            escape(&picture.labels[place])
        );
        // Beside the link, whose name it is no part of.
        let (right, bottom) = (area.x + area.width - 6.0, area.y + area.height - 7.0);
        if let Some(number) = self.figure(place).short() {
            let (x, y) = (n(right), n(bottom));
            let _ = writeln!(
                out,
                "<text class=\"count\" aria-hidden=\"true\" x=\"{x}\" y=\"{y}\">{number}</text>"
            );
        }
    }

    /// What flows in both directions of a link.
    fn sentence(&self, place: usize, link: &Link) -> String {
        let (from, to) = (&self.stations[link.from], &self.stations[link.to]);
        let directions = [(&link.forward, from, to), (&link.backward, to, from)];
        directions
            .iter()
            .zip(self.figures(place))
            .filter(|((verbs, ..), _)| !verbs.is_empty())
            .map(|((verbs, from, to), figure)| {
                let named: Vec<_> = verbs.iter().map(ToString::to_string).collect();
                let verbs = named.join(", ");
                let words = figure.words().map_or(String::new(), |it| format!(", {it}"));
                format!("{} → {} ({verbs}{words})", from.label(), to.label())
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn rect(area: &Area, kind: NodeKind, inset: f64) -> String {
    let radius = match kind {
        NodeKind::Query | NodeKind::ReadModel => 14.0,
        NodeKind::Aggregate => 3.0,
        _ => 6.0,
    };
    let class = if inset > 0.0 { " class=\"inner\"" } else { "" };
    format!(
        "<rect{class} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        n(area.x + inset),
        n(area.y + inset),
        n(area.width - 2.0 * inset),
        n(area.height - 2.0 * inset),
        n((radius - inset).max(0.0))
    )
}
