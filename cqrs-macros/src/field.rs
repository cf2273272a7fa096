use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Field;
use syn::ext::IdentExt;

use crate::hygiene::code;
use crate::{id, source, types};

/// A field of a command, query, event or read model, for the registry.
pub struct FieldItem {
    name: String,
    /// The type, as it is written.
    ty: String,
    docs: String,
    /// The name of the aggregate whose id it is.
    aggregate: Option<String>,
}

impl FieldItem {
    /// Reads the named fields of a struct.
    pub fn read_all(fields: &[Field]) -> Vec<Self> {
        let named = fields.iter().filter_map(|field| {
            Some(Self {
                name: field.ident.as_ref()?.unraw().to_string(),
                ty: types::text(&field.ty),
                docs: source::docs(&field.attrs),
                aggregate: id::of(field),
            })
        });
        named.collect()
    }
}

impl ToTokens for FieldItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            name,
            ty,
            docs,
            aggregate,
        } = self;
        let aggregate = aggregate.as_ref().map(|aggregate| code!(.of(#aggregate)));
        tokens.extend(code!(__cqrs::Field::new(#name, #ty, #docs)#aggregate));
    }
}
