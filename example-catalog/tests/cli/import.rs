use std::fmt::Write;
use std::process::Stdio;

use crate::program::Program;

fn line(command: &str, data: &str) -> String {
    format!("{{\"command\": \"{command}\", \"data\": {data}}}\n")
}

fn create(id: &str) -> String {
    let data =
        format!(r#"{{"product_id": "{id}", "name": "N", "description": "", "price": "9.99"}}"#);
    line("CreateProduct", &data)
}

fn receive(id: &str, units: u32) -> String {
    line(
        "ReceiveStock",
        &format!(r#"{{"product_id": "{id}", "units": {units}}}"#),
    )
}

fn reprice(id: &str, price: &str) -> String {
    line(
        "UpdateProductPrice",
        &format!(r#"{{"product_id": "{id}", "new_price": "{price}"}}"#),
    )
}

/// What an import says in the end, without the rate.
fn summary(out: &str) -> &str {
    out.split_once(" (").map_or(out, |(summary, _)| summary)
}

#[test]
fn lines_of_a_product_keep_their_order() {
    let program = Program::new();
    let mut text = String::new();
    for product in 0..50 {
        let id = format!("P{product}");
        text += &create(&id);
        for cents in 10..40 {
            text += &reprice(&id, &format!("1.{cents}"));
        }
    }
    program.write("lines", &text);
    let out = program.ok(&["import", "lines"]);
    assert_eq!(
        summary(&out),
        "1,550 lines: 1,550 done, 0 processed before, 0 rejected, 0 bad"
    );
    for id in ["P0", "P49"] {
        let history = program.ask("GetPriceHistory", &format!(r#"{{"product_id": "{id}"}}"#));
        let prices = history.as_array().expect("a list").iter();
        let prices: Vec<_> = prices.filter_map(|it| it["price"].as_str()).collect();
        let mut expected = vec!["9.99".to_owned()];
        expected.extend((10..40).map(|cents| format!("1.{cents}")));
        assert_eq!(prices, expected);
    }
}

#[test]
fn the_same_file_again_is_the_same_commands() {
    let program = Program::new();
    let text = create("P1") + &receive("P1", 10) + &receive("P1", 10) + "\n" + &receive("P1", 1);
    program.write("lines", text.trim_end());
    let out = program.ok(&["import", "lines"]);
    assert_eq!(
        summary(&out),
        "4 lines: 4 done, 0 processed before, 0 rejected, 0 bad"
    );
    let units = || program.ask("GetCatalogStatistics", "{}")["units_received"].clone();
    assert_eq!(units(), 21, "two lines that are alike are two commands");
    program.write("copy", text.trim_end());
    for file in ["lines", "copy"] {
        let out = program.ok(&["import", file]);
        assert_eq!(
            summary(&out),
            "4 lines: 0 done, 4 processed before, 0 rejected, 0 bad"
        );
        assert_eq!(units(), 21);
    }
    program.write("other", &receive("P1", 10));
    program.ok(&["import", "other"]);
    assert_eq!(units(), 31, "another file has other commands");
}

#[test]
fn a_batch_can_be_corrected_in_place() {
    let program = Program::new();
    let (before, after) = (create("P1") + &receive("P1", 10), receive("P1", 5));
    program.write("lines", &format!("{before}{{\"command\": 7}}\n{after}"));
    let run = program.run(&["import", "lines", "--batch", "monday"]);
    run.fails(
        1,
        "line 3: invalid type: integer `7`, expected a string at column 13",
    );
    assert_eq!(
        summary(&run.out),
        "4 lines: 3 done, 0 processed before, 0 rejected, 1 bad"
    );
    program.write("lines", &format!("{before}{}{after}", receive("P1", 1)));
    let out = program.ok(&["import", "lines", "--batch", "monday"]);
    assert_eq!(
        summary(&out),
        "4 lines: 1 done, 3 processed before, 0 rejected, 0 bad"
    );
    assert_eq!(
        program.ask("GetCatalogStatistics", "{}")["units_received"],
        16
    );
}

#[test]
fn lines_that_are_not_carried_out_are_reported_in_order() {
    let program = Program::new();
    let long = receive(&"x".repeat(70_000), 1);
    let wrong = line("ReceiveStock", r#"{"product_id": "P1", "units": "many"}"#);
    let misspelled = line("RecieveStock", "{}");
    let text = create("P1")
        + "garbage\n"
        + &create("P1")
        + &long
        + &wrong
        + &misspelled
        + &receive("P1", 1);
    program.write("lines", &text);
    let run = program.run(&["import", "lines"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        summary(&run.out),
        "7 lines: 2 done, 0 processed before, 1 rejected, 4 bad"
    );
    let expected = "\
line 2: expected value at column 1
line 3: rejected: product P1 already exists
line 4: it is longer than 65536 bytes
line 5: invalid command: `units`: invalid type: string \"many\", expected u32 at column 36
line 6: there is no command `RecieveStock`: did you mean `ReceiveStock`?
";
    assert_eq!(run.err, expected);
}

#[test]
fn it_stops_when_asked_to() {
    for (fault, code, reason) in [
        ("garbage\n".to_owned(), 2, "line 31: expected value"),
        (
            create("P0"),
            1,
            "line 31: rejected: product P0 already exists",
        ),
    ] {
        let program = Program::new();
        let mut text = String::new();
        (0..30).for_each(|product| text += &create(&format!("P{product}")));
        text += &fault;
        (30..60).for_each(|product| text += &create(&format!("P{product}")));
        program.write("lines", &text);
        let run = program.run(&["import", "lines", "--on-error", "stop"]);
        run.fails(code, reason);
        run.fails(code, "error: stopped at line 31\n");
        assert!(run.out.starts_with("31 lines: 30 done"), "{run:?}");
        assert_eq!(
            program.ask("GetCatalogStatistics", "{}")["products_on_sale"],
            30
        );
    }
}

#[test]
fn a_line_may_bring_its_id() {
    let program = Program::new();
    let id = "018f0000-0000-7000-8000-000000000001";
    let line = receive("P1", 4).replacen('{', &format!("{{\"id\": \"{id}\", "), 1);
    program.write("first", &(create("P1") + &line));
    program.write("second", &(line.clone() + &line.replace(": 4", ": 5")));
    program.ok(&["import", "first"]);
    let run = program.run(&["import", "second"]);
    run.fails(
        1,
        "line 2: invalid command: command id 018f0000-0000-7000-8000-000000000001 was used",
    );
    assert_eq!(
        summary(&run.out),
        "2 lines: 0 done, 1 processed before, 0 rejected, 1 bad"
    );
    let out = program.ok(&[
        "send",
        "ReceiveStock",
        r#"{"product_id": "P1", "units": 4}"#,
        "--id",
        id,
    ]);
    assert!(out.starts_with("processed before"), "{out}");
}

#[test]
fn what_is_not_the_lines_fault_ends_the_import() {
    let program = Program::new();
    program.write("lines", &(create("P1") + &create("P2")));
    let run = program.run(&["import", "lines", "--as", "reader"]);
    run.fails(
        1,
        "error: stopped at line 1: clerk may not send `CreateProduct`",
    );
    assert!(!run.err.contains("line 2"), "{run:?}");
    program
        .run(&["import", "nothing"])
        .fails(3, "cannot read `nothing`");
    program
        .run(&["import", "."])
        .fails(2, "it has to be a regular file");
}

#[test]
fn two_imports_of_one_file_at_once_do_nothing_twice() {
    let program = Program::new();
    let mut text = String::new();
    for product in 0..200 {
        write!(
            text,
            "{}{}",
            create(&format!("P{product}")),
            receive(&format!("P{product}"), 3)
        )
        .expect("a string takes all");
    }
    program.write("lines", &text);
    let start = || {
        let mut command = program.command(["import", "lines"]);
        let import = command.stdout(Stdio::null()).spawn();
        import.expect("the program runs")
    };
    let mut both = [start(), start()];
    for import in &mut both {
        assert_eq!(import.wait().expect("it ends").code(), Some(0));
    }
    let statistics = program.ask("GetCatalogStatistics", "{}");
    assert_eq!(statistics["products_on_sale"], 200);
    assert_eq!(statistics["units_received"], 600);
}
