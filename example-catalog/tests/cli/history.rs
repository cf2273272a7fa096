use crate::program::{Program, without_times};

#[test]
fn history_shows_all_that_is_recorded() {
    let program = Program::new();
    program.ok(&["--db", "catalog.db", "--actor", "ann"]);
    let expected = concat!(
        " POSITION  TIME                      EVENT                     ACTOR  CORRELATION  CAUSATION\n",
        "        1  0000-00-00 00:00:00.000Z  product-created v1        ann    ..098dc5fa   ..098dc5fa\n",
        "           {\"product_id\":\"P001\",\"name\":\"Laptop Pro\",",
        "\"description\":\"High-performance laptop\",\"price\":\"1200.00\"}\n",
        "        3  0000-00-00 00:00:00.000Z  product-price-updated v1  ann    ..5a7ad8bf   ..5a7ad8bf\n",
        "           {\"product_id\":\"P001\",\"old_price\":\"1200.00\",\"new_price\":\"1150.00\"}\n",
    );
    let shown = without_times(&program.ok(&["history", "P001"]));
    let (first, of_orders) = shown.split_at(expected.len().min(shown.len()));
    assert_eq!(first, expected);
    assert!(of_orders.contains("stock-released v1"), "{of_orders}");
    let full = program.ok(&["history", "P002", "--full"]);
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
    program.ok(&["--db", "catalog.db"]);
    program
        .run(&["history", "P999"])
        .fails(1, "there are no events of a product P999");
    program
        .run(&["history", "P 1"])
        .fails(2, "`P 1` is no product id");
    program
        .run(&["--db", "other.db", "history", "P001"])
        .fails(3, "no catalog `other.db`");
}
