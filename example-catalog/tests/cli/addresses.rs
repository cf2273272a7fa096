//! Addresses of databases, and the passwords in them.

use crate::program::Program;

const SECRET: &str = "p4ssw0rd";
const LAPTOP: &str =
    r#"{"product_id": "P001", "name": "Laptop", "description": "fast", "price": 1200.5}"#;

/// Where no server is, with a password.
fn nobody(scheme: &str) -> String {
    format!("{scheme}://clerk:{SECRET}@127.0.0.1:1/catalog")
}

#[track_caller]
fn says_no_secret(run: &crate::program::Run) {
    assert!(!run.out.contains(SECRET), "{run:?}");
    assert!(!run.err.contains(SECRET), "{run:?}");
}

#[test]
fn the_environment_or_a_file_names_the_database() {
    let program = Program::new();
    let mut command = program.command(["send", "CreateProduct", LAPTOP]);
    let output = command.env("CATALOG_STORE", "mine.db").output();
    assert!(output.expect("the program runs").status.success());
    assert!(program.path("mine.db").exists());
    assert!(!program.path("catalog.db").exists());

    program.write(
        "address", "mine.db
",
    );
    let found = program.ok(&["--store-file", "address", "history", "product", "P001"]);
    assert!(found.contains("product-created"), "{found}");
    let mut command = program.command(["--store-file", "address", "history", "product", "P001"]);
    let output = command.env("CATALOG_STORE", "other.db").output();
    assert!(output.expect("the program runs").status.success());

    program.write(
        "empty", "
",
    );
    program
        .run(&["--store-file", "empty", "history", "product", "P001"])
        .fails(2, "`empty`: its first line has to be the address");
    program
        .run(&["--store-file", "none", "history", "product", "P001"])
        .fails(3, "cannot read `none`");
    program
        .run(&[
            "--store-file",
            "address",
            "--store",
            "x.db",
            "history",
            "product",
            "P001",
        ])
        .fails(2, "cannot be used with");
}

#[test]
fn a_scheme_in_capital_letters_is_postgresql_and_never_a_file() {
    for scheme in ["Postgres", "POSTGRESQL", "postgres"] {
        let program = Program::new();
        let run = program.run(&["--store", &nobody(scheme), "history", "product", "P001"]);
        run.fails(3, "PostgreSQL");
        says_no_secret(&run);
        let entries = std::fs::read_dir(program.path("")).expect("its directory");
        assert_eq!(entries.count(), 0, "no file was made for {scheme}");
    }
}

#[test]
fn no_password_is_told_whatever_is_wrong() {
    let program = Program::new();
    let mysql = nobody("mysql");
    let words = format!("host=127.0.0.1 user=clerk password={SECRET}");
    let url = nobody("postgres");
    let mistakes: [&[&str]; 5] = [
        &["--store", &mysql, "send", "CreateProduct", LAPTOP],
        &["--store", &words, "send", "CreateProduct", LAPTOP],
        &["send", "CreateProduct", LAPTOP, &url],
        &[
            "--store",
            &url,
            "--schema",
            "My Schema",
            "history",
            "product",
            "P001",
        ],
        &["--as", &url, "history", "product", "P001"],
    ];
    for mistake in mistakes {
        let run = program.run(mistake);
        assert_eq!(run.code, Some(2), "{run:?}");
        says_no_secret(&run);
    }
    let entries = std::fs::read_dir(program.path("")).expect("its directory");
    assert_eq!(entries.count(), 0, "no file is named by an address");
    let help = program
        .command(["--help"])
        .env("CATALOG_STORE", &url)
        .output();
    says_no_secret(&help.expect("the program runs").into());
}
