use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;

use crate::args::Args;
use crate::errors::{self, Errors};
use crate::framework::Framework;
use crate::function::{Function, HandlerKind};
use crate::hygiene::code;
use crate::{source, suggest, types};

const KIND: HandlerKind = HandlerKind {
    attribute: "#[event_handler]",
    handler: "an event handler",
    message: "event",
    example: "event: ProductCreated",
};

/// A function marked `#[event_handler]`: a reaction.
struct EventHandlerItem {
    framework: Framework,
    function: Function,
    name: Option<String>,
    from_start: bool,
}

/// `#[event_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    errors::function(item, |item, errors| {
        let mut args = Args::of_macro(args, errors);
        let name = args.string("name", errors).map(|name| name.value());
        let from_start = from_start(&mut args, errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let function = Function::read(item, &KIND, errors)?;
        Some(EventHandlerItem {
            framework,
            function,
            name,
            from_start,
        })
    })
}

fn from_start(args: &mut Args, errors: &mut Errors) -> bool {
    let Some(start) = args.string("start", errors) else {
        return true;
    };
    match start.value().as_str() {
        "origin" => true,
        "now" => false,
        unknown => {
            let message = suggest::no_such("start", unknown, &["origin", "now"]);
            errors.at(
                &start,
                format!(
                    "{message} write `start = \"origin\"` to begin with the log's first event, or \
                     `start = \"now\"` with the next one"
                ),
            );
            true
        }
    }
}

impl EventHandlerItem {
    /// Each input as the trait that it must meet.
    fn inputs(&self) -> Vec<TokenStream> {
        let inputs = self.function.inputs.iter().map(|input| {
            let ty = &input.ty;
            types::bound(ty, input.ends, &code!(__cqrs::ReactionInput<'_>))
        });
        inputs.collect()
    }

    fn react(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.function.output;
        let places = 0..inputs.len();
        self.function.run(
            "Reply",
            &TokenStream::new(),
            &code!(<#output as __cqrs::IntoHandlerResult>::into_handler_result),
            &code!(event, #(#inputs::take(scope, #places)?),*),
        )
    }
}

impl ToTokens for EventHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.function;
        let from_start = self.from_start;
        let inputs = self.inputs();
        let react = self.react(&inputs);
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| ident.unraw().to_string());
        let source = source::of(ident);
        let scope = if inputs.is_empty() {
            code!(_)
        } else {
            code!(scope)
        };
        let items = code! {
            enum __Handler {}

            impl __cqrs::EventHandler for __Handler {
                type Event = #message;
                const NAME: &'static __cqrs::str = #name;
                const FROM_START: __cqrs::bool = #from_start;
                const SOURCE: __cqrs::Source = #source;

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                fn handle<'a>(
                    event: Self::Event,
                    #scope: &'a __cqrs::ReactionScope<'a>,
                ) -> __cqrs::ReactionReply<'a> {
                    #react
                }
            }
            __cqrs::submit! {
                __cqrs::ReactionEntry::of::<__Handler>()
            }
        };
        tokens.extend(self.framework.block(&items));
    }
}
