//! The README's first example: it is `readme_example.rs` to the letter, formatted, and does what the
//! README says.

use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The example without the comment that says what it is.
fn example() -> &'static str {
    let (_, example) = include_str!("../readme_example.rs")
        .split_once("\n\n")
        .expect("a comment");
    example
}

#[test]
fn the_readme_shows_the_example_as_it_is_compiled() {
    let block = README.split("```rust\n").nth(1).expect("a block of Rust");
    let block = block.split("```").next().unwrap_or_default();
    assert_eq!(block, example());
}

#[test]
fn the_example_is_short() {
    let lines = example().lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 68);
}

#[test]
fn the_example_prints_what_the_readme_says_however_often_it_is_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = env!("CARGO_BIN_EXE_readme-example");
    for _ in 0..2 {
        let output = Command::new(program)
            .current_dir(&directory)
            .output()
            .expect("runs");
        let printed = String::from_utf8(output.stdout).expect("prints text");
        assert_eq!(printed, "[ProductView { id: 1, price: 1150 }]\n");
        assert!(README.contains(printed.trim()));
    }
}

#[test]
fn the_readme_shows_an_expansion_as_it_is() {
    assert!(README.contains(include_str!("../../cqrs-macros/tests/snapshots/readme.rs")));
}
