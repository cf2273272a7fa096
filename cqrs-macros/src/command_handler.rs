use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;

use crate::args::Args;
use crate::errors;
use crate::framework::Framework;
use crate::function::{Function, Kind};
use crate::hygiene::code;
use crate::{id, source, types};

const KIND: Kind = Kind {
    attribute: "#[command_handler]",
    handler: "a command handler",
    message: "command",
    example: "cmd: CreateProduct",
    by_mut: Some(
        "a command handler changes nothing itself: take the state as `&State` and return the events \
         that change it; read models are written by a `#[projection]`",
    ),
};

/// A function marked `#[command_handler]`.
struct CommandHandler {
    framework: Framework,
    function: Function,
}

/// `#[command_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    errors::function(item, |item, errors| {
        let mut args = Args::of_macro(args, errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let function = Function::read(item, &KIND, errors)?;
        Some(CommandHandler {
            framework,
            function,
        })
    })
}

impl CommandHandler {
    /// Each input as the trait that it must meet.
    fn inputs(&self) -> Vec<TokenStream> {
        let inputs = self.function.inputs.iter().map(|input| {
            let role = id::key(&input.role);
            if let Some((ty, ends)) = &input.borrowed {
                let borrowed = code!(__cqrs::Borrowed<Self::Command, #role>);
                types::bound(ty, *ends, &borrowed)
            } else {
                let input_of = code!(__cqrs::CommandInput<'_, Self::Command, #role>);
                types::bound(&input.ty, input.ends, &input_of)
            }
        });
        inputs.collect()
    }

    fn decide(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.function.output;
        let places = 0..inputs.len();
        self.function.run(
            "Decided",
            &TokenStream::new(),
            &code!(<#output as __cqrs::Outcome<Self::Command>>::decision),
            &code!(
                command,
                #(#inputs::take(scope, #places).map_err(__cqrs::CommandError::failed)?),*
            ),
        )
    }
}

impl ToTokens for CommandHandler {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.function;
        let inputs = self.inputs();
        let decide = self.decide(&inputs);
        let name = ident.unraw().to_string();
        let source = source::of(ident);
        let places = 0..inputs.len();
        let (command, loads, scope) = if inputs.is_empty() {
            (code!(_), code!(_), code!(_))
        } else {
            (code!(command), code!(loads), code!(scope))
        };
        let items = code! {
            enum __Handler {}

            impl __cqrs::HandlesCommand for __Handler {
                type Command = #message;
                const NAME: &'static __cqrs::str = #name;
                const SOURCE: __cqrs::Source = #source;

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                fn load(#command: &Self::Command, #loads: &mut __cqrs::Loads) {
                    #(#inputs::load(command, #places, loads);)*
                }

                fn handle<'a>(
                    command: Self::Command,
                    #scope: &'a __cqrs::CommandScope<'a>,
                ) -> __cqrs::Decided<'a, Self::Command> {
                    #decide
                }
            }
            __cqrs::submit! {
                __cqrs::CommandHandlerEntry::of::<__Handler>()
            }
        };
        tokens.extend(self.framework.block(&items));
    }
}
