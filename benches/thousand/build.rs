//! Writes the commands and their handlers.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

const HANDLERS: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut text = String::new();
    for number in 0..HANDLERS {
        write!(
            text,
            "/// Raises the counter by {number}.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Stopped)]
pub struct Raise{number} {{
    #[id(Counter)]
    pub counter: CounterId,
}}

#[command_handler]
fn raise_{number}(command: Raise{number}, counter: &Counter, most: Service<Most>) -> Result<Raised, Stopped> {{
    counter.raise(command.counter, {number}, &most)
}}

"
        )?;
    }
    let file = PathBuf::from(env::var("OUT_DIR")?).join("handlers.rs");
    fs::write(file, text)?;
    Ok(())
}
