use std::io::Read;
use std::process::Stdio;

use crate::program::{Program, Run};

const ESCAPE: char = '\x1b';

#[test]
fn a_pipe_gets_no_colors() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    for arguments in [
        &["--store", "catalog.db"] as &[&str],
        &["history", "product", "P001"],
        &["explain"],
        &["ask", "GetAllProducts"],
        &["send", "CreateProdct", "{}"],
        &["--help"],
        &["frob"],
    ] {
        let run = program.run(arguments);
        assert!(
            !run.out.contains(ESCAPE) && !run.err.contains(ESCAPE),
            "{arguments:?}: {run:?}"
        );
    }
}

#[test]
fn colors_are_there_and_can_be_turned_off() {
    let program = Program::new();
    let run = |no_color: bool| -> Run {
        // Stands for a terminal, which a test does not have.
        let mut command = program.command::<&str>([]);
        command.env("CLICOLOR_FORCE", "1");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.output().expect("the program runs").into()
    };
    assert!(run(false).out.contains("\x1b[32mdone"));
    assert!(!run(true).out.contains(ESCAPE));
}

#[test]
fn what_data_holds_does_not_reach_the_terminal() {
    let program = Program::new();
    program
        .run(&["send", "X\x1b[31m", "{}"])
        .fails(2, "no command `X\\u{1b}[31m`");
    program.write("lines", "{\"command\": \"X\\u001b[31m\", \"data\": {}}\n");
    program
        .run(&["import", "lines"])
        .fails(1, "no command `X\\u{1b}[31m`");
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let program = Program::new();
    let mut command = program.command(["explain"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the program runs");
    drop(child.stdout.take());
    let mut err = String::new();
    let stderr = child.stderr.as_mut().expect("its standard error");
    stderr.read_to_string(&mut err).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(err, "");
}
