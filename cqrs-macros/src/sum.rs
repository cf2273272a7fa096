use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, Ident, Type, Variant};

use crate::args::Args;
use crate::errors::Errors;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::message;

/// An enum that derives `Event`: one of several events, for a handler to return.
pub struct Sum {
    framework: Framework,
    ident: Ident,
    variants: Vec<(Ident, Type)>,
}

impl Sum {
    /// Reads the item.
    pub fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let Data::Enum(data) = input.data else {
            return None;
        };
        let mut args = Args::of_derive(&input.attrs, "event", errors);
        args.refuse(
            &["name", "version"],
            "the events in an enum have names and versions of their own: remove this",
            errors,
        );
        let framework = args.framework(errors);
        args.finish(errors);
        message::concrete(&input.generics, "an event", errors)?;
        if data.variants.is_empty() {
            errors.at(
                &input.ident,
                "an enum without variants holds no event: write one variant per event, \
                 `Created(ProductCreated)`",
            );
        }
        let count = data.variants.len();
        let variants: Vec<_> = data
            .variants
            .into_iter()
            .filter_map(|variant| newtype(variant, errors))
            .collect();
        // With a variant missing the `match` would add an error of its own.
        (variants.len() == count && count > 0).then_some(Self {
            framework,
            ident: input.ident,
            variants,
        })
    }
}

impl ToTokens for Sum {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            framework,
            ident,
            variants,
        } = self;
        let arms = variants.iter().map(|(variant, ty)| {
            code!(Self::#variant(event) => <#ty as __cqrs::IntoEvents>::record(event, events),)
        });
        let types = variants.iter().map(|(_, ty)| ty);
        let items = code! {
            impl __cqrs::IntoEvents for #ident {
                fn names(names: &mut __cqrs::Vec<&'static __cqrs::str>) {
                    #(<#types as __cqrs::IntoEvents>::names(names);)*
                }

                fn record(
                    self,
                    events: &mut __cqrs::NewEvents,
                ) -> __cqrs::Result<(), __cqrs::Error> {
                    match self {
                        #(#arms)*
                    }
                }
            }
        };
        tokens.extend(framework.block(&items));
    }
}

fn newtype(variant: Variant, errors: &mut Errors) -> Option<(Ident, Type)> {
    for attr in variant
        .attrs
        .iter()
        .chain(variant.fields.iter().flat_map(|field| &field.attrs))
    {
        if attr.path().is_ident("id") || attr.path().is_ident("event") {
            errors.at(
                attr,
                "this belongs on the event in the variant: remove it here",
            );
        }
    }
    let ident = variant.ident;
    match variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields
            .unnamed
            .into_iter()
            .next()
            .map(|field| (ident, field.ty)),
        _ => {
            let message = format!("a variant holds one event: write `{ident}(TheEvent)`");
            errors.at(&ident, message);
            None
        }
    }
}
