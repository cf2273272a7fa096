//! The parts of domain code: messages, aggregates, and the inputs of handlers. Read models are in
//! [`views`](crate::views); [`prelude`](crate::prelude) has all of these names.
//!
//! ```
//! use cqrs_core::prelude::*;
//!
//! #[derive(Command, Clone, Serialize, Deserialize)]
//! struct Deposit {
//!     #[id(Account)]
//!     account: u32,
//!     amount: u64,
//! }
//!
//! #[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
//! #[event(name = "deposited", version = 1)]
//! struct Deposited {
//!     #[id(Account)]
//!     account: u32,
//!     amount: u64,
//! }
//!
//! #[derive(Default)]
//! struct Account {
//!     balance: u64,
//! }
//!
//! #[aggregate(id = u32)]
//! impl Account {
//!     #[apply]
//!     fn deposited(&mut self, event: &Deposited) {
//!         self.balance += event.amount;
//!     }
//! }
//!
//! #[command_handler]
//! fn deposit(cmd: Deposit, account: &Account) -> Result<Deposited, Rejected> {
//!     let balance = account.balance.checked_add(cmd.amount);
//!     ensure!(balance.is_some(), "the account is full");
//!     Ok(Deposited { account: cmd.account, amount: cmd.amount })
//! }
//! # fn main() {
//! // A handler stays a function: a test calls it, or uses `cqrs_core::testing`.
//! let full = Account { balance: u64::MAX };
//! assert!(deposit(Deposit { account: 1, amount: 1 }, &full).is_err());
//! # }
//! ```

pub use crate::handler::{Context, Each, ReadTx, Reader, Service, Tx, Writes};
pub use crate::ids::{CommandId, EventId, ScheduleId};
pub use crate::message::{
    Aggregate, Cancel, Command, Deadline, End, Event, Query, Reschedule, Validate,
};
