use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{DeriveInput, Path, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::message::{self, MessageItem};
use crate::source;

/// A struct that derives `Query`.
pub struct QueryItem {
    framework: Framework,
    message: MessageItem,
    name: String,
    returns: Option<Type>,
    permission: Option<String>,
    rows: Vec<Path>,
}

impl QueryItem {
    /// Reads the item.
    pub fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut args = Args::of_derive(&input.attrs, "query", errors);
        let wanted = !args.has("returns");
        let returns = args.ty("returns", errors);
        if wanted {
            let message = "a query declares its answer: write `#[query(returns = TheAnswer)]`";
            args.missing(&input.ident, message, errors);
        }
        let permission = args
            .string("permission", errors)
            .map(|permission| permission.value());
        let rows = args.paths("rows", "own_orders", errors);
        let name = args.string("name", errors).map(|name| name.value());
        let framework = args.framework(errors);
        args.finish(errors);
        let (message, _) = MessageItem::read(input, "a query", errors)?;
        let name = name.unwrap_or_else(|| message.ident.unraw().to_string());
        Some(Self {
            framework,
            message,
            name,
            returns,
            permission,
            rows,
        })
    }
}

impl ToTokens for QueryItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            framework,
            message,
            name,
            returns,
            permission,
            rows,
        } = self;
        let (ident, docs) = (&message.ident, &message.docs);
        let outcome = returns.as_ref().map(message::with_outcome);
        let output = returns
            .as_ref()
            .map_or_else(|| code!(()), Type::to_token_stream);
        // At the type's name, where the bounds of the trait are reported, too: once for both.
        let handler = quote_spanned!(ident.span()=> __cqrs::QueryFn<#ident>);
        let members = message.members(name, permission.as_deref(), &handler);
        let (source, schema) = (source::of(ident), message.schema());
        let fields = message.with_fields();
        let rows = (!rows.is_empty()).then(|| {
            code! {
                const ROWS: __cqrs::Option<fn() -> __cqrs::Vec<__cqrs::RowRule>> =
                    __cqrs::Some(|| __cqrs::Vec::from([#(__cqrs::RowRule::of(#rows)),*]));
            }
        });
        let items = code! {
            impl __cqrs::Query for #ident {
                type Output = #output;
                #members
                #rows
            }
            __cqrs::submit! {
                __cqrs::MessageEntry::query::<#ident>(#source, #docs, #schema)
                    #fields #outcome
            }
        };
        tokens.extend(framework.probing_block(&items));
    }
}
