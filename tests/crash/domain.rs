//! What the crash tests write: sales, whose lines tell by themselves whether any is missing.

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Few enough that sales meet, many enough that most succeed.
pub const TILLS: u8 = 5;
/// As many are open at a time.
const JOURNALS: u8 = 5;
/// How long a journal is open, so that none gets too long to be folded again and again.
const MILLISECONDS: u64 = 1_000;

/// Follows from the command's id, so that any process that knows the id can send it again.
#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sell {
    #[id(Till)]
    pub till: u8,
    #[id(Journal)]
    pub journal: u32,
    /// How many events; may be none.
    pub lines: u32,
    pub cents: u32,
}

impl Sell {
    pub fn of(id: CommandId) -> Self {
        let bytes = id.as_uuid().into_bytes();
        let [.., till, journal, lines, cents] = bytes;
        let mut made = [0; 8];
        made[2..].copy_from_slice(&bytes[..6]);
        let day = u64::from_be_bytes(made) / MILLISECONDS;
        let day = u32::try_from(day % 100_000_000).unwrap_or(0);
        Self {
            till: till % TILLS,
            journal: day * u32::from(JOURNALS) + u32::from(journal % JOURNALS),
            lines: u32::from(lines % 4),
            cents: u32::from(cents) + 1,
        }
    }
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "line-sold", version = 1)]
pub struct LineSold {
    #[id(Till)]
    pub till: u8,
    #[id(Journal)]
    pub journal: u32,
    /// Counted over the whole journal, from 1: a gap is a lost event, a repetition a lost conflict.
    pub entry: u64,
    /// Counted within the sale, from 1.
    pub line: u32,
    pub of: u32,
    pub cents: u32,
}

/// Folded from events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    pub entries: u64,
    pub cents: u64,
}

#[aggregate(id = u32)]
impl Journal {
    #[apply]
    fn sold(&mut self, event: &LineSold) {
        self.entries = event.entry;
        self.cents += u64::from(event.cents);
    }
}

/// Stored with the events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Till {
    pub lines: u64,
    pub cents: u64,
}

#[aggregate(id = u8, storage = "state")]
impl Till {
    #[apply]
    fn sold(&mut self, event: &LineSold) {
        self.lines += 1;
        self.cents += u64::from(event.cents);
    }
}

#[command_handler]
fn sell(sale: Sell, journal: &Journal, _: &Till) -> Vec<LineSold> {
    let Sell {
        till, lines, cents, ..
    } = sale;
    let line = |line| LineSold {
        till,
        journal: sale.journal,
        entry: journal.entries + u64::from(line),
        line,
        of: lines,
        cents,
    };
    (1..=lines).map(line).collect()
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takings {
    #[key]
    pub journal: u32,
    pub lines: u64,
    pub cents: u64,
    pub last: Position,
}

pub struct Accounts;

#[projection(name = "takings", version = 1)]
impl Accounts {
    #[on]
    fn sold(event: &LineSold, recorded: &Recorded, all: &mut Views<Takings>) -> Result<()> {
        let (journal, last) = (event.journal, recorded.position);
        let fresh = Takings {
            journal,
            lines: 0,
            cents: 0,
            last,
        };
        let mut takings = all.get(&journal)?.unwrap_or(fresh);
        takings.lines += 1;
        takings.cents += u64::from(event.cents);
        takings.last = last;
        all.put(takings);
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<Takings>)]
pub struct AllTakings {}

#[query_handler]
async fn all_takings(_: AllTakings, takings: Read<Takings>) -> Result<Vec<Takings>> {
    takings.find().all().await
}
