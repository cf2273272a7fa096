use proc_macro2::TokenStream;
use syn::LitStr;

use crate::args::Args;
use crate::errors::Errors;
use crate::hygiene::code;

/// `was = [".."]` of an item that keeps the name under which it is stored. `what` has it, for messages.
pub fn read(args: &mut Args, what: &str, errors: &mut Errors) -> Option<LitStr> {
    let names = args.strings("was", "\"its-earlier-name\"", errors);
    if let Some(second) = names.get(1) {
        errors.at(
            second,
            format!(
                "{what} is stored under one name, which it keeps, however often `name` changes: write that one \
                 alone"
            ),
        );
    }
    names.into_iter().next()
}

/// Reports an earlier name that is the present one.
pub fn check(was: Option<&LitStr>, name: &str, what: &str, errors: &mut Errors) {
    if let Some(own) = was.filter(|was| was.value() == name) {
        errors.at(
            own,
            format!("is {what}'s present name: write the one under which it is stored"),
        );
    }
}

/// The constant that has the name.
pub fn constant(was: Option<&str>) -> Option<TokenStream> {
    was.map(|was| {
        code! {
            const WAS: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(#was);
        }
    })
}
