use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta};

use crate::hygiene::code;

/// The place of an item, for the registry.
pub fn of(item: &Ident) -> TokenStream {
    let line = line(item);
    code! {
        __cqrs::Source { file: __cqrs::file!(), line: #line, module: __cqrs::module_path!() }
    }
}

/// The line of an item: of its name, not of the attribute or derive above it.
pub fn line(item: &Ident) -> TokenStream {
    quote_spanned!(item.span()=> __cqrs::line!())
}

/// Adds an item's documentation to its entry, if it has any.
pub fn with_docs(docs: &str) -> Option<TokenStream> {
    (!docs.is_empty()).then(|| code!(.with_docs(#docs)))
}

/// The text of an item's documentation comments.
pub fn docs(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(doc) = &attr.meta
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) = &doc.value
        {
            for line in text.value().split('\n') {
                // The space after `///` is no part of the text; further ones indent code.
                let unindented = line.strip_prefix(' ').unwrap_or(line);
                lines.push(unindented.trim_end().to_owned());
            }
        }
    }
    lines.join("\n").trim().to_owned()
}
