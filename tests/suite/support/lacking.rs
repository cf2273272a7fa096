//! Logs that offer less than the contract allows.

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, Capabilities, EventLog, EventPage, EventQuery, Heads,
    ReadRange, Recorded, StoreError, StoredCommand,
};
use cqrs_core::{CommandId, Memory, Position};

use super::decorated::Hooks;

/// The capability that a log does without. A log that lacks it is not asked for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lack {
    States,
    Pipelining,
    SeveralBoundaries,
    FoldReads,
    Tail,
    Transactions,
    Writes,
    TypeCounts,
    Admission,
    Everything,
}

impl Lack {
    pub const ALL: [Self; 10] = [
        Self::States,
        Self::Pipelining,
        Self::SeveralBoundaries,
        Self::FoldReads,
        Self::Tail,
        Self::Transactions,
        Self::Writes,
        Self::TypeCounts,
        Self::Admission,
        Self::Everything,
    ];

    fn of(self, capability: Self) -> bool {
        self == capability || self == Self::Everything
    }
}

impl<S: EventLog + ?Sized> Hooks<S> for Lack {
    fn append<'a>(
        &'a self,
        store: &'a S,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>> {
        if self.of(Self::States) {
            assert!(append.states.is_empty(), "it keeps no states");
        }
        if self.of(Self::Writes) {
            assert!(append.writes.is_none(), "it executes no statements");
        }
        if self.of(Self::Pipelining) {
            assert_eq!(append.token, None, "none follows another");
        }
        if self.of(Self::SeveralBoundaries) {
            assert!(append.boundaries.len() <= 1, "{:?}", append.boundaries);
        }
        store.append(append)
    }

    fn capabilities<'a>(&'a self, mut capabilities: Capabilities<'a>) -> Capabilities<'a> {
        match self {
            Self::States => capabilities.states = None,
            Self::Pipelining => capabilities.pipelining = false,
            Self::SeveralBoundaries => capabilities.several_boundaries = false,
            Self::FoldReads => capabilities.fold_reads = None,
            Self::Tail => capabilities.tail = None,
            Self::Transactions => capabilities = capabilities.without_transactions(),
            Self::Writes => capabilities = capabilities.without_writes(),
            Self::TypeCounts => capabilities.type_counts = None,
            Self::Admission => capabilities.admission = None,
            Self::Everything => {
                let limits = capabilities.limits;
                capabilities = Capabilities::default().limits(limits);
            }
        }
        capabilities
    }
}

/// A log whose positions have gaps: 3, 6, 9 and so on.
pub struct Gapped {
    log: Memory,
    heads: Heads,
}

const STEP: u64 = 3;

/// A position of the log with gaps.
fn spread(position: Position) -> Position {
    Position::new(position.get() * STEP)
}

/// A position of the log without, the last one that is not later.
fn dense(position: Position) -> Position {
    Position::new(position.get() / STEP)
}

impl Gapped {
    pub fn new() -> Self {
        Self {
            log: Memory::new(),
            heads: Heads::new(Position::START),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl EventLog for Gapped {
    fn append(&self, mut append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        for boundary in &mut append.boundaries {
            boundary.after = dense(boundary.after);
        }
        Box::pin(async move {
            match self.log.append(append).await {
                Ok(appended) => {
                    let last = spread(appended.last);
                    self.heads.advance(last);
                    Ok(Appended {
                        first: spread(appended.first),
                        last,
                        ..appended
                    })
                }
                Err(AppendError::Conflict { at }) => Err(AppendError::Conflict { at: spread(at) }),
                Err(error) => Err(error),
            }
        })
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let inner = ReadRange {
            after: dense(range.after),
            up_to: range.up_to.map(dense),
            ..range
        };
        Box::pin(async move {
            let page = self.log.read(query, inner).await?;
            let events = page.events.iter().map(|event| {
                let event = Recorded::clone(event);
                Recorded {
                    position: spread(event.position),
                    ..event
                }
                .into()
            });
            let as_of = spread(page.as_of);
            Ok(EventPage {
                events: events.collect(),
                as_of: range
                    .up_to
                    .map_or(as_of, |up_to| up_to.min(self.heads.position())),
                next: page.next.map(spread),
            })
        })
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        Box::pin(async move {
            let stored = self.log.command(id).await?;
            Ok(stored.map(|stored| StoredCommand {
                first: spread(stored.first),
                last: spread(stored.last),
                ..stored
            }))
        })
    }

    fn heads(&self) -> &Heads {
        &self.heads
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default().pipelining().several_boundaries()
    }
}
