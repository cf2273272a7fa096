use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::args::Args;
use crate::errors::Errors;
use crate::function::{self, Function, HandlerKind};
use crate::hygiene::code;
use crate::partitioning::Partitioning;
use crate::{earlier_name, source, suggest};

const KIND: HandlerKind = HandlerKind {
    attribute: "#[event_handler]",
    handler: "an event handler",
    message: "event",
    example: "event: ProductCreated",
};

/// A function marked `#[event_handler]`: a reaction.
struct EventHandlerItem {
    function: Function,
    options: ReactionOptions,
}

/// The arguments that only this attribute has.
struct ReactionOptions {
    name: Option<String>,
    /// The name in the store, if that is an earlier one.
    was: Option<String>,
    from_start: bool,
    partitioning: Partitioning,
}

/// `#[event_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    function::attribute(
        args,
        item,
        &KIND,
        ReactionOptions::read,
        |function, options| EventHandlerItem { function, options },
    )
}

impl ReactionOptions {
    fn read(args: &mut Args, errors: &mut Errors) -> Self {
        let name = args.string("name", errors).map(|name| name.value());
        let was = earlier_name::read(args, KIND.handler, errors);
        earlier_name::check(
            was.as_ref(),
            name.as_deref().unwrap_or_default(),
            KIND.handler,
            errors,
        );
        Self {
            name,
            was: was.map(|was| was.value()),
            from_start: from_start(args, errors),
            partitioning: Partitioning::read(args, errors),
        }
    }
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
    fn react(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.function.output;
        let places = 0..inputs.len();
        self.function.run(
            "Reply",
            &code!(<#output as __cqrs::IntoReaction>::into_reaction),
            &code!(event, #(#inputs::take(scope, #places)?),*),
        )
    }
}

impl ToTokens for EventHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.function;
        let ReactionOptions {
            name,
            was,
            from_start,
            partitioning,
        } = &self.options;
        let was = earlier_name::constant(was.as_deref());
        let constants = partitioning.constants();
        let inputs = self.function.inputs_as(&code!(__cqrs::ReactionInput<'_>));
        let react = self.react(&inputs);
        let output = &self.function.output;
        let name = name.clone().unwrap_or_else(|| self.function.name());
        let source = source::of(ident);
        let docs = source::with_docs(&self.function.docs);
        let scope = self.function.scope();
        let items = code! {
            enum __Handler {}

            impl __cqrs::EventHandler for __Handler {
                type Event = #message;
                const NAME: &'static __cqrs::str = #name;
                #was
                const FROM_START: __cqrs::bool = #from_start;
                const SOURCE: __cqrs::Source = #source;
                #constants

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                fn sends() -> __cqrs::Vec<&'static __cqrs::str> {
                    <#output as __cqrs::IntoReaction>::sends()
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
                    #docs
            }
        };
        tokens.extend(self.function.framework.block(&items));
    }
}
