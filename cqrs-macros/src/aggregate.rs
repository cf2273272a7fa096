use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, ReturnType, Signature, Type};

use crate::args::Args;
use crate::case;
use crate::errors::Errors;
use crate::event_method::{EventMethod, Mark};
use crate::framework::Framework;
use crate::hygiene::code;
use crate::id;
use crate::impl_block::{self, ImplBlock, Subject};
use crate::{source, suggest, types};

const APPLY: Mark = Mark {
    name: "`#[apply]`",
    method: "an `#[apply]` method",
    example: "event: &ProductCreated",
    has_self: true,
};

/// An `impl` block marked `#[aggregate]`.
struct Aggregate {
    framework: Framework,
    subject: Subject,
    name: String,
    id: Type,
    storage: Storage,
    permission: Option<String>,
    /// Of the block as it is written: a stored state that another text folded is not used.
    fingerprint: u64,
    methods: Vec<EventMethod>,
}

/// Where the state is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storage {
    Events,
    State,
    /// Every so many events.
    Snapshots(u32),
}

/// `#[aggregate]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let fingerprint = fingerprint(&item.to_string());
    impl_block::attribute("#[aggregate]", item, |block, errors| {
        Aggregate::read(args, fingerprint, block, errors)
    })
}

impl Aggregate {
    fn read(
        args: TokenStream,
        fingerprint: u64,
        block: &mut ImplBlock,
        errors: &mut Errors,
    ) -> Option<Self> {
        let mut args = Args::of_macro(args, errors);
        let wanted = !args.has("id");
        let id = args.ty("id", errors);
        let name = args.string("name", errors);
        let storage = storage(&mut args, errors);
        let permission = args.string("permission", errors);
        let framework = args.framework(errors);

        let marked = block.take_marked("apply", errors);
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
        if storage != Storage::Events {
            for input in methods.iter().flat_map(|method| &method.inputs) {
                errors.at(
                    input,
                    "a state that is stored is folded before its event has a position: take what \
                     the fold needs from the event itself, or do not store it",
                );
            }
        }
        let subject = subject?;
        let name = match name {
            Some(name) => errors.ok(id::aggregate_name(&name))?,
            None => case::kebab(&subject.ident),
        };
        Some(Self {
            framework,
            subject,
            name,
            id: id?,
            storage,
            permission: permission.map(|permission| permission.value()),
            fingerprint,
            methods,
        })
    }

    /// The wire name of a method's event. An event without the aggregate's id is underlined, once,
    /// since every mention of it reads the same.
    fn event(&self, method: &EventMethod) -> TokenStream {
        let (aggregate, id) = (id::key(&self.name), &self.id);
        let concerns = code!(__cqrs::Concerns<#aggregate, #id, Self>);
        let event = types::bound(&method.event, method.event_ends, &concerns);
        quote_spanned!(method.event_ends.1=> #event::TYPE)
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
            let inputs = method.inputs.iter().map(|input| {
                let ends = types::ends(&input.ty);
                let ty = types::outside(&input.ty, &method.sig.generics);
                let input = types::bound(&ty, ends, &code!(__cqrs::ApplyInput<'_>));
                code!(#input::of(event))
            });
            code! {
                #(#cfg)*
                #name => {
                    self.#ident(&event.decode::<#ty>()?, #(#inputs),*);
                }
            }
        })
    }

    fn keep(&self) -> TokenStream {
        let (fingerprint, ty) = (self.fingerprint, &self.subject.ty);
        let ends = types::ends(ty);
        let stored = types::bound(&ty.to_token_stream(), ends, &code!(__cqrs::StoredState));
        let (body, save, restore) = if self.storage == Storage::Events {
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
        }
    }

    /// Lets command handlers take `Each<Self>`, if their command has a collection of ids.
    fn listed(&self) -> TokenStream {
        let (Subject { ty, .. }, id) = (&self.subject, &self.id);
        let aggregate = id::key(&self.name);
        code! {
            impl<__C, const __ROLE: __cqrs::u64> __cqrs::Listed<__C, __ROLE> for #ty
            where
                __C: __cqrs::HasIds<#aggregate, #id, __ROLE, Self>,
            {
                fn ids(command: &__C) -> __cqrs::Vec<&#id> {
                    command.ids()
                }
            }
        }
    }

    /// Lets command handlers take `&Self`, if their command has the id.
    fn borrowed(&self) -> TokenStream {
        let (Subject { ty, .. }, id) = (&self.subject, &self.id);
        let aggregate = id::key(&self.name);
        code! {
            impl<__C, const __ROLE: __cqrs::u64> __cqrs::Borrowed<__C, __ROLE> for #ty
            where
                __C: __cqrs::HasId<#aggregate, #id, __ROLE, Self>,
            {
                fn describe() -> __cqrs::Input {
                    __cqrs::Input::aggregate::<Self>()
                }

                fn load(command: &__C, place: __cqrs::usize, loads: &mut __cqrs::Loads) {
                    loads.add::<Self>(place, command.id());
                }

                fn take<'a>(
                    scope: &'a __cqrs::CommandScope<'a>,
                    place: __cqrs::usize,
                ) -> __cqrs::Result<&'a Self, __cqrs::Error> {
                    scope.state(place)
                }
            }
        }
    }
}

impl ToTokens for Aggregate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            subject: Subject { ty, ident },
            name,
            id,
            ..
        } = self;
        let storage = match self.storage {
            Storage::Events => code!(Events),
            Storage::State => code!(State),
            Storage::Snapshots(every) => code!(Snapshots { every: #every }),
        };
        let reads_recorded = self.methods.iter().any(|method| !method.inputs.is_empty());
        let (events, arms, keep) = (self.events(), self.arms(), self.keep());
        let (borrowed, listed) = (self.borrowed(), self.listed());
        let permission = self.permission.as_ref().map(|permission| {
            code! {
                const PERMISSION: __cqrs::Option<&'static __cqrs::str> =
                    __cqrs::Some(#permission);
            }
        });
        let source = source::of(ident);
        let items = code! {
            impl __cqrs::Aggregate for #ty {
                type Id = #id;
                const NAME: &'static __cqrs::str = #name;
                const EVENTS: &'static [&'static __cqrs::str] = &[#(#events),*];
                const STORAGE: __cqrs::Storage = __cqrs::Storage::#storage;
                const READS_RECORDED: __cqrs::bool = #reads_recorded;
                #permission

                fn apply(&mut self, event: &__cqrs::Recorded) -> __cqrs::Result<(), __cqrs::Error> {
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
            __cqrs::submit! {
                __cqrs::AggregateEntry::of::<#ty>(#source)
            }
        };
        tokens.extend(self.framework.probing_block(&items));
    }
}

fn storage(args: &mut Args, errors: &mut Errors) -> Storage {
    let snapshots = args.number("snapshot_every", 100, errors);
    let folded = snapshots.map_or(Storage::Events, Storage::Snapshots);
    let Some(storage) = args.string("storage", errors) else {
        return folded;
    };
    match storage.value().as_str() {
        "events" => folded,
        "state" => {
            if snapshots.is_some() {
                errors.at(
                    &storage,
                    "a state that is stored with every event needs no snapshots: leave out \
                     `snapshot_every`, or `storage = \"state\"`",
                );
            }
            Storage::State
        }
        unknown => {
            let message = suggest::no_such("storage", unknown, &["events", "state"]);
            errors.at(
                &storage,
                format!(
                    "{message} write `storage = \"events\"` to fold the state from the events, or \
                     `storage = \"state\"` to keep it in the store"
                ),
            );
            folded
        }
    }
}

/// Reports what an `#[apply]` method may not be.
fn folds(sig: &Signature, errors: &mut Errors) -> bool {
    let mut folds = true;
    let mut report = |place: &dyn ToTokens, message: &str| {
        errors.at(place, message);
        folds = false;
    };
    match sig.inputs.first() {
        Some(FnArg::Receiver(this)) if this.reference.is_some() && this.mutability.is_some() => {}
        _ => report(
            &sig.ident,
            "an `#[apply]` method changes the state: write `&mut self` as its first parameter",
        ),
    }
    if let Some(token) = &sig.asyncness {
        report(token, "an `#[apply]` method only computes: remove `async`");
    }
    for more in sig.inputs.iter().skip(3) {
        report(
            more,
            "an `#[apply]` method takes its event and, if it needs it, `recorded: &Recorded`: \
             remove this",
        );
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        report(
            ty,
            "an `#[apply]` method returns nothing, since what happened cannot be refused: remove \
             this, and check in the command handler",
        );
    }
    folds
}

/// FNV-1a of a text, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fingerprint(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
