use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, Ident, Pat, PatType, Safety, Signature, Type, Visibility};

use crate::errors::{self, Errors};
use crate::hygiene::code;
use crate::{case, types};

/// A function that handles a message.
pub struct Function {
    /// Its name.
    pub ident: Ident,
    /// Whether it is async.
    pub is_async: bool,
    /// The type of its first parameter.
    pub message: TokenStream,
    /// Its other parameters.
    pub inputs: Vec<InputParameter>,
    /// What it returns.
    pub output: TokenStream,
}

/// A parameter of a handler besides its message.
pub struct InputParameter {
    /// Its type.
    pub ty: TokenStream,
    /// What tells it apart from others of the same aggregate; empty if it has no name.
    pub role: String,
    /// Where that type is written.
    pub ends: (Span, Span),
    /// The referent, if it is a reference.
    pub referent: Option<Referent>,
}

/// The referent of a reference.
pub struct Referent {
    /// Its type.
    pub ty: TokenStream,
    /// Where that type is written.
    pub ends: (Span, Span),
    /// Whether the reference is `&mut`.
    pub is_mut: bool,
}

/// What a handler handles, for messages.
pub struct HandlerKind {
    /// The macro: `#[command_handler]`.
    pub attribute: &'static str,
    /// What it makes of a function: `a command handler`.
    pub handler: &'static str,
    /// What it handles: `command`.
    pub message: &'static str,
    /// A first parameter: `cmd: CreateProduct`.
    pub example: &'static str,
}

impl InputParameter {
    /// Whether it is taken by `&mut`.
    pub fn is_mut(&self) -> bool {
        self.referent.as_ref().is_some_and(|it| it.is_mut)
    }
}

impl Function {
    /// Reads a function's signature; its body is of no interest.
    pub fn read(item: TokenStream, kind: &HandlerKind, errors: &mut Errors) -> Option<Self> {
        let place = item.clone();
        let Ok(FunctionHead(sig)) = syn::parse2(item) else {
            let HandlerKind {
                attribute,
                handler,
                example,
                ..
            } = kind;
            errors.add(syn::Error::new(
                errors::place(place),
                format!(
                    "`{attribute}` belongs on a function: {handler} is \
                     `fn its_name({example}) -> ..`"
                ),
            ));
            return None;
        };
        check(&sig, kind, errors);
        let mut inputs = sig.inputs.iter();
        let message = message(&sig, inputs.next(), kind, errors)?;
        let inputs = inputs.filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(input(arg, &sig, kind, errors)),
            FnArg::Receiver(_) => None,
        });
        let inputs = inputs.collect();
        if let syn::ReturnType::Type(_, ty) = &sig.output {
            types::nameable(ty, kind.handler, errors);
        }
        let output = types::returned(&sig);
        Some(Self {
            is_async: sig.asyncness.is_some(),
            ident: sig.ident,
            message,
            inputs,
            output,
        })
    }

    /// Calls the function, sync or async, in what carries its result: `Reply`. `finish` makes of
    /// what it returns what is carried; `first` are statements to begin with.
    pub fn run(
        &self,
        carrier: &str,
        first: &TokenStream,
        finish: &TokenStream,
        arguments: &TokenStream,
    ) -> TokenStream {
        let ident = &self.ident;
        // A future that cannot be sent between threads is underlined at the function's name.
        let span = ident.span().resolved_at(Span::mixed_site());
        let carrier = Ident::new(carrier, span);
        if self.is_async {
            let finished = code!(#finish(#ident(#arguments).await));
            quote_spanned!(span=> __cqrs::#carrier::later(async move { #first #finished }))
        } else {
            code!(__cqrs::#carrier::now(|| { #first #finish(#ident(#arguments)) }))
        }
    }
}

/// Attributes, visibility and signature; what follows is skipped.
struct FunctionHead(Signature);

impl Parse for FunctionHead {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let signature = input.parse()?;
        input.parse::<TokenStream>()?;
        Ok(Self(signature))
    }
}

fn check(sig: &Signature, HandlerKind { handler, .. }: &HandlerKind, errors: &mut Errors) {
    types::monomorphic(&sig.generics, handler, errors);
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(
            token,
            format!("{handler} is called by safe code: remove `unsafe`"),
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            format!("{handler} is a plain Rust function: remove `extern`"),
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            format!("{handler} takes a fixed number of inputs: remove `...`"),
        );
    }
}

/// The type of the first parameter.
fn message(
    sig: &Signature,
    first: Option<&FnArg>,
    kind: &HandlerKind,
    errors: &mut Errors,
) -> Option<TokenStream> {
    let HandlerKind {
        handler,
        message,
        example,
        ..
    } = kind;
    match first {
        None => {
            let ident = &sig.ident;
            errors.at(
                ident,
                format!("{handler} takes its {message} first: write `fn {ident}({example}, ..)`"),
            );
            None
        }
        Some(FnArg::Receiver(receiver)) => {
            errors.at(
                receiver,
                format!(
                    "{handler} is a free function: write `fn {}({example}, ..)` outside of the \
                     `impl`, and take a service as `Service<T>`",
                    sig.ident
                ),
            );
            None
        }
        Some(FnArg::Typed(arg)) => {
            unconditional(arg, handler, errors);
            types::nameable(&arg.ty, handler, errors);
            if let Type::Reference(_) = &*arg.ty {
                errors.at(
                    &arg.ty,
                    format!(
                        "{handler} takes its {message} first and by value: remove the `&`, or \
                         write `{example}` before this"
                    ),
                );
            }
            Some(types::outside(&arg.ty, &sig.generics))
        }
    }
}

fn input(
    arg: &PatType,
    sig: &Signature,
    kind: &HandlerKind,
    errors: &mut Errors,
) -> InputParameter {
    unconditional(arg, kind.handler, errors);
    types::nameable(&arg.ty, kind.handler, errors);
    let role = match &*arg.pat {
        Pat::Ident(pat) => case::role(&pat.ident),
        _ => String::new(),
    };
    let referent = match &*arg.ty {
        Type::Reference(reference) => Some(Referent {
            ty: types::outside(&reference.elem, &sig.generics),
            ends: types::ends(&reference.elem),
            is_mut: reference.mutability.is_some(),
        }),
        _ => None,
    };
    InputParameter {
        ty: types::outside(&arg.ty, &sig.generics),
        role,
        ends: types::ends(&arg.ty),
        referent,
    }
}

/// Reports `#[cfg]` on a parameter: inputs are numbered, and the wiring must number them alike
/// everywhere.
fn unconditional(arg: &PatType, handler: &str, errors: &mut Errors) {
    for attr in types::conditions(&arg.attrs) {
        errors.at(
            attr,
            format!("{handler} takes the same inputs always: put the `cfg` on the function"),
        );
    }
}
