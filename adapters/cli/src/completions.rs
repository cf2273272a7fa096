use clap::Command;
use clap_complete::{Shell, generate};

use crate::error::CliError;
use crate::out::print_line;

/// Prints the completions of a command line for a shell.
pub(crate) fn run(mut command: Command, shell: Shell) -> Result<(), CliError> {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    print_line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(())
}
