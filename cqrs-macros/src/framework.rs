use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Path;

use crate::hygiene::code;

/// The path by which expansions reach `cqrs-core`.
pub struct Framework(TokenStream);

impl Framework {
    /// At this path, or at the default path.
    pub fn at(path: Option<Path>) -> Self {
        Self(path.map_or_else(|| code!(::cqrs_core), Path::into_token_stream))
    }

    /// Items beside the user's, which reach the framework as `__cqrs`. The block keeps that name,
    /// and those of the items, out of the user's module.
    pub fn block(&self, items: &TokenStream) -> TokenStream {
        let Self(path) = self;
        code! {
            const _: () = {
                #[allow(unused_imports)]
                use #path::__private as __cqrs;
                #items
            };
        }
    }

    /// A [`block`](Self::block) that asks types whether they implement optional traits.
    pub fn probing_block(&self, items: &TokenStream) -> TokenStream {
        let Self(path) = self;
        code! {
            const _: () = {
                #[allow(unused_imports)]
                use #path::__private::{self as __cqrs, Fallback as _};
                #items
            };
        }
    }
}
