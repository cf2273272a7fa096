//! Visits of four kinds: one that is confirmed, one that is overdue, one that is refused, and one that is confirmed
//! before it is overdue.

use std::time::Duration;

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Time after which a visit is overdue, if nothing cancels that.
const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct PlanVisit {
    pub visit: u64,
    pub kind: Kind,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ConfirmVisit {
    pub visit: u64,
    pub may_be: bool,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct EscalateVisit {
    pub visit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Confirmed,
    Overdue,
    Refused,
    Canceled,
}

impl Kind {
    /// The kind of a visit, each in turn.
    pub fn of(visit: u64) -> Self {
        match visit % 4 {
            0 => Self::Confirmed,
            1 => Self::Overdue,
            2 => Self::Refused,
            _ => Self::Canceled,
        }
    }
}

macro_rules! events {
    ($($event:ident $name:literal)+) => {$(
        #[derive(Event, Serialize, Deserialize)]
        #[event(name = $name, version = 1)]
        pub struct $event {
            #[id("visit")]
            pub visit: u64,
        }
    )+};
}

events! {
    VisitConfirmed "visit-confirmed"
    VisitOverdue "visit-overdue"
    VisitEscalated "visit-escalated"
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "visit-planned", version = 1)]
pub struct VisitPlanned {
    #[id("visit")]
    pub visit: u64,
    pub kind: Kind,
}

#[command_handler]
fn plan(PlanVisit { visit, kind }: PlanVisit) -> VisitPlanned {
    VisitPlanned { visit, kind }
}

#[command_handler]
fn confirm(ConfirmVisit { visit, may_be }: ConfirmVisit) -> Result<VisitConfirmed, Rejected> {
    ensure!(may_be, "nobody is at home");
    Ok(VisitConfirmed { visit })
}

#[command_handler]
fn escalate(EscalateVisit { visit }: EscalateVisit) -> VisitEscalated {
    VisitEscalated { visit }
}

/// The steps of a visit, in order.
#[derive(Default, Serialize, Deserialize)]
pub struct Visit {
    pub steps: Vec<String>,
    kind: Option<Kind>,
}

#[process_manager(name = "visits", id("visit" = u64))]
impl Visit {
    #[start]
    fn planned(&mut self, event: &VisitPlanned) -> (ConfirmVisit, Option<Deadline<VisitOverdue>>) {
        let VisitPlanned { visit, kind } = *event;
        self.step("planned");
        self.kind = Some(kind);
        let patience = match kind {
            Kind::Overdue => Some(PATIENCE),
            Kind::Canceled => Some(3_600_000 * PATIENCE),
            Kind::Confirmed | Kind::Refused => None,
        };
        let deadline = patience.map(|time| Deadline::after(VisitOverdue { visit }, time));
        let may_be = kind != Kind::Refused;
        (ConfirmVisit { visit, may_be }, deadline)
    }

    #[on]
    fn confirmed(&mut self, _: &VisitConfirmed) -> Option<(Cancel<VisitOverdue>, Option<End>)> {
        self.step("confirmed");
        // The one that is overdue goes on.
        (self.kind != Some(Kind::Overdue)).then(|| (Cancel::new(), Some(End)))
    }

    #[due]
    fn overdue(&mut self, due: &VisitOverdue) -> EscalateVisit {
        self.step("overdue");
        EscalateVisit { visit: due.visit }
    }

    #[rejected]
    fn refused(&mut self, command: &ConfirmVisit, _: &Rejected) -> EscalateVisit {
        self.step("refused");
        EscalateVisit {
            visit: command.visit,
        }
    }

    #[on]
    fn escalated(&mut self, _: &VisitEscalated) -> End {
        self.step("escalated");
        End
    }

    fn step(&mut self, step: &str) {
        self.steps.push(step.to_owned());
    }
}
