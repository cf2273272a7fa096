use crate::program::Program;

#[test]
fn status_shows_projections_and_reactions() {
    let program = Program::new();
    program.ok(&["--db", "catalog.db"]);
    let table = program.ok(&["status"]);
    let mut lines = table.lines();
    let headings = lines.next().unwrap_or_default();
    assert!(headings.contains("NAME"), "{table}");
    assert!(headings.contains("LAG"), "{table}");
    for name in ["product-cards", "statistics", "price-history"] {
        let line = table.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("`{name}` is missing:\n{table}"));
        assert!(!line.contains("failing"), "{line}");
    }
}

#[test]
fn status_needs_a_catalog() {
    let program = Program::new();
    program
        .run(&["--db", "other.db", "status"])
        .fails(3, "no catalog `other.db`");
}
