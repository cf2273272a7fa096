use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cqrs_core::app::{NodeId, NodeKind, Verb};
use sha2::{Digest, Sha256};

use crate::FlowMap;
use crate::kinds::look;
use crate::parts::{Sentence, Station};
use crate::picture::Picture;
use crate::text::escape;
use crate::themes::{DARK, LIGHT, MAP};

const PAGE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl FlowMap {
    /// The map as a page for a browser, in one file: it asks nothing of any server, and shows the picture and all
    /// details without scripts, too.
    pub fn html(&self) -> String {
        let style = style();
        // Nothing but this style and this script: whatever else gets into the page is not executed or fetched.
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; style-src-attr 'none'; script-src 'sha256-{}'; \
             base-uri 'none'; form-action 'none'",
            hash(&style),
            hash(SCRIPT)
        );
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"generator\" content=\"wired-cqrs-map\">\n\
             <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n\
             <a class=\"skip hidden\" href=\"#details\">Skip the map: all messages as text</a>\n\
             <header>\n<h1>{title}</h1>\n{TOOLS}</header>\n"
        );
        out.push_str("<main>\n");
        self.legend(&mut out);
        self.summary_of_log(&mut out);
        out.push_str(
            "<p class=\"status\" id=\"status\" role=\"status\"></p>\n<div class=\"sheet\">\n",
        );
        let picture = Picture::new(self);
        out.push_str(&self.drawn(&picture, "", &|place, station| {
            self.attributes(place, station)
        }));
        out.push_str("</div>\n<div class=\"card\" id=\"card\" role=\"tooltip\" hidden></div>\n");
        self.undeclared(&mut out);
        self.details(&mut out);
        let _ = write!(
            out,
            "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
        );
        out
    }

    fn legend(&self, out: &mut String) {
        out.push_str("<ul class=\"legend\" aria-label=\"Kinds\">\n");
        for kind in self.kinds() {
            let look = look(kind);
            let count = self.of_kind(kind).count();
            let name = if count == 1 {
                look.class.replace('-', " ")
            } else {
                look.plural.to_lowercase()
            };
            let _ = writeln!(
                out,
                "<li><span class=\"chip {}\"></span><b>{count}</b> {}</li>",
                look.class, name
            );
        }
        out.push_str("</ul>\n");
    }

    fn summary_of_log(&self, out: &mut String) {
        let Some(overlay) = &self.overlay else {
            return;
        };
        let _ = writeln!(
            out,
            "<p class=\"observed\">Observed: {} events of {} decisions. A number says how often; dashed is what was not \
             observed, and ? what may have been, as several commands lead to the same events.</p>",
            overlay.events, overlay.decisions
        );
    }

    /// What the log has, and the model has not.
    fn undeclared(&self, out: &mut String) {
        let Some(overlay) = self.overlay.as_ref().filter(|it| !it.undeclared.is_empty()) else {
            return;
        };
        out.push_str(
            "<section class=\"details\">\n<h2>Observed, but not declared</h2>\n<p>What a reaction sends by the dispatcher is \
             not known from types, nor is what is no longer in the program.</p>\n<ul>\n",
        );
        for ((cause, events), count) in &overlay.undeclared {
            let (cause, events) = (escape(cause), escape(events));
            let _ = writeln!(out, "<li>{cause} → {events}: {count}</li>");
        }
        out.push_str("</ul>\n</section>\n");
    }

    /// The stations with the looks of a kind.
    fn of_kind(&self, kind: NodeKind) -> impl Iterator<Item = (usize, &Station)> {
        let stations = self.stations.iter().enumerate();
        stations.filter(move |(_, station)| look(station.kind()) == look(kind))
    }

    /// The link to a station's details, and what the script has to know of it.
    fn attributes(&self, place: usize, station: &Station) -> String {
        let path = self.path(place);
        format!(
            " href=\"#d{place}\" data-name=\"{}\" data-key=\"{}\" data-path=\"{}\" data-links=\"{}\"",
            escape(station.label()),
            escape(&format!(
                "{}:{}",
                look(station.kind()).class,
                station.node.id.name
            )),
            numbers(path.stations),
            numbers(path.links)
        )
    }

    fn details(&self, out: &mut String) {
        out.push_str("<div class=\"details\" id=\"details\">\n");
        for kind in self.kinds() {
            let look = look(kind);
            let _ = writeln!(
                out,
                "<section>\n<h2>{}</h2>\n<div class=\"grid\">",
                look.plural
            );
            for (place, station) in self.of_kind(kind) {
                self.article(out, place, station);
            }
            out.push_str("</div>\n</section>\n");
        }
        out.push_str("</div>\n");
    }

    fn article(&self, out: &mut String, place: usize, station: &Station) {
        let node = &station.node;
        let _ = write!(
            out,
            "<article id=\"d{place}\"><div class=\"name\"><span class=\"chip {}\"></span><h3>{}</h3></div><p class=\"kind\">{}",
            look(station.kind()).class,
            escape(station.label()),
            station.kind().words()
        );
        if let Some(version) = node.version {
            let _ = write!(out, ", version {version}");
        }
        if let Some(permission) = node.permission {
            let _ = write!(out, ", needs <code>{}</code>", escape(permission));
        }
        if node.has_rows {
            out.push_str(", shows each actor its own rows");
        }
        if let Some(words) = self.figure(place).words() {
            let _ = write!(out, ", {words}");
        }
        out.push_str("</p>");
        docs(out, node.docs);
        if !node.fields.is_empty() {
            out.push_str("<ul class=\"fields\">");
            for field in &node.fields {
                let (name, ty) = (escape(field.name), escape(field.ty));
                let _ = write!(out, "<li><code>{name}: {ty}</code>");
                let mut text = inline(field.docs);
                if let Some(aggregate) = field.aggregate {
                    let separator = if text.is_empty() { "" } else { " " };
                    let _ = write!(text, "{separator}Id of <code>{}</code>.", escape(aggregate));
                }
                if !text.is_empty() {
                    let _ = write!(out, "<p>{text}</p>");
                }
                out.push_str("</li>");
            }
            out.push_str("</ul>");
        }
        if !station.sentences.is_empty() {
            out.push_str("<ul class=\"sentences\">");
            for sentence in &station.sentences {
                let _ = write!(out, "<li>{}</li>", self.told(sentence));
            }
            out.push_str("</ul>");
        }
        for handler in &station.handlers {
            let (name, source) = (
                escape(handler.id.label()),
                escape(&handler.source.to_string()),
            );
            let _ = write!(
                out,
                "<p class=\"place\">handled by <code>{name}</code>, {source}</p>"
            );
            docs(out, handler.docs);
        }
        for services in [&node.services]
            .into_iter()
            .chain(station.handlers.iter().map(|it| &it.services))
            .filter(|services| !services.is_empty())
        {
            let _ = write!(
                out,
                "<p class=\"place\">takes <code>{}</code></p>",
                escape(&services.join(", "))
            );
        }
        let source = escape(&node.source.to_string());
        let _ = writeln!(out, "<p class=\"place\">{source}</p></article>");
    }

    /// A sentence without the node that it is told of.
    fn told(&self, sentence: &Sentence) -> String {
        let Sentence {
            subject,
            verb,
            object,
            methods,
        } = sentence;
        let mut text = match (subject, object) {
            (Some(subject), _) => {
                let passive = match verb {
                    Verb::Handles => "handled by",
                    Verb::Loads => "loaded by",
                    Verb::Emits => "emitted by",
                    Verb::Folds => "folded by",
                    Verb::Writes => "written by",
                    Verb::Reads => "read by",
                    Verb::Sends => "sent by",
                    Verb::Schedules => "scheduled by",
                    Verb::Compensates => "its rejection is taken by",
                    _ => "used by",
                };
                format!("{passive} {}", self.reference(subject))
            }
            (None, Some(object)) if *verb == Verb::Compensates => {
                format!("takes the rejection of {}", self.reference(object))
            }
            (None, Some(object)) => format!("{verb} {}", self.reference(object)),
            (None, None) => verb.to_string(),
        };
        if !methods.is_empty() {
            let _ = write!(text, " in <code>{}</code>", escape(&methods.join(", ")));
        }
        text
    }

    /// The kind and name of a node, which lead to its details.
    fn reference(&self, id: &NodeId) -> String {
        let (words, label) = (id.kind.words(), escape(id.label()));
        // A handler's details are with its message.
        let place = self.stations.iter().position(|station| {
            station.node.id == *id || station.handlers.iter().any(|it| it.id == *id)
        });
        match place {
            Some(place) => format!("{words} <a href=\"#d{place}\">{label}</a>"),
            None => format!("{words} {label}"),
        }
    }
}

const TOOLS: &str = "\
<div class=\"tools\" role=\"toolbar\" aria-label=\"Map\">
<label class=\"hidden\" for=\"search\">Search names, documentation and fields</label>
<input id=\"search\" type=\"search\" placeholder=\"Search ( / )\" autocomplete=\"off\" spellcheck=\"false\">
<button type=\"button\" id=\"all\" hidden>Show all</button>
<button type=\"button\" id=\"smaller\" aria-label=\"Smaller\">−</button>
<button type=\"button\" id=\"larger\" aria-label=\"Larger\">+</button>
<button type=\"button\" id=\"fit\">Fit</button>
<button type=\"button\" id=\"theme\">Theme: auto</button>
</div>
";

/// Light, or dark where the viewer prefers it or has chosen it, and light on paper.
fn style() -> String {
    format!(
        ":root{{{LIGHT}}}@media screen{{@media (prefers-color-scheme: dark){{:root:not([data-theme=\"light\"]){{{DARK}}}}}\
         :root[data-theme=\"dark\"]{{{DARK}}}}}{MAP}{PAGE}"
    )
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> String {
    let texts: Vec<_> = numbers.into_iter().map(|it| it.to_string()).collect();
    texts.join(" ")
}

/// The paragraphs of a documentation comment.
fn docs(out: &mut String, docs: &str) {
    for paragraph in docs.split("\n\n").filter(|it| !it.trim().is_empty()) {
        let _ = write!(out, "<p class=\"docs\">{}</p>", inline(paragraph));
    }
}

/// Text with code between backquotes.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A backquote without a second one is one.
    let is_paired = parts.len() % 2 == 1;
    let mut out = String::new();
    for (place, part) in parts.iter().enumerate() {
        let part = escape(part);
        if place % 2 == 1 && is_paired {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            out.push_str(&part);
            if !is_paired && place + 1 < parts.len() {
                out.push('`');
            }
        }
    }
    out
}
