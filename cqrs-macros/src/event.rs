use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Data, DeriveInput, LitStr};

use crate::args::Args;
use crate::case;
use crate::errors::{self, Errors};
use crate::framework::Framework;
use crate::hygiene::code;
use crate::id::{self, Id};
use crate::message::MessageItem;
use crate::source;
use crate::sum::Sum;
use crate::types;

/// A struct that derives `Event`.
pub struct EventItem {
    framework: Framework,
    message: MessageItem,
    name: String,
    version: u32,
    /// The names of events that are no longer read.
    retired: Vec<LitStr>,
    /// Its own earlier names.
    was: Vec<LitStr>,
    ids: Vec<Id>,
}

/// `#[derive(Event)]`: of an enum, a sum of events; else an event.
pub fn derive(input: TokenStream) -> TokenStream {
    errors::derive(input, |input, errors| {
        Some(match input.data {
            Data::Enum(_) => Sum::read(input, errors)?.into_token_stream(),
            _ => EventItem::read(input, errors)?.into_token_stream(),
        })
    })
}

impl EventItem {
    fn read(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut args = Args::of_derive(&input.attrs, "event", errors);
        let proposal = case::kebab(&input.ident);
        let (named, versioned) = (args.has("name"), args.has("version"));
        let name = args.string("name", errors).map(|name| name.value());
        let version = args.version(errors);
        if !named || !versioned {
            let own = match (named, versioned) {
                (false, false) => {
                    "a name and a version of its own, which stay when the type is renamed"
                }
                (false, true) => "a name of its own, which stays when the type is renamed",
                (true, _) => "a version, by which an older program recognizes a newer event",
            };
            let name = name.as_ref().unwrap_or(&proposal);
            let message = format!(
                "an event has {own}: write \
                 `#[event(name = \"{name}\", version = {})]`",
                version.unwrap_or(1)
            );
            args.missing(&input.ident, message, errors);
        }
        let retired = args.strings("retired", "\"an-earlier-event\"", errors);
        if let Some(own) = retired.iter().find(|it| Some(it.value()) == name) {
            errors.at(
                own,
                "is the event's own name: write the names of events that it replaced",
            );
        }
        let was = args.strings("was", "\"its-earlier-name\"", errors);
        if let Some(own) = was.iter().find(|it| Some(it.value()) == name) {
            errors.at(own, "is the event's present name: write an earlier one");
        }
        if let Some(both) = was
            .iter()
            .find(|it| retired.iter().any(|other| other.value() == it.value()))
        {
            errors.at(
                both,
                "is retired, too: write it in `was` alone if its events are still read, and in \
                 `retired` alone if not",
            );
        }
        let framework = args.framework(errors);
        args.finish(errors);
        let (message, fields) = MessageItem::read(input, "an event", errors)?;
        let ids = id::read(fields, errors);
        let (name, version) = (name.unwrap_or(proposal), version.unwrap_or(1));
        Some(Self {
            framework,
            message,
            name,
            version,
            retired,
            was,
            ids,
        })
    }

    /// The id that stands for each aggregate: the first that is one id, else the first of several.
    /// One per aggregate, since two of one type would be the same impl twice.
    fn concerns(&self) -> Vec<&Id> {
        let mut concerns: Vec<&Id> = Vec::new();
        for id in &self.ids {
            match concerns
                .iter_mut()
                .find(|other| other.aggregate == id.aggregate)
            {
                Some(other) if other.each && !id.each => *other = id,
                Some(_) => {}
                None => concerns.push(id),
            }
        }
        concerns
    }
}

impl EventItem {
    /// The aggregates of which the event may have several ids, if there are any.
    fn several(&self) -> Option<TokenStream> {
        let several: Vec<&String> = self
            .concerns()
            .into_iter()
            .map(|id| &id.aggregate)
            .filter(|aggregate| {
                let mut ids = self.ids.iter().filter(|id| id.aggregate == **aggregate);
                ids.clone().count() > 1 || ids.any(|id| id.each)
            })
            .collect();
        (!several.is_empty()).then(|| code!(.with_repeated(&[#(#several),*])))
    }

    /// Lets the event reach the aggregate of an id, and finds out which of its ids a tag is of.
    fn concern(&self, id: &Id) -> TokenStream {
        let (event, wire_name, name) = (&self.message.ident, &self.name, &id.aggregate);
        let aggregate = id::key(name);
        let ids = self.ids.iter().filter(|id| id.aggregate == *name);
        let several = ids.clone().count() > 1;
        let repeated = ids.clone().any(|id| id.each).then(|| {
            code! {
                const REPEATED: __cqrs::bool = true;
            }
        });
        let ids = ids.map(|id| {
            let field = &id.field;
            // An id of another type than the first is underlined at its type.
            if id.each {
                let ids = id::listed(&id.ty);
                let (this, tag, (_, last)) = (code!(self), code!(tag), types::ends(&id.ty));
                let found = quote_spanned!(last=> #ids::find(&#this.#field, #name, #tag));
                return code! {
                    let found: __cqrs::Option<&Self::Id> = #found;
                    if found.is_some() {
                        return found;
                    }
                };
            }
            let ty = id.ty.to_token_stream();
            let found = types::borrow_at_type(field, &id.ty);
            let id = types::bound(&ty, types::ends(&id.ty), &code!(__cqrs::AggregateId));
            code! {
                if #id::tag(&self.#field, #name) == *tag {
                    return __cqrs::Some(#found);
                }
            }
        });
        let members = id.members(
            &code!(concerned(&self, tag: &__cqrs::Tag)),
            &code!(Option),
            &code!(#(#ids)* __cqrs::None),
        );
        code! {
            #[diagnostic::do_not_recommend]
            impl<__Expected, __A> __cqrs::Concerns<#aggregate, __Expected, __A> for #event {
                const TYPE: &'static __cqrs::str = #wire_name;
                const SEVERAL: __cqrs::bool = #several;
                #repeated

                #members
            }
        }
    }
}

impl ToTokens for EventItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            framework,
            message,
            name,
            version,
            retired,
            was,
            ids,
        } = self;
        let (ident, docs) = (&message.ident, &message.docs);
        let concerns = self.concerns();
        let aggregates = concerns.iter().map(|id| &id.aggregate);
        let concerns = concerns.iter().map(|id| self.concern(id));
        let parameter = if ids.is_empty() {
            code!(_)
        } else {
            code!(tags)
        };
        let tags = ids.iter().map(tag);
        let (source, schema, schemas) = (source::of(ident), message.schema(), message.schemas());
        let fields = message.with_fields();
        let several = self.several();
        let retired = (!retired.is_empty()).then(|| code!(.with_retired(&[#(#retired),*])));
        let was = (!was.is_empty()).then(|| code!(.with_was(&[#(#was),*])));
        let items = code! {
            impl __cqrs::Event for #ident {
                const NAME: &'static __cqrs::str = #name;
                const VERSION: __cqrs::u32 = #version;

                fn tags(&self, #parameter: &mut __cqrs::Tags) {
                    #(#tags)*
                }
            }
            #(#concerns)*
            __cqrs::submit! {
                __cqrs::EventEntry::of::<#ident>(&[#(#aggregates),*], #source, #docs, #schema)
                    .with_schemas(#schemas)
                    #fields
                    #several
                    #retired
                    #was
            }
        };
        tokens.extend(framework.probing_block(&items));
    }
}

/// Adds the tags of a field. An id that cannot be displayed is underlined at the field's type.
fn tag(
    Id {
        aggregate,
        field,
        ty,
        each,
    }: &Id,
) -> TokenStream {
    if *each {
        let ids = id::listed(ty);
        code!(#ids::tag_each(&self.#field, #aggregate, tags);)
    } else {
        let id = types::bound(
            &ty.to_token_stream(),
            types::ends(ty),
            &code!(__cqrs::AggregateId),
        );
        code!(tags.push(#id::tag(&self.#field, #aggregate));)
    }
}
