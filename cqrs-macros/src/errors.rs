use std::fmt::Display;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::DeriveInput;

/// Everything that is wrong with the user's item, so that one compilation reports all of it.
#[derive(Default)]
pub struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds an error that underlines these tokens.
    pub fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error.
    pub fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value, or its error added.
    pub fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }
}

impl ToTokens for Errors {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.as_ref().map(syn::Error::to_compile_error));
    }
}

/// Where an item begins that is not of the kind that a macro belongs on: behind its attributes.
pub fn place(item: TokenStream) -> Span {
    let mut tokens = item.into_iter().peekable();
    let mut place = None;
    while let Some(token) = tokens.next() {
        place.get_or_insert(token.span());
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => drop(tokens.next()),
            token => return token.span(),
        }
    }
    place.unwrap_or_else(Span::call_site)
}

/// The course of a derive: read a model of the item, expand it. A model that is incomplete because
/// of an error still expands, so that the type has its trait and errors do not cascade.
pub fn derive<M: ToTokens>(
    input: TokenStream,
    read: impl FnOnce(DeriveInput, &mut Errors) -> Option<M>,
) -> TokenStream {
    let mut errors = Errors::default();
    let input = errors.ok(syn::parse2(input));
    let model = input.and_then(|input| read(input, &mut errors));
    quote!(#errors #model)
}

/// The course of an attribute on a function, which is emitted as it was. Nothing refers to a
/// handler's wiring, so it is left out when anything is wrong.
pub fn function<M: ToTokens>(
    item: TokenStream,
    read: impl FnOnce(TokenStream, &mut Errors) -> Option<M>,
) -> TokenStream {
    let mut errors = Errors::default();
    let model = read(item.clone(), &mut errors).filter(|_| errors.is_empty());
    quote!(#item #errors #model)
}
