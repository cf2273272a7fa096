//! Commands, events and queries about articles. Each command changes a row, too.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Receive {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Move {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

/// Adds a row with the next number.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Label {
    #[id(Counted)]
    pub article: u32,
}

/// Leads to no event.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Count {
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "received", version = 1)]
pub struct Received {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "taken", version = 1)]
pub struct Taken {
    #[id(Counted)]
    pub article: u32,
    pub pieces: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "moved", version = 1)]
pub struct Moved {
    #[id(Counted)]
    pub from: u32,
    #[id(Counted)]
    pub to: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "labeled", version = 1)]
pub struct Labeled {
    #[id(Counted)]
    pub article: u32,
}

/// An article according to its events.
#[derive(Clone, Default)]
pub struct Counted {
    pub pieces: i64,
    pub labels: i64,
}

#[aggregate(id = u32)]
impl Counted {
    #[apply]
    fn received(&mut self, event: &Received) {
        self.pieces += event.pieces;
    }

    #[apply]
    fn taken(&mut self, event: &Taken) {
        self.pieces -= event.pieces;
    }

    // An id is taken by reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    #[apply]
    fn moved(&mut self, event: &Moved, article: &u32) {
        self.pieces += if *article == event.to { 1 } else { -1 };
    }

    #[apply]
    fn labeled(&mut self, _: &Labeled) {
        self.labels += 1;
    }
}

/// The pieces in the article's row.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = i64)]
pub struct Pieces {
    pub article: u32,
}

/// The numbers in the article's rows.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<i64>)]
pub struct Labels {
    pub article: u32,
}
