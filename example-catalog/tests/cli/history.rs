use serde_json::{Value, json};

use crate::program::{Program, without_times};

#[test]
fn history_shows_all_that_is_recorded() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db", "--actor", "ann"]);
    let expected = concat!(
        " POSITION  TIME                      EVENT                     ACTOR  CORRELATION  CAUSATION\n",
        "        1  0000-00-00 00:00:00.000Z  product-created v1        ann    ..098dc5fa   ..098dc5fa\n",
        "           {\"product_id\":\"P001\",\"name\":\"Laptop Pro\",",
        "\"description\":\"High-performance laptop\",\"price\":\"1200.00\"}\n",
        "        3  0000-00-00 00:00:00.000Z  product-price-updated v1  ann    ..5a7ad8bf   ..5a7ad8bf\n",
        "           {\"product_id\":\"P001\",\"old_price\":\"1200.00\",\"new_price\":\"1150.00\"}\n",
    );
    let shown = without_times(&program.ok(&["history", "product", "P001"]));
    let (first, of_orders) = shown.split_at(expected.len().min(shown.len()));
    assert_eq!(first, expected);
    assert!(of_orders.contains("stock-released v1"), "{of_orders}");
    let full = program.ok(&["history", "product", "P002", "--full"]);
    let ids = full
        .split_whitespace()
        .filter(|word| word.len() == 36)
        .collect::<Vec<_>>();
    // The product's creation, which began the conversation.
    assert!(ids.len() > 2, "{full}");
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_product_without_history_is_not_found() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    program
        .run(&["history", "product", "P999"])
        .fails(1, "there are no events of product P999");
    program
        .run(&["history", "products", "P001"])
        .fails(2, "there is no aggregate `products`, only: order, product");
    program
        .run(&["history", "--type", "product-crated"])
        .fails(2, "there is no event `product-crated`");
    program
        .run(&["history", "--tag", "P001"])
        .fails(2, "`P001` is no tag: write `AGGREGATE:ID`");
    program.run(&["history", "product"]).fails(2, "<ID>");
    program
        .run(&["--store", "other.db", "history", "product", "P001"])
        .fails(3, "no store `other.db`");
}

#[test]
fn events_are_selected_by_tag_type_and_position() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let positions = |arguments: &[&str]| {
        let all = [&["--json", "history"], arguments].concat();
        let lines = program.ok(&all);
        let events = lines.lines().map(|line| {
            let event: Value = serde_json::from_str(line).expect("JSON");
            event["position"].as_u64().expect("a position")
        });
        events.collect::<Vec<_>>()
    };
    let all = positions(&[]);
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(positions(&["--after", "3", "--limit", "2"]), [4, 5]);
    assert_eq!(positions(&["--up-to", "2"]), [1, 2]);
    assert_eq!(positions(&["--type", "product-price-updated"]), [3]);
    let created = [
        "--type",
        "product-created",
        "--type",
        "product-price-updated",
    ];
    assert_eq!(positions(&created), [1, 2, 3]);
    let of_product = positions(&["product", "P001"]);
    assert!(of_product.len() > 2 && of_product.len() < all.len());
    assert_eq!(positions(&["--tag", "product:P001"]), of_product);
    let repriced = ["product", "P001", "--type", "product-price-updated"];
    assert_eq!(positions(&repriced), [3]);
    program
        .run(&["history", "product", "P001", "--tag", "product:P002"])
        .fails(1, "there are no such events");
    let first = program.ok(&["--json", "history", "--limit", "1"]);
    let first: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(first["type"], "product-created");
    assert_eq!(first["tags"], json!(["product:P001"]));
    assert_eq!(first["data"]["name"], "Laptop Pro");
    assert_eq!(first["actor"], "clerk");
    program
        .run(&["history", "--type", "product-renamed"])
        .fails(1, "there are no such events");
}

#[test]
fn events_are_selected_by_who_and_when() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db", "--actor", "ann"]);
    let all = program.ok(&["--json", "history"]);
    let lines: Vec<Value> = all
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    let by_ann = lines.iter().filter(|it| it["actor"] == "ann").count();
    assert!(by_ann > 2, "{all}");
    let count = |arguments: &[&str]| {
        let all = [&["--json", "history"], arguments].concat();
        program.ok(&all).lines().count()
    };
    assert_eq!(count(&["--by", "ann"]), by_ann);
    let time = lines[lines.len() - 1]["time"].as_str().expect("is text");
    let since = lines.iter().filter(|it| it["time"].as_str() >= Some(time));
    assert_eq!(count(&["--since", time]), since.count());
    assert_eq!(count(&["--until", time]), lines.len());
    let nobody = program.run(&["history", "--by", "bob"]);
    nobody.fails(1, "there are no such events");
    let no_time = program.run(&["history", "--since", "yesterday"]);
    no_time.fails(2, "yesterday");
}

#[test]
fn the_metadata_of_a_command_is_shown_with_its_events() {
    let program = Program::new();
    let create = r#"{"product_id":"P900","name":"Lamp","description":"","price":"1"}"#;
    let mut arguments = vec!["--store", "catalog.db", "send", "CreateProduct", create];
    arguments.extend(["--metadata", "tenant=acme", "--metadata", "locale=a=b"]);
    program.ok(&arguments);
    let shown = program.ok(&[
        "--json",
        "--store",
        "catalog.db",
        "history",
        "product",
        "P900",
    ]);
    let event: Value = serde_json::from_str(&shown).expect("is JSON");
    assert_eq!(
        event["metadata"],
        json!({"tenant": "acme", "locale": "a=b"})
    );
    let table = program.ok(&["--store", "catalog.db", "history", "product", "P900"]);
    assert!(table.ends_with("locale=a=b tenant=acme\n"), "{table}");
    let later = [&arguments[..], &["--in", "30d"]].concat();
    program.ok(&later);
    let all = program.ok(&["--json", "--store", "catalog.db", "history"]);
    let last = all.lines().last().expect("has events");
    let scheduled: Value = serde_json::from_str(last).expect("is JSON");
    assert_ne!(scheduled["type"], "product-created");
    assert_eq!(scheduled["metadata"], event["metadata"]);
    arguments.extend(["--metadata", "Tenant=acme"]);
    program
        .run(&arguments)
        .fails(2, "\"Tenant\" is no key of metadata");
    arguments.extend(["--metadata", "tenant"]);
    program.run(&arguments).fails(2, "there is no `=`");
}

#[test]
fn the_state_of_a_product_is_known_at_every_position() {
    let program = Program::new();
    program.ok(&["--store", "catalog.db"]);
    let state = |further: &[&str]| {
        let shown = program.ok(&[&["state", "product", "P001"], further].concat());
        serde_json::from_str::<Value>(&shown).expect("is JSON")
    };
    let created = state(&["--at", "1"]);
    assert_eq!(
        created,
        json!({"status": "on_sale", "name": "Laptop Pro", "price": "1200.00", "stock": 0})
    );
    assert_eq!(state(&["--at", "2"]), created);
    assert_eq!(state(&["--at", "3"])["price"], "1150.00");
    assert_eq!(state(&["--json"]), state(&[]));
    assert_eq!(state(&["--at-time", "2999-01-01T00:00:00Z"]), state(&[]));
    let state = |arguments: &[&str]| program.run(&[&["state"], arguments].concat());
    state(&["product", "P999"]).fails(1, "there are no events of product P999");
    state(&["product", "P002", "--at", "1"])
        .fails(1, "there were no events of product P002 by then");
    state(&["product", "P001", "--at-time", "2000-01-01T00:00:00Z"])
        .fails(1, "there were no events of product P001 by then");
    state(&["product", "P001", "--at", "9999"]).fails(1, "before 9999");
    state(&["produkt", "P001"]).fails(2, "there is no aggregate `produkt`");
    state(&["product", "P001", "P002"]).fails(2, "`product` has one id");
    state(&["product"]).fails(2, "<ID>");
    state(&[
        "product",
        "P001",
        "--at",
        "1",
        "--at-time",
        "2000-01-01T00:00:00Z",
    ])
    .fails(2, "--at");
}
