use crate::program::{Program, Run, without_times};

/// All lines but the first, which names the file.
fn story(run: &Run) -> String {
    let (_, story) = run.out.split_once('\n').expect("lines");
    without_times(story)
}

#[test]
fn the_demo_tells_its_story() {
    let run = Program::new().run(&[]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(
        story(&run),
        include_str!("demo.txt"),
        "update demo.txt if this is intended"
    );
}

#[test]
fn without_a_name_the_file_is_temporary() {
    let program = Program::new();
    let out = program.ok(&[]);
    let first = out.lines().next().expect("lines");
    let path = first
        .strip_prefix("The product catalog in ")
        .expect("the file's name");
    let path = path
        .strip_suffix(" (removed at the end)")
        .expect("what becomes of it");
    assert!(
        !std::fs::exists(path).expect("a directory"),
        "{path} is still there"
    );
    assert!(!program.path("catalog.db").exists());
}

#[test]
fn run_twice_it_works_twice() {
    works_twice(&Program::on(&["--store", "kept.db"]));
}

/// The demo on a new database that is kept.
pub fn works_twice(program: &Program) {
    let first = program.run(&[]);
    let second = program.run(&[]);
    assert_eq!((first.code, second.code), (Some(0), Some(0)));
    assert_eq!(story(&first), include_str!("demo.txt"));
    assert!(
        second
            .out
            .contains("commands of an earlier run of the demo are recognized, not repeated")
    );
    for line in [
        "CreateProduct       P001 for 1200.00  processed before: 1 event at position 1",
        "CreateProduct       P002 for 95.50    processed before: 1 event at position 2",
        "UpdateProductPrice  P001 to 1150.00   processed before: 1 event at position 3",
        "CreateProduct       P001 once more    rejected: product P001 already exists",
        "PlaceOrder          1: 2 of P002      processed before: 1 event at position 6",
    ] {
        assert!(
            second.out.contains(line),
            "{line:?} is not in {}",
            second.out
        );
    }
    // The prices, and the state before the price change, are what they were.
    let past = |run: &Run| {
        let (_, past) = run.out.split_once("\n  GetPriceHistory")?;
        let (past, _) = past.split_once("\nOrders are")?;
        Some(past.to_owned())
    };
    assert!(past(&first).is_some_and(|past| past.contains("1150.00")));
    assert_eq!(past(&first), past(&second));
    let statistics = program.ok(&["ask", "GetCatalogStatistics"]);
    assert!(
        statistics.contains("\"products_on_sale\": 2"),
        "{statistics}"
    );
    assert!(statistics.contains("\"price_changes\": 1"), "{statistics}");
}

#[test]
fn it_gets_along_with_what_is_there() {
    let program = Program::new();
    let json = r#"{"product_id": "P001", "name": "Mine", "description": "", "price": "7"}"#;
    program.ok(&["send", "CreateProduct", json]);
    let out = program.ok(&["--store", "catalog.db"]);
    assert!(
        out.contains("P001 for 1200.00  rejected: product P001 already exists"),
        "{out}"
    );
    assert!(
        out.contains("P001 to 1150.00   done: 1 event at position 3"),
        "{out}"
    );
    assert!(
        out.contains("P001  Mine                  1150.00      0  on sale"),
        "{out}"
    );
}

#[test]
fn a_reader_is_turned_away() {
    let run = Program::new().run(&["--as", "reader", "--actor", "bob"]);
    run.fails(
        1,
        "error: bob may not send `CreateProduct`: it needs the permission `catalog:write`",
    );
}
