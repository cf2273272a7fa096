use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Field, Fields, Generics, Ident, Type};

use crate::errors::Errors;
use crate::field::FieldItem;
use crate::hygiene::code;
use crate::source;

/// The struct of a command, query or event.
pub struct MessageItem {
    /// Its name.
    pub ident: Ident,
    /// Its documentation.
    pub docs: String,
    fields: Vec<FieldItem>,
}

impl MessageItem {
    /// Checks that the item is a struct with named fields, or a unit struct, and takes it apart.
    /// `kind` is the derived message, for errors: `a command`.
    pub fn read(input: DeriveInput, kind: &str, errors: &mut Errors) -> Option<(Self, Vec<Field>)> {
        let fields = fields(input.data, &input.ident, kind, errors).unwrap_or_default();
        concrete(&input.generics, kind, errors)?;
        let docs = source::docs(&input.attrs);
        Some((
            Self {
                ident: input.ident,
                docs,
                fields: FieldItem::read_all(&fields),
            },
            fields,
        ))
    }

    /// Adds the fields to the entry, if there are any.
    pub fn with_fields(&self) -> Option<TokenStream> {
        let fields = &self.fields;
        (!fields.is_empty()).then(|| code!(.with_fields(&[#(#fields),*])))
    }

    /// Makes the JSON schema, if the type has one.
    pub fn schema(&self) -> TokenStream {
        let ident = &self.ident;
        code!(|| __cqrs::Probe::<#ident>::new().schema())
    }

    /// Makes the JSON schemas of what is written and read, if the type has one.
    pub fn schemas(&self) -> TokenStream {
        let ident = &self.ident;
        code!(|| __cqrs::Probe::<#ident>::new().schemas())
    }

    /// The members that commands and queries have alike. `handler` is the type of their handlers as
    /// pointers.
    pub fn members(
        &self,
        name: &str,
        permission: Option<&str>,
        handler: &TokenStream,
    ) -> TokenStream {
        let ident = &self.ident;
        let permission = permission.map_or_else(
            || code!(__cqrs::None),
            |permission| code!(__cqrs::Some(#permission)),
        );
        code! {
            type Handler = #handler;

            const NAME: &'static __cqrs::str = #name;
            const PERMISSION: __cqrs::Option<&'static __cqrs::str> = #permission;

            #[inline]
            fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
                __cqrs::Probe::<#ident>::new().check(self)
            }

            #[inline]
            fn cell() -> &'static __cqrs::HandlerCell<#handler> {
                static CELL: __cqrs::HandlerCell<#handler> = __cqrs::HandlerCell::new();
                &CELL
            }
        }
    }
}

/// Adds the JSON schema of an answer or an error to an entry, if its type has one.
pub fn with_outcome(ty: &Type) -> TokenStream {
    code!(.with_outcome(|| __cqrs::Probe::<#ty>::new().outcome()))
}

/// Reports type parameters and lifetimes; `None` if there are any, since no impl would compile.
pub fn concrete(generics: &Generics, kind: &str, errors: &mut Errors) -> Option<()> {
    if generics.params.is_empty() {
        return Some(());
    }
    let only_lifetimes = generics.lifetimes().count() == generics.params.len();
    let message = if only_lifetimes {
        format!(
            "{kind} owns what it holds, since it is read from JSON: remove the lifetimes, and write \
             `String` for `&str`"
        )
    } else {
        format!(
            "{kind} is a concrete type, since the registry and the wire format need one: remove the \
             parameters and write one struct per case"
        )
    };
    errors.at(generics, message);
    None
}

/// The named fields of a struct; anything else is reported.
pub fn fields(data: Data, ident: &Ident, kind: &str, errors: &mut Errors) -> Option<Vec<Field>> {
    let message = match data {
        Data::Struct(data) => match data.fields {
            Fields::Named(fields) => return Some(fields.named.into_iter().collect()),
            Fields::Unit => return Some(Vec::new()),
            Fields::Unnamed(_) => {
                format!("{kind} has named fields: write `struct {ident} {{ field: Type }}`")
            }
        },
        Data::Enum(_) | Data::Union(_) => {
            format!("{kind} is a struct: write one `struct` per case")
        }
    };
    errors.at(ident, message);
    None
}
