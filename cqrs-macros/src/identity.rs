use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Index, Token, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::hygiene::code;
use crate::{id, types};

const EXAMPLE: &str = "ids(Student = StudentId, Course = CourseId)";

/// The id of an aggregate, or its ids.
pub enum Identity {
    /// `id = ProductId`.
    One(Box<Type>),
    /// `ids(Student = StudentId, Course = CourseId)`: its events bear all of them.
    Several(Vec<IdKey>),
}

/// One of several ids, with its name in tags.
pub struct IdKey {
    /// The name in tags.
    pub name: String,
    /// The type of the id.
    pub ty: Type,
}

impl Identity {
    /// Takes `id` or `ids`, and refuses the keys that do not go with several ids.
    pub fn read(args: &mut Args, errors: &mut Errors) -> Option<Self> {
        let one = args.ty("id", errors);
        let Some(keys) = args.list("ids", EXAMPLE, errors) else {
            return one.map(|ty| Self::One(Box::new(ty)));
        };
        args.refuse(
            &["storage", "snapshot_every"],
            "the state of an aggregate of several ids is not stored, but folded from the events \
             that bear all of them: remove this",
            errors,
        );
        args.refuse(
            &["name"],
            "an aggregate of several ids has the names in `ids(..)` in its tags: remove this",
            errors,
        );
        if let Some(ty) = one {
            let message = "an aggregate has one id, `id = ..`, or several, `ids(..)`: remove one";
            errors.at(ty, message);
        }
        let parsed = Punctuated::<IdKey, Token![,]>::parse_terminated.parse2(keys.clone());
        let keys = several(errors.ok(parsed)?.into_iter().collect(), keys, errors)?;
        Some(Self::Several(keys))
    }

    /// The type of the id: of several, a tuple.
    pub fn ty(&self) -> TokenStream {
        match self {
            Self::One(ty) => ty.to_token_stream(),
            Self::Several(keys) => {
                let types = keys.iter().map(|key| &key.ty);
                quote!((#(#types),*))
            }
        }
    }

    /// The traits of an event that bears the ids of `aggregate`, whose name is `name`; with each the
    /// type of the id.
    pub fn concerns(&self, name: &str, aggregate: &TokenStream) -> Vec<(TokenStream, &Type)> {
        match self {
            Self::One(ty) => {
                let key = id::key(name);
                vec![(code!(__cqrs::Concerns<#key, #ty, #aggregate>), ty)]
            }
            Self::Several(keys) => {
                let concerns = keys.iter().map(|IdKey { name, ty }| {
                    let key = id::key(name);
                    (code!(__cqrs::ConcernsOneOf<#key, #ty, #aggregate>), ty)
                });
                concerns.collect()
            }
        }
    }

    /// The names of several ids in tags. That of one is the aggregate's.
    pub fn keys(&self) -> Option<TokenStream> {
        let Self::Several(keys) = self else {
            return None;
        };
        let names = keys.iter().map(|key| &key.name);
        Some(code!(const KEYS: &'static [&'static __cqrs::str] = &[#(#names),*];))
    }

    /// The tags of the aggregate, of which `id` is the id.
    pub fn tags(&self, name: &str, id: &TokenStream) -> TokenStream {
        match self {
            Self::One(ty) => {
                let tag = tag(ty);
                code!(__cqrs::Tags::from(#tag(#id, #name)))
            }
            Self::Several(keys) => {
                let ids = (0..keys.len()).map(Index::from);
                tags(keys, ids.map(|place| quote!(&#id.#place)))
            }
        }
    }
}

/// Lets command handlers take the aggregate by reference, if their command has all of its ids.
pub fn bounds_and_tags(keys: &[IdKey]) -> (TokenStream, TokenStream) {
    let bounds = keys.iter().map(|IdKey { name, ty }| {
        let key = id::key(name);
        code!(__cqrs::HasIdOf<#key, #ty, __ROLE, Self, Id: __cqrs::IdOf<Self, #ty, __C>>)
    });
    let ids = keys.iter().map(|IdKey { name, ty }| {
        let key = id::key(name);
        let id = code!(<__C as __cqrs::HasIdOf<#key, #ty, __ROLE, Self>>::id(command));
        code!(__cqrs::IdOf::<Self, #ty, __C>::id_of(#id))
    });
    (quote!(#(#bounds)+*), tags(keys, ids))
}

fn tags(keys: &[IdKey], ids: impl Iterator<Item = TokenStream>) -> TokenStream {
    let tags = keys.iter().zip(ids).map(|(IdKey { name, ty }, id)| {
        let tag = tag(ty);
        code!(#tag(#id, #name))
    });
    code!(__cqrs::Tags::from(__cqrs::Vec::from([#(#tags),*])))
}

/// The function that makes a tag of an id. A type that cannot be an id is underlined.
fn tag(ty: &Type) -> TokenStream {
    let id = types::bound(
        &ty.to_token_stream(),
        types::ends(ty),
        &code!(__cqrs::AggregateId),
    );
    code!(#id::tag)
}

/// Checks that there are several, all different.
fn several(keys: Vec<IdKey>, given: TokenStream, errors: &mut Errors) -> Option<Vec<IdKey>> {
    if let [] | [_] = keys[..] {
        let message = format!(
            "`ids(..)` has two ids or more: write `{EXAMPLE}`, or `id = TheId` for an aggregate of \
             one id"
        );
        errors.at(given, message);
        return None;
    }
    for (place, key) in keys.iter().enumerate() {
        if keys[..place].iter().any(|other| other.name == key.name) {
            let message = format!(
                "`{}` is there twice: an aggregate has one id of each key, so remove this",
                key.name
            );
            errors.at(&key.ty, message);
            return None;
        }
    }
    Some(keys)
}

impl IdKey {
    /// Parses a key with its type, as `example` has it.
    pub fn parse_as(example: &str, input: ParseStream<'_>) -> syn::Result<Self> {
        let place = input.span();
        let name = id::name(input)?;
        if !input.peek(Token![=]) {
            let message = format!("each id has a key and a type: write `{example}`");
            return Err(syn::Error::new(place, message));
        }
        input.parse::<Token![=]>()?;
        let ty = input.parse()?;
        Ok(Self { name, ty })
    }
}

impl Parse for IdKey {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Self::parse_as(EXAMPLE, input)
    }
}
