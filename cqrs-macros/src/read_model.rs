use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Ident, LitStr, Meta};

use crate::args::Args;
use crate::case;
use crate::errors::Errors;
use crate::field::FieldItem;
use crate::fingerprint;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::{message, source, types};

/// A struct that derives `ReadModel`.
pub struct ReadModelItem {
    framework: Framework,
    ident: Ident,
    name: String,
    docs: String,
    fields: Vec<FieldItem>,
    key: Field,
    indexes: Vec<Field>,
    /// Hash of the fields.
    fingerprint: u64,
}

impl ReadModelItem {
    /// Reads the item.
    pub fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut args = Args::of_derive(&input.attrs, "read_model", errors);
        let name = args.string("name", errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let fingerprint = fingerprint(&input);
        let docs = source::docs(&input.attrs);
        let ident = input.ident;
        let name = table_name(name, &ident, errors);
        let concrete = message::concrete(&input.generics, "a read model", errors);
        let fields = message::fields(input.data, &ident, "a read model", errors)?;
        let described = FieldItem::read_all(&fields);
        let mut keys = Vec::new();
        let mut indexes = Vec::new();
        for field in fields {
            if marked(&field, "key", errors) {
                keys.push(field.clone());
            }
            if marked(&field, "index", errors) {
                indexes.push(field);
            }
        }
        for again in keys.iter().skip(1) {
            errors.at(
                &again.ident,
                "a read model has one `#[key]`: remove the others",
            );
        }
        let key = keys.into_iter().next();
        if key.is_none() {
            errors.at(
                &ident,
                "a read model has a key: mark the field that identifies a view with `#[key]`",
            );
        }
        concrete?;
        Some(Self {
            framework,
            ident,
            name,
            docs,
            fields: described,
            key: key?,
            indexes,
            fingerprint,
        })
    }
}

impl ToTokens for ReadModelItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            framework,
            ident,
            name,
            docs,
            fields,
            key,
            indexes,
            fingerprint,
        } = self;
        let docs = (!docs.is_empty()).then(|| code!(const DOCS: &'static __cqrs::str = #docs;));
        let (key, key_type) = (&key.ident, &key.ty);
        let names = indexes
            .iter()
            .filter_map(|field| Some(field.ident.as_ref()?.unraw().to_string()));
        let types = indexes
            .iter()
            .map(|field| field.ty.to_token_stream().to_string().replace(' ', ""));
        let sort_keys = indexes.iter().filter_map(sort_key);
        let constants = indexes
            .iter()
            .enumerate()
            .map(|(place, field)| constant(ident, place, field));
        let constants_impl = (!indexes.is_empty()).then(|| {
            code! {
                #[allow(dead_code)]
                impl #ident {
                    #(#constants)*
                }
            }
        });
        let items = code! {
            impl __cqrs::ReadModel for #ident {
                type Key = #key_type;
                const NAME: &'static __cqrs::str = #name;
                #docs
                const FIELDS: &'static [__cqrs::Field] = &[#(#fields),*];
                const INDEXES: &'static [&'static __cqrs::str] = &[#(#names),*];
                const INDEX_TYPES: &'static [&'static __cqrs::str] = &[#(#types),*];
                const FINGERPRINT: __cqrs::u64 = #fingerprint;

                fn schemas() -> __cqrs::Option<__cqrs::Schemas> {
                    __cqrs::Probe::<#ident>::new().schemas()
                }

                fn key(&self) -> &#key_type {
                    &self.#key
                }

                fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
                    __cqrs::Vec::from([#(#sort_keys),*])
                }
            }
            #constants_impl
        };
        tokens.extend(framework.probing_block(&items));
    }
}

/// Hash of everything that the JSON and the indexes depend on: the fields, in whichever order, and what
/// Serde is told about them and the type.
fn fingerprint(input: &DeriveInput) -> u64 {
    let of_type = counted(&input.attrs, &["serde"]).map(fingerprint::of);
    let mut parts: Vec<u64> = of_type.collect();
    if let Data::Struct(data) = &input.data {
        let of_fields = data.fields.iter().map(|field| {
            let attrs = counted(&field.attrs, &["serde", "key", "index"]);
            let (ident, ty) = (&field.ident, &field.ty);
            fingerprint::of(&quote!(#(#attrs)* #ident: #ty))
        });
        parts.extend(of_fields);
    }
    parts.sort_unstable();
    fingerprint::of(&quote!(#(#parts)*))
}

fn counted<'a>(attrs: &'a [Attribute], names: &[&str]) -> impl Iterator<Item = &'a Attribute> {
    attrs
        .iter()
        .filter(|attr| names.iter().any(|name| attr.path().is_ident(name)))
}

/// A type that cannot be an index is underlined.
fn sort_key(field: &Field) -> Option<TokenStream> {
    let ty = &field.ty;
    let value = types::borrow_at_type(field.ident.as_ref()?, ty);
    Some(code!(__cqrs::SortKey::of::<#ty>(#value)))
}

fn constant(model: &Ident, place: usize, field: &Field) -> Option<TokenStream> {
    let (vis, ty) = (&field.vis, &field.ty);
    let ident = field.ident.as_ref()?;
    let docs = format!("The index on `{}`.", ident.unraw());
    let ident = case::screaming(ident);
    Some(code! {
        #[doc = #docs]
        #vis const #ident: __cqrs::Index<#model, #ty> = __cqrs::Index::at(#place);
    })
}

/// Whether a field bears this attribute, which takes no arguments and is given once.
fn marked(field: &Field, name: &str, errors: &mut Errors) -> bool {
    let mut attrs = field.attrs.iter().filter(|attr| attr.path().is_ident(name));
    let Some(attr) = attrs.next() else {
        return false;
    };
    if !matches!(attr.meta, Meta::Path(_)) {
        errors.at(
            attr,
            format!("`#[{name}]` takes no arguments: write `#[{name}]`"),
        );
    }
    for again in attrs {
        errors.at(again, format!("`#[{name}]` is given twice: keep one"));
    }
    true
}

/// Stores make tables of read models, so their names have letters that every store allows.
fn table_name(given: Option<LitStr>, ident: &Ident, errors: &mut Errors) -> String {
    let name = given
        .as_ref()
        .map_or_else(|| case::snake(ident), LitStr::value);
    if !name
        .chars()
        .all(|it| matches!(it, 'a'..='z' | '0'..='9' | '_'))
    {
        let message = "a read model's name has only `a-z`, `0-9` and `_` in it: write \
                       `#[read_model(name = \"..\")]`";
        match given {
            Some(given) => errors.at(given, message),
            None => errors.at(ident, message),
        }
    }
    name
}
