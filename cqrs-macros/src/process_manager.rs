use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{LitStr, Token, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::event_method::{self, Mark, Message};
use crate::fingerprint::CodeHash;
use crate::framework::Framework;
use crate::hygiene::code;
use crate::identity::IdKey;
use crate::impl_block::{self, ImplBlock, Marked, Subject};
use crate::process_step::{self, Owner, StepMark, StepMethod};
use crate::{case, checkpoint, earlier_name, id, source};

const ATTRIBUTE: &str = "#[process_manager]";
const WHAT: &str = "a process manager";

/// The marks of methods that look like steps for events, and for rejected commands.
const EVENT_STEP: Mark = Mark {
    name: "`#[start]`, `#[on]` or `#[due]`",
    method: "a step",
    message: Message::Event,
    example: "event: &OrderPlaced",
    attribute: ATTRIBUTE,
    noun: "step",
    has_self: true,
};
const REJECTED_STEP: Mark = Mark {
    name: "`#[rejected]`",
    message: Message::Command,
    example: "command: &ReserveStock",
    ..EVENT_STEP
};

/// The marks of other macros.
const FOREIGN: &[(&str, &str)] = &[("apply", "#[aggregate]"), ("setup", "#[projection]")];

/// An `impl` block marked `#[process_manager]`.
struct ProcessManagerItem {
    framework: Framework,
    subject: Subject,
    name: String,
    /// The name in the store, if that is an earlier one.
    was: Option<String>,
    /// The id's name in tags, and its type.
    id: IdKey,
    /// How long an ended instance is kept, in seconds.
    keep: Option<u64>,
    /// Of the block: a state that other code folded is folded again.
    fingerprint: CodeHash,
    steps: Vec<StepMethod>,
    /// Checks that the other methods are no steps.
    unmarked: Vec<TokenStream>,
}

/// `#[process_manager]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let fingerprint = CodeHash::of(&item);
    impl_block::attribute(ATTRIBUTE, item, |block, errors| {
        ProcessManagerItem::read(args, fingerprint, block, errors)
    })
}

impl ProcessManagerItem {
    fn read(
        args: TokenStream,
        fingerprint: CodeHash,
        block: &mut ImplBlock,
        errors: &mut Errors,
    ) -> Option<Self> {
        let mut args = Args::of_macro(args, errors);
        let complete = args.has("name") && args.has("id");
        args.refuse(
            &["ids"],
            "a process manager has one id, by which events find their instance: write `id(Order = \
             OrderId)`",
            errors,
        );
        let name = args.string("name", errors);
        let was = earlier_name::read(&mut args, WHAT, errors);
        let id = instance_id(&mut args, errors);
        let keep = args.duration("keep", "30d", errors);
        let framework = args.framework(errors);

        let starts = block.has_mark(StepMark::Start.mark_name());
        let marks = process_step::MARKS.map(StepMark::mark_name);
        let marked = block.take_marked_as(&marks, errors);
        block.refuse_marks(FOREIGN, EVENT_STEP.name, errors);
        let unmarked: Vec<_> = block.unmarked().filter_map(|it| is_no_step(&it)).collect();
        let subject = block.subject(ATTRIBUTE, errors);
        if let (Some(Subject { ident, .. }), false) = (&subject, complete) {
            let name = name
                .as_ref()
                .map_or_else(|| case::kebab(ident), LitStr::value);
            let message = format!(
                "a process manager has a name, under which its instances are stored, and an id, by \
                 which events find them: write `#[process_manager(name = \"{name}\", id(Order = \
                 OrderId))]`"
            );
            args.missing(ident, message, errors);
        }
        args.finish(errors);
        if let (Some(Subject { ident, .. }), false) = (&subject, starts) {
            errors.at(
                ident,
                "something begins an instance of a process manager: mark the methods that do so with \
                 `#[start]`, `#[start] fn placed(&mut self, event: &OrderPlaced) -> ReserveStock { \
                 .. }`",
            );
        }
        let steps = StepMethod::read_all(marked, errors);
        let subject = subject?;
        let name =
            checkpoint::name(name, WHAT, errors).unwrap_or_else(|| case::kebab(&subject.ident));
        earlier_name::check(was.as_ref(), &name, WHAT, errors);
        let was = checkpoint::name(was, WHAT, errors);
        Some(Self {
            framework,
            subject,
            name,
            was,
            id: id?,
            keep,
            fingerprint,
            steps,
            unmarked,
        })
    }
}

/// Takes `id(Order = OrderId)`.
fn instance_id(args: &mut Args, errors: &mut Errors) -> Option<IdKey> {
    let meant = args.given_type("id").and_then(meant);
    let example = meant.unwrap_or_else(|| "id(Order = OrderId)".to_owned());
    let tokens = args.list("id", &example, errors)?;
    let parsed = Parser::parse2(
        |input: ParseStream<'_>| {
            let key = IdKey::parse_as(&example, input)?;
            input.parse::<Option<Token![,]>>()?;
            Ok((key, input.parse::<TokenStream>()?))
        },
        tokens,
    );
    let (key, others) = errors.ok(parsed)?;
    if !others.is_empty() {
        let message = "a process manager has one id, by which events find their instance: remove \
                       this";
        errors.at(others, message);
    }
    Some(key)
}

/// What is to be written in place of `id = OrderId`.
fn meant(ty: &Type) -> Option<String> {
    let ident = impl_block::name(ty)?.to_string();
    let name = ident.strip_suffix("Id").filter(|name| !name.is_empty())?;
    let ty = ty.to_token_stream().to_string().replace(' ', "");
    Some(format!("id({name} = {ty})"))
}

/// Checks that a method without a mark is no step.
fn is_no_step(method: &Marked) -> Option<TokenStream> {
    if !process_step::changes_state(&method.sig) {
        return None;
    }
    let no_event = event_method::is_no_event(method, &EVENT_STEP);
    // With less, it is a helper that remembers the command.
    let has_reason = method.sig.inputs.len() > 2;
    let no_command = has_reason
        .then(|| event_method::is_no_event(method, &REJECTED_STEP))
        .flatten();
    Some(code!(#no_event #no_command))
}

impl ProcessManagerItem {
    /// Lets steps take the id.
    fn id_input(&self) -> TokenStream {
        let (id, ty) = (&self.id.ty, &self.subject.ty);
        code! {
            impl<'a> __cqrs::StepInput<'a, #id, #ty> for &'a #id {
                fn take(
                    recorded: &'a __cqrs::Recorded,
                    id: __cqrs::Option<Self>,
                ) -> __cqrs::Result<Self, __cqrs::Error> {
                    __cqrs::correlated(recorded, id)
                }
            }
        }
    }
}

impl ToTokens for ProcessManagerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            subject: Subject { ty, ident, docs },
            name,
            was,
            id: IdKey { name: key, ty: id },
            keep,
            fingerprint,
            steps,
            unmarked,
            ..
        } = self;
        let was = earlier_name::constant(was.as_deref());
        let keep = keep.map(|seconds| {
            code! {
                const KEEP: __cqrs::Option<__cqrs::Duration> =
                    __cqrs::Some(__cqrs::Duration::from_secs(#seconds));
            }
        });
        let (source, docs) = (source::of(ident), source::with_docs(docs));
        let owner = Owner {
            ty,
            key: id::key(key),
            id,
        };
        let pushes = steps.iter().map(|step| step.push(&owner));
        let checks = steps.iter().map(|step| step.checks(&owner));
        let id_input = self.id_input();
        let items = code! {
            impl __cqrs::ProcessManager for #ty {
                type Id = #id;
                const NAME: &'static __cqrs::str = #name;
                #was
                const KEY: &'static __cqrs::str = #key;
                const FINGERPRINT: __cqrs::u64 = #fingerprint;
                const SOURCE: __cqrs::Source = #source;
                #keep

                fn steps() -> __cqrs::Vec<__cqrs::Step<Self>> {
                    let mut steps: __cqrs::Vec<__cqrs::Step<Self>> = __cqrs::Vec::new();
                    #(#pushes)*
                    steps
                }
            }
            #id_input
            #(#checks)*
            #(#unmarked)*
            __cqrs::submit! {
                __cqrs::ProcessEntry::of::<#ty>()
                    #docs
                    .with_schemas(|| __cqrs::Probe::<#ty>::new().schemas())
            }
        };
        tokens.extend(self.framework.probing_block(&items));
    }
}
