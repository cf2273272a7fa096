//! The workloads of the benchmarks, for any framework that can deposit money into an account.

mod bank;
mod deep;
mod figures;
mod hot;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod pool;
mod run;
mod spread;

pub use bank::{Bank, Failure, Seed};
pub use deep::deep;
pub use figures::{Figures, print};
pub use hot::hot;
#[cfg(feature = "postgres")]
pub use pool::postgres;
#[cfg(feature = "sqlite")]
pub use pool::{sqlite, sqlite_version};
pub use run::Run;
pub use spread::spread;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Runs a future on all cores.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
