use proc_macro2::TokenStream;

use crate::hygiene::code;

/// The aggregate by whose id the events of a projection or reaction are divided.
pub fn constant(name: &str) -> TokenStream {
    code! {
        const PARTITION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(#name);
    }
}
