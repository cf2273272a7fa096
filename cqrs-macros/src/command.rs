use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{DeriveInput, Type};

use crate::args::Args;
use crate::case;
use crate::errors::Errors;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::id::{self, Id};
use crate::message::{self, MessageItem};
use crate::source;

/// A struct that derives `Command`.
pub struct CommandItem {
    framework: Framework,
    message: MessageItem,
    name: String,
    error: Option<Type>,
    permission: Option<String>,
    attempts: Option<u32>,
    ids: Vec<CommandIdField>,
}

/// A field with an id, and the role that parameters ask for it by: none if it is the only id of its
/// aggregate.
struct CommandIdField {
    id: Id,
    role: Option<String>,
}

impl CommandItem {
    /// Reads the item.
    pub fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut args = Args::of_derive(&input.attrs, "command", errors);
        let error = args.ty("error", errors);
        let permission = args
            .string("permission", errors)
            .map(|permission| permission.value());
        let name = args.string("name", errors).map(|name| name.value());
        let attempts = args.number("attempts", 1, errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let (message, fields) = MessageItem::read(input, "a command", errors)?;
        let name = name.unwrap_or_else(|| message.ident.unraw().to_string());
        let ids = with_roles(id::read(fields, errors), errors);
        Some(Self {
            framework,
            message,
            name,
            error,
            permission,
            attempts,
            ids,
        })
    }

    fn has_id(&self, CommandIdField { id, role }: &CommandIdField) -> TokenStream {
        let ident = &self.message.ident;
        let Id {
            field, ty, each, ..
        } = id;
        let aggregate = id::key(&id.aggregate);
        let (any, role) = match role {
            Some(role) => (None, id::key(role)),
            None => (Some(code!(const __ROLE: __cqrs::u64,)), code!(__ROLE)),
        };
        if *each {
            let listed = id::listed(ty);
            let ids = code!(#listed::ids(&self.#field));
            let members = id.members(&code!(ids(&self)), &code!(Vec), &ids);
            return code! {
                #[diagnostic::do_not_recommend]
                impl<#any __Expected, __A> __cqrs::HasIds<#aggregate, __Expected, #role, __A>
                    for #ident
                {
                    #members
                }
            };
        }
        code! {
            #[diagnostic::do_not_recommend]
            impl<#any __Expected, __A> __cqrs::HasId<#aggregate, __Expected, #role, __A>
                for #ident
            {
                type Id = #ty;

                fn id(&self) -> &#ty {
                    &self.#field
                }
            }
        }
    }
}

impl ToTokens for CommandItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            framework,
            message,
            name,
            error,
            permission,
            attempts,
            ids,
        } = self;
        let (ident, docs) = (&message.ident, &message.docs);
        let outcome = error.as_ref().map(message::with_outcome);
        let rejection = error.as_ref().map(|ty| {
            code! {
                fn rejection(error: &#ty) -> __cqrs::Option<__cqrs::Value> {
                    __cqrs::Probe::<#ty>::new().json(error)
                }
            }
        });
        let error = error
            .as_ref()
            .map_or_else(|| code!(__cqrs::Rejected), Type::to_token_stream);
        // At the type's name, where the bounds of the trait are reported, too: once for both.
        let handler = quote_spanned!(ident.span()=> __cqrs::CommandFn<#ident>);
        let members = message.members(name, permission.as_deref(), &handler);
        let attempts = attempts.map(|attempts| {
            code!(const ATTEMPTS: __cqrs::Option<__cqrs::u32> = __cqrs::Some(#attempts);)
        });
        let ids = ids.iter().map(|id| self.has_id(id));
        let (source, schema) = (source::of(ident), message.schema());
        let fields = message.with_fields();
        let items = code! {
            impl __cqrs::Command for #ident {
                type Error = #error;
                #attempts
                #members
                #rejection
            }
            #(#ids)*
            __cqrs::submit! {
                __cqrs::MessageEntry::command::<#ident>(#source, #docs, #schema)
                    #fields #outcome
            }
        };
        tokens.extend(framework.probing_block(&items));
    }
}

/// Drops the ids that are in error, so that the impls of the others do not conflict.
fn with_roles(ids: Vec<Id>, errors: &mut Errors) -> Vec<CommandIdField> {
    let roles: Vec<_> = ids
        .iter()
        .map(|id| shares_kind(id, &ids).then(|| case::role(&id.field)))
        .collect();
    let mut with_roles: Vec<CommandIdField> = Vec::new();
    for (id, role) in ids.into_iter().zip(roles) {
        let twin = with_roles
            .iter()
            .find(|other| other.id.kind() == id.kind() && other.role == role);
        if let (Some(twin), Some(role)) = (twin, &role) {
            let (this, that) = (&id.field, &twin.id.field);
            let ending = if id.each { "_ids" } else { "_id" };
            errors.at(
                this,
                format!(
                    "`{this}` and `{that}` are both the `{role}` of a handler (a field's name \
                     without `{ending}`): rename one"
                ),
            );
            continue;
        }
        with_roles.push(CommandIdField { id, role });
    }
    with_roles
}

/// Whether another id of the command is of the same kind, so that only its role tells it apart.
fn shares_kind(id: &Id, ids: &[Id]) -> bool {
    ids.iter().filter(|other| other.kind() == id.kind()).count() > 1
}
