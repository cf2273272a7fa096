use maud::{Markup, html};

/// A column of a table, by what is in it.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// A table whose rows are cards on a phone. Its parts have their roles by name, since browsers forget those of elements that
/// are not shown as a table.
pub(crate) fn cards(caption: &Markup, columns: &[Column], rows: &Markup) -> Markup {
    html! {
        table.cards role="table" {
            (caption)
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        @match column {
                            Column::Text(name) => th role="columnheader" scope="col" { (name) },
                            Column::Number(name) => th.number role="columnheader" scope="col" { (name) },
                        }
                    }
                }
            }
            tbody role="rowgroup" { (rows) }
        }
    }
}

/// The caption of a table, for those who cannot see what it is about.
pub(crate) fn caption(text: &str) -> Markup {
    html! { caption.hidden { (text) } }
}
