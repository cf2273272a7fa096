mod command_inputs;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{ReceiverKind, ReturnType, Signature};

use crate::args::Args;
use crate::case;
use crate::errors::Errors;
use crate::event_method::{self, EventMethod, Mark, Message};
use crate::fingerprint::CodeHash;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::id;
use crate::identity::Identity;
use crate::impl_block::{self, ImplBlock, Subject};
use crate::storage::StorageArg;
use crate::{earlier_name, source, types};

const APPLY: Mark = Mark {
    name: "`#[apply]`",
    method: "an `#[apply]` method",
    message: Message::Event,
    example: "event: &ProductCreated",
    attribute: "#[aggregate]",
    noun: "fold",
    has_self: true,
};

const WHAT: &str = "an aggregate";

/// An `impl` block marked `#[aggregate]`.
struct AggregateItem {
    framework: Framework,
    subject: Subject,
    name: String,
    /// The name in the log, if that is an earlier one.
    was: Option<String>,
    id: Identity,
    storage: StorageArg,
    permission: Option<String>,
    /// Of the block as it is written: a stored state that another text folded is not used.
    fingerprint: CodeHash,
    methods: Vec<EventMethod>,
    /// Checks that the other methods are no folds.
    unmarked: Vec<TokenStream>,
}

/// `#[aggregate]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let fingerprint = CodeHash::of_text(&item);
    impl_block::attribute("#[aggregate]", item, |block, errors| {
        AggregateItem::read(args, fingerprint, block, errors)
    })
}

impl AggregateItem {
    fn read(
        args: TokenStream,
        fingerprint: CodeHash,
        block: &mut ImplBlock,
        errors: &mut Errors,
    ) -> Option<Self> {
        let mut args = Args::of_macro(args, errors);
        let wanted = !args.has("id");
        let id = Identity::read(&mut args, errors);
        let name = args.string("name", errors);
        let was = earlier_name::read(&mut args, WHAT, errors);
        let storage = StorageArg::read(&mut args, errors);
        let permission = args.string("permission", errors);
        let framework = args.framework(errors);

        let marked = block.take_marked("apply", errors);
        let unmarked = block
            .unmarked()
            .filter(|method| changes_state(&method.sig))
            // Without any fold that is an error of its own.
            .filter(|_| !marked.is_empty())
            .filter_map(|method| event_method::is_no_event(&method, &APPLY))
            .collect();
        let subject = block.subject("#[aggregate]", errors);
        if let (Some(subject), true) = (&subject, wanted) {
            let message = format!(
                "an aggregate has an id: write `#[aggregate(id = {}Id)]`, with the type of its id",
                subject.ident
            );
            args.missing(&subject.ident, message, errors);
        }
        args.finish(errors);
        if let (Some(subject), true) = (&subject, marked.is_empty()) {
            errors.at(
                &subject.ident,
                "an aggregate is folded from events: mark the methods that do so with `#[apply]`, \
                 `#[apply] fn created(&mut self, event: &ProductCreated) { .. }`",
            );
        }
        let methods = EventMethod::read_all(marked, &APPLY, folds, errors);
        let subject = subject?;
        let name = match name {
            Some(name) => errors.ok(id::aggregate_name(&name))?,
            None => case::kebab(&subject.ident),
        };
        earlier_name::check(was.as_ref(), &name, WHAT, errors);
        let id = id?;
        if let (Some(was), Identity::Several(_)) = (&was, &id) {
            errors.at(
                was,
                "an aggregate with several ids has the tags of its keys: write this in the attributes of the \
                 aggregates that these name",
            );
        }
        let was = was.and_then(|was| errors.ok(id::aggregate_name(&was)));
        Some(Self {
            framework,
            subject,
            name,
            was,
            id,
            storage,
            permission: permission.map(|permission| permission.value()),
            fingerprint,
            methods,
            unmarked,
        })
    }

    /// The wire name of a method's event. An event without the aggregate's id is underlined, once,
    /// since every mention of it reads the same.
    fn event(&self, method: &EventMethod) -> TokenStream {
        let (concerns, _) = &self.event_ids(method, &code!(Self))[0];
        quote_spanned!(method.event_ends.1=> #concerns::TYPE)
    }

    /// For each id of the aggregate, a method's event as the trait that bears it, and the type of
    /// the event's id as the trait that is implemented if it is the type of the aggregate's.
    fn event_ids(
        &self,
        method: &EventMethod,
        aggregate: &TokenStream,
    ) -> Vec<(TokenStream, TokenStream)> {
        let (event, ends) = (&method.event, method.event_ends);
        self.id
            .concerns(&self.name, aggregate)
            .into_iter()
            .map(|(concerns, id)| {
                let concerns = types::bound(event, ends, &concerns);
                let event_id = quote_spanned!(ends.1=> #concerns::Id);
                let id_of = code!(__cqrs::IdOf<#aggregate, #id, #event>);
                (concerns, types::bound(&event_id, ends, &id_of))
            })
            .collect()
    }

    fn events(&self) -> impl Iterator<Item = TokenStream> {
        self.methods.iter().map(|method| {
            let (cfg, event) = (&method.cfg, self.event(method));
            code!(#(#cfg)* #event)
        })
    }

    fn arms(&self) -> impl Iterator<Item = TokenStream> {
        self.methods.iter().map(|method| {
            let (cfg, ident, ty) = (&method.cfg, &method.sig.ident, &method.event);
            let name = self.event(method);
            let inputs = self.inputs(method, &code!(Self));
            let concerned = match &self.id {
                Identity::One(_) => {
                    let (concerns, id_of) = &self.event_ids(method, &code!(Self))[0];
                    let id_of = quote_spanned!(method.event_ends.1=> #id_of::id_of);
                    code!(#concerns::concerned(&decoded, tag).map(|id| #id_of(id)))
                }
                Identity::Several(_) => code!(__cqrs::None),
            };
            code! {
                #(#cfg)*
                #name => {
                    let decoded = event.decode::<#ty>()?;
                    self.#ident(&decoded #(, #inputs::take(event, || #concerned)?)*);
                }
            }
        })
    }

    /// Whether a fold takes `&Recorded`.
    fn reads_recorded(&self) -> TokenStream {
        let mut inputs = Vec::new();
        for method in &self.methods {
            let cfg = &method.cfg;
            for input in self.inputs(method, &code!(Self)) {
                inputs.push(code!(#(#cfg)* !#input::IS_ID));
            }
        }
        if inputs.is_empty() {
            return code!(false);
        }
        code!(__cqrs::any(&[#(#inputs),*]))
    }

    /// A method's inputs as the trait that they must meet.
    fn inputs(&self, method: &EventMethod, aggregate: &TokenStream) -> Vec<TokenStream> {
        let id = self.id.ty();
        let input = code!(__cqrs::ApplyInput<'_, #id, #aggregate>);
        let inputs = method.inputs.iter().map(|arg| {
            let ty = types::outside(&arg.ty, &method.sig.generics);
            types::bound(&ty, types::ends(&arg.ty), &input)
        });
        inputs.collect()
    }

    /// Checks that the ids of a method's event have the type of the aggregate's, and that a method
    /// whose event has several takes the id.
    fn event_checks(&self, method: &EventMethod) -> TokenStream {
        let EventMethod {
            sig: Signature { ident, .. },
            cfg,
            event,
            event_ends,
            ..
        } = method;
        let ty = self.subject.ty.to_token_stream();
        let event_type = event.to_string().replace(' ', "");
        let advice = match &self.id {
            Identity::One(id) => {
                let id_type = id.to_token_stream().to_string().replace(' ', "");
                format!(
                    "write `id: &{id_type}` after the event, or `_: &{id_type}` if it makes no \
                     difference"
                )
            }
            Identity::Several(_) => "record an event for each".to_owned(),
        };
        let message = event_method::format_literal(&format!(
            "`{event_type}` concerns several aggregates of this type, and `{ident}` does not know \
             which of them it folds: {advice}"
        ));
        let knows = self.inputs(method, &ty);
        let (concerns, id_of): (Vec<_>, Vec<_>) = self.event_ids(method, &ty).into_iter().unzip();
        let span = event_ends.1.resolved_at(Span::mixed_site());
        // The types of the ids come last: of an event without the id, that is the error.
        quote_spanned! {span=>
            #(#cfg)*
            const _: () = {
                let knows_id = __cqrs::any(&[#(#knows::IS_ID),*]);
                #(__cqrs::assert!(knows_id || !#concerns::SEVERAL, #message);)*
                #(let () = #id_of::FITS;)*
            };
        }
    }

    /// Checks that the methods of a stored state take nothing that is not known before the append.
    fn stored_inputs(&self) -> Option<TokenStream> {
        if self.storage == StorageArg::Events {
            return None;
        }
        let ty = &self.subject.ty;
        let checks = self.methods.iter().flat_map(|method| {
            let cfg = &method.cfg;
            method.inputs.iter().map(move |arg| {
                let input = types::outside(&arg.ty, &method.sig.generics);
                let stored_input = code!(__cqrs::StoredApplyInput<#ty>);
                let bound = types::bound(&input, types::ends(&arg.ty), &stored_input);
                code!(#(#cfg)* const _: () = #bound::FITS;)
            })
        });
        Some(checks.collect())
    }

    /// Lets `#[apply]` methods take the id, if it is one.
    fn id_input(&self) -> Option<TokenStream> {
        let Identity::One(id) = &self.id else {
            return None;
        };
        let ty = &self.subject.ty;
        Some(code! {
            impl<'a> __cqrs::ApplyInput<'a, #id, #ty> for &'a #id {
                const IS_ID: __cqrs::bool = true;

                fn take(
                    event: &'a __cqrs::Envelope<'_>,
                    id: impl __cqrs::FnOnce() -> __cqrs::Option<Self>,
                ) -> __cqrs::Result<Self, __cqrs::Error> {
                    __cqrs::concerned(event, id())
                }
            }
            impl __cqrs::StoredApplyInput<#ty> for &#id {}
        })
    }

    fn keep(&self) -> TokenStream {
        let (fingerprint, ty) = (&self.fingerprint, &self.subject.ty);
        let ends = types::ends(ty);
        let stored = types::bound(&ty.to_token_stream(), ends, &code!(__cqrs::StorableState));
        let (body, save, restore) = if self.storage == StorageArg::Events {
            (
                code!(_),
                code!(__cqrs::Ok(__cqrs::None)),
                code!(__cqrs::None),
            )
        } else {
            (
                code!(body),
                code!(#stored::save(self, #fingerprint)),
                code!(#stored::restore(body, #fingerprint)),
            )
        };
        code! {
            fn save(&self) -> __cqrs::Result<__cqrs::Option<__cqrs::Vec<__cqrs::u8>>, __cqrs::Error> {
                #save
            }

            fn restore(#body: &[__cqrs::u8]) -> __cqrs::Option<Self> {
                #restore
            }

            fn size(&self) -> __cqrs::usize {
                __cqrs::Probe::<Self>::new().size(self)
            }

            fn json(&self) -> __cqrs::Option<__cqrs::Value> {
                __cqrs::Probe::<Self>::new().json(self)
            }

            fn copy(&self) -> __cqrs::Option<Self> {
                __cqrs::Probe::<Self>::new().copy(self)
            }
        }
    }
}

impl ToTokens for AggregateItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            subject: Subject { ty, ident, docs },
            name,
            was,
            ..
        } = self;
        let was = earlier_name::constant(was.as_deref());
        let (id, tags) = (self.id.ty(), self.id.tags(name, &code!(id)));
        let keys = self.id.keys();
        let storage = self.storage;
        let (events, arms, keep) = (self.events(), self.arms(), self.keep());
        let reads_recorded = self.reads_recorded();
        let takes_inputs = self.methods.iter().any(|method| !method.inputs.is_empty());
        let tag = match self.id {
            Identity::One(_) if takes_inputs => code!(tag),
            _ => code!(_),
        };
        let unmarked = &self.unmarked;
        let event_checks = self.methods.iter().map(|method| self.event_checks(method));
        let stored_inputs = self.stored_inputs();
        let (borrowed, listed, id_input) = (self.borrowed(), self.listed(), self.id_input());
        let permission = self.permission.as_ref().map(|permission| {
            code! {
                const PERMISSION: __cqrs::Option<&'static __cqrs::str> =
                    __cqrs::Some(#permission);
            }
        });
        let (source, docs) = (source::of(ident), source::with_docs(docs));
        let schemas = (storage != StorageArg::Events)
            .then(|| code!(.with_schemas(|| __cqrs::Probe::<#ty>::new().schemas())));
        let items = code! {
            impl __cqrs::Aggregate for #ty {
                type Id = #id;
                const NAME: &'static __cqrs::str = #name;
                #was
                const EVENTS: &'static [&'static __cqrs::str] = &[#(#events),*];
                #keys
                const STORAGE: __cqrs::Storage = __cqrs::Storage::#storage;
                const READS_RECORDED: __cqrs::bool = #reads_recorded;
                #permission

                fn tags(id: &#id) -> __cqrs::Tags {
                    #tags
                }

                fn apply(
                    &mut self,
                    event: &__cqrs::Envelope<'_>,
                    #tag: &__cqrs::Tag,
                ) -> __cqrs::Result<(), __cqrs::Error> {
                    match event.event_type.as_str() {
                        #(#arms)*
                        _ => {}
                    }
                    __cqrs::Ok(())
                }

                #keep
            }
            #borrowed
            #listed
            #id_input
            #(#event_checks)*
            #stored_inputs
            #(#unmarked)*
            __cqrs::submit! {
                __cqrs::AggregateEntry::of::<#ty>(#source)
                    #docs
                    #schemas
            }
        };
        tokens.extend(self.framework.probing_block(&items));
    }
}

/// Reports everything that is not allowed on an `#[apply]` method. Returns whether there was nothing.
fn folds(sig: &Signature, errors: &mut Errors) -> bool {
    let mut folds = true;
    let mut report = |place: &dyn ToTokens, message: &str| {
        errors.at(place, message);
        folds = false;
    };
    if !changes_state(sig) {
        report(
            &sig.ident,
            "an `#[apply]` method changes the state: write `&mut self` as its first parameter",
        );
    }
    if let Some(token) = &sig.asyncness {
        report(token, "an `#[apply]` method only computes: remove `async`");
    }
    for more in sig.inputs.iter().skip(4) {
        report(
            more,
            "an `#[apply]` method takes its event and, if it needs them, the id and `recorded: \
             &Recorded`: remove this",
        );
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        report(
            ty,
            "an `#[apply]` method returns nothing, since a recorded event cannot be refused: remove \
             this, and check in the command handler",
        );
    }
    folds
}

fn changes_state(sig: &Signature) -> bool {
    sig.receiver()
        .is_some_and(|this| matches!(this.kind, ReceiverKind::Reference(_, _, Some(_))))
}
