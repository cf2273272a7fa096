//! Expansions as text. After a change of an expansion, `UPDATE_EXPECT=1 cargo test -p cqrs-macros`
//! writes `tests/snapshots` anew; read the difference.

mod aggregates;
mod handlers;
mod messages;
mod mistakes;
mod projections;
mod read_models;

use proc_macro2::TokenStream;

/// Compares an expansion with `tests/snapshots/{name}.rs`.
fn expect(name: &str, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("the expansion is a list of items");
    let text = prettyplease::unparse(&file);
    let path = format!("../../tests/snapshots/{name}.rs");
    expect_test::expect_file![path].assert_eq(&text);
}
