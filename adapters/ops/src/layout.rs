use maud::{DOCTYPE, Markup, html};

use crate::desk::Desk;
use crate::visit::Links;

/// The part of the pages that a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chapter {
    None,
    Subscriptions,
    Messages,
    Events,
    Aggregates,
    Processes,
    Map,
}

/// The parts in the navigation, with their addresses.
const CHAPTERS: [(Chapter, &str, &str); 6] = [
    (Chapter::Subscriptions, "", "Subscriptions"),
    (Chapter::Messages, "messages", "Messages"),
    (Chapter::Events, "events", "Events"),
    (Chapter::Aggregates, "aggregates", "Aggregates"),
    (Chapter::Processes, "processes", "Processes"),
    (Chapter::Map, "map", "Map"),
];

/// A page with its head and its navigation.
pub(crate) fn layout(
    desk: &Desk,
    links: &Links,
    chapter: Chapter,
    title: &str,
    body: Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " – " (desk.title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(links.to("style.css"));
                script src=(links.to("script.js")) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand { (desk.title) }
                    nav aria-label="Pages" {
                        ul {
                            @for (each, page, name) in CHAPTERS {
                                li {
                                    a href=(links.to(page)) aria-current=[(each == chapter).then_some("page")] { (name) }
                                }
                            }
                        }
                    }
                    div.tools id="tools" {}
                }
                main id="main" tabindex="-1" {
                    h1 { (title) }
                    (body)
                }
                p.hidden id="told" role="status" {}
            }
        }
    }
}
