//! One of several processes on one log: see `cqrs_benches::processes`.

use cqrs_benches::processes::process;

fn main() -> cqrs_benches::Result<()> {
    process::run()
}
