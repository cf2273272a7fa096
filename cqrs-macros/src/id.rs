use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Field, Ident, LitStr, Path, Token, Type};

use crate::errors::Errors;
use crate::hygiene::code;
use crate::{case, suggest, types};

/// A field marked `#[id(Aggregate)]`.
pub struct Id {
    /// The aggregate's name.
    pub aggregate: String,
    /// The field.
    pub field: Ident,
    /// Its type.
    pub ty: Type,
    /// Whether it holds several ids: `#[id(Aggregate, each)]`.
    pub each: bool,
}

impl Id {
    /// The aggregate, and whether there are several ids. Ids of one kind are distinguished by name.
    pub fn kind(&self) -> (String, bool) {
        (self.aggregate.clone(), self.each)
    }
    /// The members of an impl that name the type of one id: `type Id`, and the function that finds
    /// ids of this type. Both begin and end where the field's type does: there a type that is no
    /// collection is underlined, and the compiler reports it once per place.
    pub fn members(
        &self,
        name: &TokenStream,
        returned: &TokenStream,
        body: &TokenStream,
    ) -> TokenStream {
        let (first, last) = types::ends(&self.ty);
        let id = if self.each {
            let ids = listed(&self.ty);
            quote_spanned!(last=> #ids::Id)
        } else {
            self.ty.to_token_stream()
        };
        let [type_, fn_] = [quote_spanned!(first=> type), quote_spanned!(first=> fn)];
        let returned = quote_spanned!(first=> __cqrs::#returned);
        quote_spanned! {last=>
            #type_ Id = #id;

            #fn_ #name -> #returned<&Self::Id> {
                #body
            }
        }
    }
}

/// Reads the `#[id(..)]` of a message's fields.
pub fn read(fields: Vec<Field>, errors: &mut Errors) -> Vec<Id> {
    let mut ids = Vec::new();
    for field in fields {
        let mut attrs = field.attrs.iter().filter(|attr| attr.path().is_ident("id"));
        let (Some(attr), Some(ident)) = (attrs.next(), field.ident.clone()) else {
            continue;
        };
        attrs.for_each(|again| errors.at(again, "a field has one `#[id(..)]`: remove this one"));
        if let Some((aggregate, each)) = errors.ok(arguments(attr)) {
            ids.push(Id {
                aggregate,
                field: ident,
                ty: field.ty,
                each,
            });
        }
    }
    ids
}

/// The name of the aggregate whose id a field is. `None` also if its attribute is in error, which is reported
/// where the ids are read.
pub fn of(field: &Field) -> Option<String> {
    let attr = field.attrs.iter().find(|attr| attr.path().is_ident("id"))?;
    arguments(attr).ok().map(|(aggregate, _)| aggregate)
}

/// A collection as the trait that lists its ids. What is no collection is underlined at the field's
/// type.
pub fn listed(ty: &Type) -> TokenStream {
    types::bound(
        &ty.to_token_stream(),
        types::ends(ty),
        &code!(__cqrs::AggregateIds),
    )
}

/// The number of a name, for const generics.
pub fn key(name: &str) -> TokenStream {
    code!({ __cqrs::key(#name) })
}

/// A name for an aggregate as `name = ".."` or `#[id("..")]` give it.
pub fn aggregate_name(name: &LitStr) -> syn::Result<String> {
    let text = name.value();
    if text.trim().is_empty() || text.contains(':') {
        let message = "an aggregate's name ends before the colon in its tags, `product:P001`: write letters, and no colon";
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(text)
}

fn arguments(attr: &Attribute) -> syn::Result<(String, bool)> {
    if attr
        .meta
        .require_list()
        .is_ok_and(|list| !list.tokens.is_empty())
    {
        attr.parse_args_with(aggregate)
    } else {
        let message = "`#[id]` names an aggregate: write `#[id(Product)]`";
        Err(syn::Error::new_spanned(attr, message))
    }
}

/// The name of an aggregate, from the aggregate or as a string.
pub fn name(input: ParseStream) -> syn::Result<String> {
    if input.peek(LitStr) {
        return aggregate_name(&input.parse()?);
    }
    let path = input.call(Path::parse_mod_style).map_err(|error| {
        syn::Error::new(
            error.span(),
            "write the aggregate, or its name as a string: `#[id(Product)]`",
        )
    })?;
    let last = path.segments.last();
    Ok(last
        .map(|last| case::kebab(&last.ident))
        .unwrap_or_default())
}

fn aggregate(input: ParseStream) -> syn::Result<(String, bool)> {
    let name = name(input)?;
    if input.is_empty() {
        return Ok((name, false));
    }
    input.parse::<Token![,]>()?;
    if input.is_empty() {
        return Ok((name, false));
    }
    let word = input.call(Ident::parse_any)?;
    if word != "each" {
        let message = suggest::unknown("word", &word.to_string(), &["each"]);
        return Err(syn::Error::new(word.span(), message));
    }
    input.parse::<Option<Token![,]>>()?;
    Ok((name, true))
}
