//! A program that is served over HTTP: see `cqrs_benches::http`.

use cqrs_benches::http::served;

fn main() -> cqrs_benches::Result<()> {
    served::run()
}
