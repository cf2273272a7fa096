use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, FnArg, PatType, Safety, Signature, Type};

use crate::errors::Errors;
use crate::fingerprint::CodeHash;
use crate::hygiene::code;
use crate::impl_block::Marked;
use crate::types;

/// A method with a mark such as `#[apply]` or `#[on]`, which borrows one event, or a command that was
/// rejected.
pub struct EventMethod {
    /// Its signature.
    pub sig: Signature,
    /// Its `#[cfg(..)]`s.
    pub cfg: Vec<Attribute>,
    /// The type of its event, without the reference.
    pub event: TokenStream,
    /// The spans of the first and last token of that type.
    pub event_ends: (Span, Span),
    /// Its parameters after the event.
    pub inputs: Vec<PatType>,
    /// Hash of the method.
    pub fingerprint: CodeHash,
}

/// A mark, for messages.
pub struct Mark {
    /// `#[apply]`.
    pub name: &'static str,
    /// `an `#[apply]` method`.
    pub method: &'static str,
    /// What it takes.
    pub message: Message,
    /// An event parameter: `event: &ProductCreated`.
    pub example: &'static str,
    /// The macro: `#[aggregate]`.
    pub attribute: &'static str,
    /// What the method is: `fold`.
    pub noun: &'static str,
    /// Whether the event follows `self`.
    pub has_self: bool,
}

/// What a marked method borrows first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message {
    Event,
    /// A command that was rejected.
    Command,
}

impl Message {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Command => "command",
        }
    }

    /// Whether a type is one: the trait with the answer for other types, and an expression.
    fn probe(self, ty: &TokenStream) -> (TokenStream, TokenStream) {
        match self {
            Self::Event => (
                code!(__cqrs::NoEvent),
                code!(__cqrs::EventProbe::<#ty>::IS_EVENT),
            ),
            Self::Command => (
                code!(__cqrs::NoCommand),
                code!(__cqrs::CommandProbe::<#ty>::IS_COMMAND),
            ),
        }
    }
}

impl EventMethod {
    /// Reads the marked methods. Methods that `check` finds wrong are left out, and of two for one
    /// event the second.
    pub fn read_all(
        marked: Vec<Marked>,
        mark: &Mark,
        check: impl Fn(&Signature, &mut Errors) -> bool,
        errors: &mut Errors,
    ) -> Vec<Self> {
        let mut methods: Vec<Self> = Vec::new();
        for marked in marked {
            let fits = check(&marked.sig, errors);
            let read = Self::read(marked, mark, errors);
            let Some(method) = read.filter(|_| fits) else {
                continue;
            };
            match methods.iter().find(|other| other.meets(&method)) {
                None => methods.push(method),
                Some(other) => errors.at(
                    &method.event,
                    format!(
                        "`{}` and `{}` both take `{}`: an event has one {}, so merge them",
                        other.sig.ident, method.sig.ident, method.event, mark.name
                    ),
                ),
            }
        }
        methods
    }

    /// Reads a marked method.
    pub fn read(marked: Marked, mark: &Mark, errors: &mut Errors) -> Option<Self> {
        let Marked {
            sig,
            cfg,
            fingerprint,
        } = marked;
        let Mark {
            method,
            message,
            example,
            ..
        } = mark;
        let message = message.word();
        types::monomorphic(&sig.generics, method, errors);
        if let Safety::Unsafe(token) = &sig.safety {
            errors.at(
                token,
                format!("{method} is called by safe code: remove `unsafe`"),
            );
        }
        if mark.has_self && sig.receiver().is_none() {
            // That is an error of its own; which parameter was meant to be the event is not known.
            return None;
        }
        let mut inputs = sig.inputs.iter().filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(arg.clone()),
            FnArg::Receiver(_) => None,
        });
        let Some(event) = inputs.next() else {
            let ident = &sig.ident;
            errors.at(
                ident,
                format!("{method} takes its {message}: write `{example}`"),
            );
            return None;
        };
        let inputs: Vec<_> = inputs.collect();
        for input in &inputs {
            types::nameable(&input.ty, method, errors);
        }
        let (event, event_ends) = match &*event.ty {
            Type::Reference(reference) if reference.mutability.is_none() => {
                types::nameable(&reference.elem, method, errors);
                let event = types::outside(&reference.elem, &sig.generics);
                (event, types::ends(&reference.elem))
            }
            other => {
                errors.at(
                    other,
                    format!("{method} borrows its {message}: write `{example}`"),
                );
                return None;
            }
        };
        Some(Self {
            sig,
            cfg,
            event,
            event_ends,
            inputs,
            fingerprint,
        })
    }

    /// Whether both take the same event. Methods with different `cfg`s do not, since macros do not know
    /// which of them is enabled.
    pub fn meets(&self, other: &Self) -> bool {
        let text = |method: &Self| {
            let cfg: Vec<_> = method
                .cfg
                .iter()
                .map(|cfg| cfg.to_token_stream().to_string())
                .collect();
            (method.event.to_string(), cfg)
        };
        text(self) == text(other)
    }
}

/// Checks that a method without the mark does not take its message first, which means that the mark was
/// forgotten. The compiler decides whether the type is one.
pub fn is_no_event(Marked { sig, cfg, .. }: &Marked, mark: &Mark) -> Option<TokenStream> {
    let mut inputs = sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some(&*arg.ty),
        FnArg::Receiver(_) => None,
    });
    let Some(Type::Reference(first)) = inputs.next() else {
        return None;
    };
    let ty = types::outside(&first.elem, &sig.generics);
    let is_generic = sig.generics.type_params().next().is_some();
    if first.mutability.is_some() || is_generic || types::is_unnameable(&ty) {
        return None;
    }
    let ident = &sig.ident;
    let Mark {
        name,
        message,
        attribute,
        noun,
        ..
    } = mark;
    let text = format_literal(&format!(
        "`{ident}` takes the {} `{}` and is not marked: write {name} above it, or move it to an \
         `impl` block without `{attribute}` if it is no {noun}",
        message.word(),
        first.elem.to_token_stream(),
    ));
    let span = ident.span().resolved_at(Span::mixed_site());
    let (otherwise, is_message) = message.probe(&ty);
    Some(quote_spanned! {span=>
        #(#cfg)*
        const _: () = {
            #[allow(unused_imports)]
            use #otherwise as _;
            __cqrs::assert!(!#is_message, #text);
        };
    })
}

/// A text as the format string of `assert!`, which reads braces as placeholders.
pub fn format_literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
