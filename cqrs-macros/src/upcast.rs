use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{GenericArgument, LitStr, PathArguments, Type};

use crate::args::Args;
use crate::errors::{self, Errors};
use crate::fingerprint::CodeHash;
use crate::function::{Function, HandlerKind};
use crate::hygiene::code;
use crate::source;

const KIND: HandlerKind = HandlerKind {
    attribute: "#[upcast]",
    handler: "an upcaster",
    message: "old event",
    example: "old: PriceSetV1",
};

/// A function marked `#[upcast]`.
struct UpcasterItem {
    function: Function,
    event: LitStr,
    from: u32,
    /// Of the function: states that another text has folded are folded again.
    fingerprint: CodeHash,
    returned: Returned,
}

/// The return type, by which it is converted.
struct Returned {
    event: Type,
    is_option: bool,
    /// The type of the error, if it is a `Result`. `_` if that is not written.
    error: Option<TokenStream>,
}

/// `#[upcast]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let fingerprint = CodeHash::of(&item);
    errors::function(item, |item, errors| {
        let mut args = Args::of_macro(args, errors);
        let is_complete = args.has("event") && args.has("from");
        let event = args.string("event", errors);
        let from = args.number("from", 1, errors);
        let framework = args.framework(errors);
        let function = Function::read(framework, item, &KIND, errors)?;
        if !is_complete {
            let event = event.as_ref().map_or("price-set".to_owned(), LitStr::value);
            let from = from.unwrap_or(1);
            let message = format!(
                "an upcaster names its event, and the version that it takes: write \
                 `#[upcast(event = \"{event}\", from = {from})]`"
            );
            args.missing(&function.ident, message, errors);
        }
        args.finish(errors);
        let returned = check(&function, errors)?;
        Some(UpcasterItem {
            function,
            event: event?,
            from: from?,
            fingerprint,
            returned,
        })
    })
}

fn check(function: &Function, errors: &mut Errors) -> Option<Returned> {
    if function.is_async {
        errors.at(
            &function.ident,
            "an upcaster is called where an event is read: remove `async`",
        );
    }
    if let Some(input) = function.inputs.first() {
        errors.at(
            &input.ty,
            "an upcaster takes the old event alone: remove this parameter",
        );
    }
    let output: Type = errors.ok(syn::parse2(function.output.clone()))?;
    let is_several = is_several(&output);
    let returned = Returned::of(output);
    if returned.is_none() {
        let message = if is_several {
            "one event cannot become several, since it has one position: return one of them, or an `Option` \
             of it. Have new commands record several events, and let the folds of the old event handle all of it"
        } else {
            "an upcaster returns the event in its next version, or an `Option` of it, if it may leave it \
             out; bare or in a `Result`"
        };
        errors.at(&function.output, message);
    }
    returned
}

impl Returned {
    /// `None` for a type that cannot be an event.
    fn of(ty: Type) -> Option<Self> {
        let (ty, error) = match arguments(&ty, "Result").as_deref() {
            Some([ok]) => ((*ok).clone(), Some(code!(_))),
            Some([ok, error]) => ((*ok).clone(), Some(error.to_token_stream())),
            _ => (ty, None),
        };
        let (event, is_option) = match arguments(&ty, "Option").as_deref() {
            Some([event]) => ((*event).clone(), true),
            _ => (ty, false),
        };
        let is_event = match &event {
            Type::Tuple(_) | Type::Array(_) | Type::Reference(_) => false,
            event => ["Vec", "Option", "Result"]
                .iter()
                .all(|it| arguments(event, it).is_none()),
        };
        is_event.then_some(Self {
            event,
            is_option,
            error,
        })
    }

    /// The conversion of the value.
    fn convert(&self, value: &TokenStream) -> TokenStream {
        let event = &self.event;
        let finish = if self.is_option {
            code!(__cqrs::upcast_to_option::<#event>)
        } else {
            code!(__cqrs::upcast_to_event::<#event>)
        };
        if let Some(error) = &self.error {
            code!(__cqrs::upcast_to_result::<_, #error>(#value, #finish))
        } else {
            code!(#finish(#value))
        }
    }
}

/// Whether the type, bare or in a `Result` or `Option`, is one of several events.
fn is_several(ty: &Type) -> bool {
    match ty {
        Type::Tuple(events) => !events.elems.is_empty(),
        Type::Array(_) => true,
        ty => {
            let inner = ["Result", "Option"].iter().find_map(|it| arguments(ty, it));
            arguments(ty, "Vec").is_some()
                || inner.is_some_and(|inner| inner.first().is_some_and(|it| is_several(it)))
        }
    }
}

/// The type arguments of a type with this name.
fn arguments<'t>(ty: &'t Type, name: &str) -> Option<Vec<&'t Type>> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last().filter(|it| it.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

impl ToTokens for UpcasterItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            function,
            event,
            from,
            fingerprint,
            returned,
        } = self;
        let Function { ident, message, .. } = function;
        let name = function.name();
        let source = source::of(ident);
        let upcast = returned.convert(&code!(#ident(old)));
        let items = code! {
            enum __Upcaster {}

            impl __cqrs::Upcaster for __Upcaster {
                type Old = #message;
                const EVENT: &'static __cqrs::str = #event;
                const FROM: __cqrs::u32 = #from;
                const NAME: &'static __cqrs::str = #name;
                const FINGERPRINT: __cqrs::u64 = #fingerprint;
                const SOURCE: __cqrs::Source = #source;

                fn upcast(old: Self::Old) -> __cqrs::UpcastResult {
                    #upcast
                }
            }
            __cqrs::submit! {
                __cqrs::UpcasterEntry::of::<__Upcaster>()
            }
        };
        tokens.extend(function.framework.block(&items));
    }
}
