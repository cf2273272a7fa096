//! The product catalog as a program; see `example-catalog --help`.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match cli::Args::read() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match cli::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
