use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, Ident, Pat, PatType, Safety, Signature, Type, Visibility};

use crate::args::Args;
use crate::errors::{self, Errors};
use crate::framework::Framework;
use crate::hygiene::code;
use crate::{case, source, types};

/// A function that handles a message.
pub struct Function {
    /// The path of the framework.
    pub framework: Framework,
    /// Its name.
    pub ident: Ident,
    /// Its documentation.
    pub docs: String,
    /// Whether it is async.
    pub is_async: bool,
    /// The type of its first parameter.
    pub message: TokenStream,
    /// Its other parameters.
    pub inputs: Vec<InputParameter>,
    /// Its return type.
    pub output: TokenStream,
}

/// A parameter of a handler besides its message.
pub struct InputParameter {
    /// Its type.
    pub ty: TokenStream,
    /// Its role, which distinguishes it from others of the same aggregate. Empty if it has no name.
    pub role: String,
    /// The spans of the first and last token of that type.
    pub ends: (Span, Span),
    /// The referent, if it is a reference.
    pub referent: Option<Referent>,
}

/// The referent of a reference.
pub struct Referent {
    /// Its type.
    pub ty: TokenStream,
    /// The spans of the first and last token of that type.
    pub ends: (Span, Span),
    /// Whether the reference is `&mut`.
    pub is_mut: bool,
}

/// The words for a kind of handler in errors.
pub struct HandlerKind {
    /// The macro: `#[command_handler]`.
    pub attribute: &'static str,
    /// A function with the attribute: `a command handler`.
    pub handler: &'static str,
    /// The kind of message: `command`.
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

/// The steps of a handler's attribute: read the arguments and the function, and expand the model made
/// of both. `options` reads the arguments that only this attribute has.
pub fn attribute<O, M: ToTokens>(
    args: TokenStream,
    item: TokenStream,
    kind: &HandlerKind,
    options: impl FnOnce(&mut Args, &mut Errors) -> O,
    model: impl FnOnce(Function, O) -> M,
) -> TokenStream {
    errors::function(item, |item, errors| {
        let mut args = Args::of_macro(args, errors);
        let options = options(&mut args, errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let function = Function::read(framework, item, kind, errors)?;
        Some(model(function, options))
    })
}

impl Function {
    /// Reads a function's signature. The body is skipped.
    pub fn read(
        framework: Framework,
        item: TokenStream,
        kind: &HandlerKind,
        errors: &mut Errors,
    ) -> Option<Self> {
        let place = item.clone();
        let Ok(FunctionHead { docs, sig }) = syn::parse2(item) else {
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
        let mut args = sig.inputs.iter();
        let message = message(&sig, args.next(), kind, errors)?;
        let inputs = args
            .filter_map(|arg| match arg {
                FnArg::Typed(arg) => Some(input(arg, &sig, kind, errors)),
                FnArg::Receiver(_) => None,
            })
            .collect();
        if let syn::ReturnType::Type(_, ty) = &sig.output {
            types::nameable(ty, kind.handler, errors);
        }
        let output = types::returned(&sig);
        Some(Self {
            framework,
            is_async: sig.asyncness.is_some(),
            ident: sig.ident,
            docs,
            message,
            inputs,
            output,
        })
    }

    /// The function's name as a string.
    pub fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Each input as `bound`, a trait that inputs of all types must implement.
    pub fn inputs_as(&self, bound: &TokenStream) -> Vec<TokenStream> {
        let inputs = self.inputs.iter();
        inputs
            .map(|input| types::bound(&input.ty, input.ends, bound))
            .collect()
    }

    /// The name of the parameter from which inputs are taken: `_` if there are none.
    pub fn scope(&self) -> TokenStream {
        if self.inputs.is_empty() {
            code!(_)
        } else {
            code!(scope)
        }
    }

    /// A call of the function, sync or async, wrapped in `carrier`, such as `Reply`. `finish` is
    /// the function that converts the returned value.
    pub fn run(&self, carrier: &str, finish: &TokenStream, arguments: &TokenStream) -> TokenStream {
        let ident = &self.ident;
        // A future that cannot be sent between threads is underlined at the function's name.
        let span = ident.span().resolved_at(Span::mixed_site());
        let carrier = Ident::new(carrier, span);
        if self.is_async {
            let finished = code!(#finish(#ident(#arguments).await));
            quote_spanned!(span=> __cqrs::#carrier::later(async move { #finished }))
        } else {
            code!(__cqrs::#carrier::now(|| { #finish(#ident(#arguments)) }))
        }
    }
}

/// What is above a function's body, which is skipped.
struct FunctionHead {
    docs: String,
    sig: Signature,
}

impl Parse for FunctionHead {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let docs = source::docs(&input.call(Attribute::parse_outer)?);
        input.parse::<Visibility>()?;
        let sig = input.parse()?;
        input.parse::<TokenStream>()?;
        Ok(Self { docs, sig })
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
