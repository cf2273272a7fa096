use std::fmt::Display;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::DeriveInput;

/// All errors in the user's item, so that one compilation reports them together.
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

/// The start of an item of the wrong kind, after its attributes.
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

/// The steps of a derive: read a model of the item, and expand it. A model that is incomplete because
/// of an error is expanded, too, so that the type has its trait and errors do not cascade.
pub fn derive<M: ToTokens>(
    input: TokenStream,
    read: impl FnOnce(DeriveInput, &mut Errors) -> Option<M>,
) -> TokenStream {
    let mut errors = Errors::default();
    let input = errors.ok(syn::parse2(input));
    let model = input.and_then(|input| read(input, &mut errors));
    quote!(#errors #model)
}

/// The steps of an attribute on a function. The function is emitted unchanged. Nothing refers to a
/// handler's wiring, which is therefore left out if there is an error.
pub fn function<M: ToTokens>(
    item: TokenStream,
    read: impl FnOnce(TokenStream, &mut Errors) -> Option<M>,
) -> TokenStream {
    let mut errors = Errors::default();
    let model = read(item.clone(), &mut errors).filter(|_| errors.is_empty());
    quote!(#item #errors #model)
}
