use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, PatType, ReceiverKind, ReturnType, Signature, Type};

use crate::errors::Errors;
use crate::event_method::{self, EventMethod, Mark, Message};
use crate::hygiene::code;
use crate::impl_block::Marked;
use crate::{source, types};

/// A marked method of a process manager.
pub struct StepMethod {
    kind: StepMark,
    method: EventMethod,
    /// The type of the reason of a rejected command, without the reference.
    reason: Option<ReasonParameter>,
}

/// What a step is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StepMark {
    /// An event that begins an instance.
    Start,
    /// Another event.
    On,
    /// The event of a deadline.
    Due,
    /// A command that was rejected.
    Rejected,
}

/// All kinds.
pub const MARKS: [StepMark; 4] = [
    StepMark::Start,
    StepMark::On,
    StepMark::Due,
    StepMark::Rejected,
];

struct ReasonParameter {
    ty: TokenStream,
    ends: (Span, Span),
}

/// The process manager of a step.
pub struct Owner<'a> {
    /// Its type.
    pub ty: &'a Type,
    /// The number of its id's name in tags.
    pub key: TokenStream,
    /// The type of its id.
    pub id: &'a Type,
}

impl StepMark {
    /// The mark's name.
    pub const fn mark_name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::On => "on",
            Self::Due => "due",
            Self::Rejected => "rejected",
        }
    }

    fn of(mark: &str) -> Option<Self> {
        MARKS.into_iter().find(|kind| kind.mark_name() == mark)
    }

    /// Its variant of `StepKind`. A rejected command has a name beside it.
    fn variant(self) -> TokenStream {
        match self {
            Self::Start => code!(__cqrs::StepKind::Start),
            Self::On => code!(__cqrs::StepKind::On),
            Self::Due => code!(__cqrs::StepKind::Due),
            Self::Rejected => code!(__cqrs::StepKind::Rejected),
        }
    }

    const fn mark(self) -> Mark {
        let (name, method) = match self {
            Self::Start => ("`#[start]`", "a `#[start]` method"),
            Self::On => ("`#[on]`", "an `#[on]` method"),
            Self::Due => ("`#[due]`", "a `#[due]` method"),
            Self::Rejected => ("`#[rejected]`", "a `#[rejected]` method"),
        };
        let (message, example) = match self {
            Self::Start | Self::On => (Message::Event, "event: &OrderPlaced"),
            Self::Due => (Message::Event, "due: &PaymentDue"),
            Self::Rejected => (
                Message::Command,
                "command: &ReserveStock, reason: &StockError",
            ),
        };
        Mark {
            name,
            method,
            message,
            example,
            attribute: "#[process_manager]",
            noun: "step",
            has_self: true,
        }
    }
}

impl StepMethod {
    /// Reads the marked methods. Methods that are wrong are left out, and of two for one event or
    /// command the second.
    pub fn read_all(marked: Vec<(&'static str, Marked)>, errors: &mut Errors) -> Vec<Self> {
        let mut steps: Vec<Self> = Vec::new();
        for (mark, method) in marked {
            let Some(step) = StepMark::of(mark).and_then(|kind| Self::read(kind, method, errors))
            else {
                continue;
            };
            match steps.iter().find(|other| other.meets(&step)) {
                None => steps.push(step),
                Some(other) => errors.at(
                    &step.method.event,
                    format!(
                        "`{}` and `{}` both take `{}`: {}, so merge them",
                        other.method.sig.ident,
                        step.method.sig.ident,
                        step.method.event,
                        match step.kind {
                            StepMark::Rejected => "a command has one `#[rejected]`",
                            StepMark::Start | StepMark::On | StepMark::Due =>
                                "an event has one step",
                        }
                    ),
                ),
            }
        }
        steps
    }

    fn read(kind: StepMark, marked: Marked, errors: &mut Errors) -> Option<Self> {
        let mark = kind.mark();
        let fits = check(kind, &marked.sig, errors);
        let mut method = EventMethod::read(marked, &mark, errors)?;
        let reason = match kind {
            StepMark::Rejected => Some(reason(&mut method, errors)?),
            StepMark::Start | StepMark::On | StepMark::Due => None,
        };
        let (most, inputs) = match kind {
            StepMark::Rejected => (1, "command, the reason and, if it needs it,"),
            StepMark::Start | StepMark::On | StepMark::Due => {
                (2, "event and, if it needs them, the id and")
            }
        };
        for more in method.inputs.iter().skip(most) {
            let method = mark.method;
            let message = format!("{method} takes its {inputs} `recorded: &Recorded`: remove this");
            errors.at(more, message);
        }
        fits.then_some(Self {
            kind,
            method,
            reason,
        })
    }

    /// Whether both take the same event, or the same command.
    fn meets(&self, other: &Self) -> bool {
        let is_rejected = |step: &Self| step.kind == StepMark::Rejected;
        is_rejected(self) == is_rejected(other) && self.method.meets(&other.method)
    }
}

impl StepMethod {
    /// Adds the step to `steps`.
    pub fn push(&self, owner: &Owner<'_>) -> TokenStream {
        let EventMethod { sig, cfg, .. } = &self.method;
        let ident = &sig.ident;
        let (name, line) = (ident.unraw().to_string(), source::line(ident));
        let output = types::returned(sig);
        let variant = self.kind.variant();
        let (kind, event, before, call) = match &self.reason {
            None => {
                let (concerns, _) = self.ids(owner, &code!(Self));
                let place = self.method.event_ends.1;
                let event = quote_spanned!(place=> #concerns::TYPE);
                let decode = quote_spanned!(place=> #concerns::decode);
                let id = self.id(owner);
                let before = code! {
                    let event = #decode(scope.recorded())?;
                    #id
                };
                let inputs = self.inputs(owner);
                let call = code! {
                    process.#ident(&event #(, #inputs::take(scope.recorded(), id)?)*)
                };
                (variant, code!(__cqrs::Some(#event)), before, call)
            }
            Some(reason) => {
                let command = self.command();
                let (place, reason_place) = (self.method.event_ends.1, reason.ends.1);
                let reason = reason.bound();
                let [name, take] = [
                    quote_spanned!(place=> #command::NAME),
                    quote_spanned!(place=> #command::take),
                ];
                let [save, take_reason] = [
                    quote_spanned!(reason_place=> #reason::save),
                    quote_spanned!(reason_place=> #reason::take),
                ];
                let before = code! {
                    let command = #take(scope)?;
                    let reason = #take_reason(scope)?;
                };
                let inputs = self.method.inputs.iter().map(|arg| {
                    let ty = types::outside(&arg.ty, &sig.generics);
                    types::bound(&ty, types::ends(&arg.ty), &code!(__cqrs::RejectedInput<'_>))
                });
                let call = code! {
                    process.#ident(&command, &reason #(, #inputs::take(scope.recorded()))*)
                };
                let kind = code!(#variant { command: #name, reason: #save });
                (kind, code!(__cqrs::None), before, call)
            }
        };
        code! {
            #(#cfg)*
            steps.push(__cqrs::Step {
                name: #name,
                line: #line,
                kind: #kind,
                event: #event,
                effects: <#output as __cqrs::IntoStep>::kinds,
                run: |process, scope| {
                    #before
                    <#output as __cqrs::IntoStep>::into_effects(#call)
                },
            });
        }
    }

    /// Finds the id of the event, if the method takes something besides it.
    fn id(&self, owner: &Owner<'_>) -> Option<TokenStream> {
        if self.method.inputs.is_empty() {
            return None;
        }
        let (concerns, id_of) = self.ids(owner, &code!(Self));
        let place = self.method.event_ends.1;
        let id_of = quote_spanned!(place=> #id_of::id_of);
        let concerned = quote_spanned!(place=> #concerns::concerned);
        Some(code! {
            let id = #concerned(&event, scope.tag()).map(#id_of);
        })
    }

    /// Checks what the types of the method have to do with the process manager and with each other.
    pub fn checks(&self, owner: &Owner<'_>) -> TokenStream {
        match &self.reason {
            None => self.id_checks(owner),
            Some(reason) => self.reason_check(reason),
        }
    }

    /// Checks that the event has an id of the type of the process manager's, and that of a deadline only one.
    fn id_checks(&self, owner: &Owner<'_>) -> TokenStream {
        let EventMethod {
            cfg,
            event,
            event_ends,
            ..
        } = &self.method;
        let (concerns, id_of) = self.ids(owner, &owner.ty.to_token_stream());
        let span = event_ends.1.resolved_at(Span::mixed_site());
        let ids = if self.kind == StepMark::Due {
            let message = event_method::format_literal(&format!(
                "`{}` may have several ids of the process manager's kind, and a deadline belongs to \
                 one instance: give its event one `#[id(..)]` of that",
                plain(event)
            ));
            quote_spanned!(span=> __cqrs::assert!(!#concerns::SEVERAL, #message);)
        } else {
            quote_spanned!(span=> let _ = #concerns::SEVERAL;)
        };
        // The type of the id comes last: of an event without the id, that is the error.
        quote_spanned! {span=>
            #(#cfg)*
            const _: () = {
                #ids
                #id_of::FITS
            };
        }
    }

    /// Checks that the reason is the command's.
    fn reason_check(&self, reason: &ReasonParameter) -> TokenStream {
        let EventMethod {
            cfg,
            event: command,
            ..
        } = &self.method;
        let place = self.method.event_ends.1;
        let rejected = self.command();
        let [name, error] = [
            quote_spanned!(place=> #rejected::NAME),
            quote_spanned!(place=> #rejected::Error),
        ];
        let ReasonParameter { ty, ends } = reason;
        let reason = reason.bound();
        let expected = quote_spanned!(ends.1=> #reason::For<#error>);
        let reason_of = code!(__cqrs::ReasonOf<#command, #expected>);
        let check = types::bound(ty, *ends, &reason_of);
        let span = ends.1.resolved_at(Span::mixed_site());
        // Whether it is the command's comes last: of a type that is no command, or no reason, that is the
        // error.
        quote_spanned! {span=>
            #(#cfg)*
            const _: () = {
                let _ = #name;
                let _ = #reason::save;
                #check::FITS
            };
        }
    }

    /// The event as the trait that finds an instance, and the type of its id as the trait that is
    /// implemented if it is the type of the process manager's.
    fn ids(&self, owner: &Owner<'_>, ty: &TokenStream) -> (TokenStream, TokenStream) {
        let EventMethod {
            event, event_ends, ..
        } = &self.method;
        let Owner { key, id, .. } = owner;
        let correlated = code!(__cqrs::Correlated<#key, #id, #ty>);
        let concerns = types::bound(event, *event_ends, &correlated);
        let event_id = quote_spanned!(event_ends.1=> #concerns::Id);
        let correlation_id = code!(__cqrs::CorrelationId<#ty, #id, #event>);
        let id_of = types::bound(&event_id, *event_ends, &correlation_id);
        (concerns, id_of)
    }

    /// The inputs of a step for an event as the trait that they must meet.
    fn inputs(&self, owner: &Owner<'_>) -> Vec<TokenStream> {
        let id = owner.id;
        let input = code!(__cqrs::StepInput<'_, #id, Self>);
        let inputs = self.method.inputs.iter().map(|arg| {
            let ty = types::outside(&arg.ty, &self.method.sig.generics);
            types::bound(&ty, types::ends(&arg.ty), &input)
        });
        inputs.collect()
    }

    /// The rejected command as the trait that it must meet.
    fn command(&self) -> TokenStream {
        let EventMethod {
            event, event_ends, ..
        } = &self.method;
        types::bound(event, *event_ends, &code!(__cqrs::RejectedCommand))
    }
}

impl ReasonParameter {
    /// The type as the trait that it must meet.
    fn bound(&self) -> TokenStream {
        types::bound(&self.ty, self.ends, &code!(__cqrs::RejectionReason))
    }
}

/// A type as it is written.
fn plain(ty: &impl ToTokens) -> String {
    ty.to_token_stream().to_string().replace(' ', "")
}

/// The parameter after a rejected command.
fn reason(method: &mut EventMethod, errors: &mut Errors) -> Option<ReasonParameter> {
    const EXAMPLE: &str = "reason: &StockError`, the command's error, or `reason: &Rejected";
    if method.inputs.is_empty() {
        errors.at(
            &method.sig.ident,
            format!(
                "a `#[rejected]` method takes the reason after the command: write `{EXAMPLE}` for its \
                 text"
            ),
        );
        return None;
    }
    let PatType { ty, .. } = method.inputs.remove(0);
    match &*ty {
        Type::Reference(reference) if plain(&reference.elem) == "str" => {
            let message = "a reason is an error: write `reason: &Rejected`, which has its text";
            errors.at(&ty, message);
            None
        }
        // `EventMethod` has reported `impl Trait`.
        Type::Reference(reference) if reference.mutability.is_none() => Some(ReasonParameter {
            ty: types::outside(&reference.elem, &method.sig.generics),
            ends: types::ends(&reference.elem),
        }),
        other => {
            errors.at(
                other,
                format!(
                    "a `#[rejected]` method borrows the reason: write `{EXAMPLE}` for its text"
                ),
            );
            None
        }
    }
}

/// Reports everything that is not allowed on a step. Returns whether there was nothing.
fn check(kind: StepMark, sig: &Signature, errors: &mut Errors) -> bool {
    let method = kind.mark().method;
    let mut fits = true;
    let mut report = |place: &dyn ToTokens, message: String| {
        errors.at(place, message);
        fits = false;
    };
    if !changes_state(sig) {
        let message =
            format!("{method} changes the state: write `&mut self` as its first parameter");
        match sig.receiver() {
            Some(receiver) => report(receiver, message),
            None => report(&sig.ident, message),
        }
    }
    if let Some(token) = &sig.asyncness {
        report(
            token,
            format!(
                "{method} only decides, and may be run again: remove `async`, and have a command \
                 handler or a reaction do the work"
            ),
        );
    }
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else {
            continue;
        };
        for attr in types::conditions(&input.attrs) {
            report(
                attr,
                format!("{method} takes the same inputs always: put the `cfg` on the method"),
            );
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        fits &= types::nameable(ty, method, errors);
    }
    fits
}

/// Whether a method takes `&mut self`.
pub fn changes_state(sig: &Signature) -> bool {
    sig.receiver()
        .is_some_and(|this| matches!(this.kind, ReceiverKind::Reference(_, _, Some(_))))
}
