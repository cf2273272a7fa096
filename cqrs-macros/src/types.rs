use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Generics, Ident, Lifetime, ReturnType, Signature, Type};

use crate::errors::Errors;

/// A type as it is written in the body of another function: lifetimes that the user's function
/// declares are left to inference.
pub fn outside(ty: &Type, generics: &Generics) -> TokenStream {
    let declared: Vec<&Ident> = generics
        .lifetimes()
        .map(|param| &param.lifetime.ident)
        .collect();
    let tokens = ty.to_token_stream();
    if declared.is_empty() {
        tokens
    } else {
        inferred(tokens, &declared)
    }
}

/// `&self.field` where the field's type is written, so that an error about the type underlines it.
pub fn borrow_at_type(field: &Ident, ty: &Type) -> TokenStream {
    let (first, last) = ends(ty);
    let mut field = field.clone();
    field.set_span(last.resolved_at(Span::mixed_site()));
    quote_spanned!(first.resolved_at(Span::mixed_site())=> &self.#field)
}

/// A type as the trait that it must meet. All of it has the place of the type: there an error about
/// the type is underlined, and the compiler reports it once per place.
pub fn bound(ty: &TokenStream, (first, last): (Span, Span), bound: &TokenStream) -> TokenStream {
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #ty as #bound>)
}

/// A type as text, with spaces only where `rustfmt` has them.
pub fn text(ty: &Type) -> String {
    let tokens = ty.to_token_stream().to_string();
    let mut text = String::new();
    for part in tokens.split(' ').filter(|part| !part.is_empty()) {
        let is_word = |char: char| char.is_alphanumeric() || char == '_';
        let between_words = text.ends_with(is_word) && part.starts_with(is_word);
        if between_words || text.ends_with([',', ';', '+', '=']) || part.starts_with('+') {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// The spans of a type's first and last token.
pub fn ends(ty: &Type) -> (Span, Span) {
    let mut spans = ty.to_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// The return type of a function. Without one, `()` with the span of the function's name.
pub fn returned(sig: &Signature) -> TokenStream {
    match &sig.output {
        ReturnType::Default => quote_spanned!(sig.ident.span()=> ()),
        ReturnType::Type(_, ty) => outside(ty, &sig.generics),
    }
}

/// Reports `impl Trait`, which has no name that the wiring could write. `kind` says where it is.
/// Returns whether there was none.
pub fn nameable(ty: &Type, kind: &str, errors: &mut Errors) -> bool {
    let is_opaque = mentions(ty.to_token_stream(), &["impl"]);
    if is_opaque {
        errors.at(
            ty,
            format!(
                "the types of {kind} have names, by which it is wired: write the type instead of \
                 `impl ..`"
            ),
        );
    }
    !is_opaque
}

/// Reports type and const parameters.
pub fn monomorphic(generics: &Generics, kind: &str, errors: &mut Errors) {
    let types = generics.type_params().map(ToTokens::to_token_stream);
    let consts = generics.const_params().map(ToTokens::to_token_stream);
    for param in types.chain(consts) {
        errors.at(
            param,
            format!("{kind} has no type parameters, since the registry holds one function: write the type"),
        );
    }
}

/// The attributes that make a parameter depend on a `cfg`. Inputs are numbered, so there is no
/// handler that has some of them at times only.
pub fn conditions(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
}

/// Whether a type can only be written in its own `impl` block or signature: `impl Trait`, `Self`.
pub fn is_unnameable(ty: &TokenStream) -> bool {
    mentions(ty.clone(), &["impl", "Self"])
}

fn mentions(tokens: TokenStream, words: &[&str]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => words.iter().any(|word| ident == word),
        TokenTree::Group(group) => mentions(group.stream(), words),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn inferred(tokens: TokenStream, declared: &[&Ident]) -> TokenStream {
    let mut inferred_tokens = TokenStream::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let stream = inferred(group.stream(), declared);
                let mut replaced = Group::new(group.delimiter(), stream);
                replaced.set_span(group.span());
                inferred_tokens.extend([TokenTree::Group(replaced)]);
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                let name = tokens.next();
                match &name {
                    Some(TokenTree::Ident(name)) if declared.contains(&name) => {
                        Lifetime::new("'_", name.span()).to_tokens(&mut inferred_tokens);
                    }
                    _ => inferred_tokens.extend([TokenTree::Punct(punct)].into_iter().chain(name)),
                }
            }
            token => inferred_tokens.extend([token]),
        }
    }
    inferred_tokens
}
