//! The decisions of the workloads: about one aggregate, one with snapshots, and two at once.

cqrs_core::module!();

mod account;
mod enrolment;
mod history;
mod savings;

pub use account::{Account, AccountId, Deposit, Deposited, FillAccount, LIMIT};
pub use enrolment::{Course, Enrol, FillCourses, Student};
pub use history::FillAccounts;
pub use savings::{FillSavings, Save, Savings};
