//! A process that watches a query: see `cqrs_benches::follow`.

use cqrs_benches::follow::watcher;

fn main() -> cqrs_benches::Result<()> {
    watcher::run()
}
