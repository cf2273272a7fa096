//! Expansions as text. After a change of an expansion, `UPDATE_EXPECT=1 cargo test -p wired-cqrs-macros`
//! updates `tests/snapshots`; read the difference.

mod aggregates;
mod handlers;
mod messages;
mod mistakes;
mod process_managers;
mod projections;
mod read_models;
mod renames;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Compares the errors, and the items as they are emitted again, with
/// `tests/snapshots/mistakes/{name}.rs`. What is expanded in spite of errors is left out.
fn expect_errors(name: &str, expansion: TokenStream) {
    let mut file: syn::File = syn::parse2(expansion).expect("the expansion is a list of items");
    file.items
        .retain(|item| !matches!(item, syn::Item::Const(item) if item.ident == "_"));
    expect(&format!("mistakes/{name}"), file.into_token_stream());
}

/// Compares an expansion with `tests/snapshots/{name}.rs`.
fn expect(name: &str, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("the expansion is a list of items");
    let text = prettyplease::unparse(&file);
    let path = format!("../../tests/snapshots/{name}.rs");
    expect_test::expect_file![path].assert_eq(&text);
}
