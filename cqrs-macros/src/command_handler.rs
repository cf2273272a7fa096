use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::args::Args;
use crate::errors;
use crate::framework::Framework;
use crate::function::{Function, HandlerKind, Referent};
use crate::hygiene::code;
use crate::{id, source, types};

const KIND: HandlerKind = HandlerKind {
    attribute: "#[command_handler]",
    handler: "a command handler",
    message: "command",
    example: "cmd: CreateProduct",
};

/// A function marked `#[command_handler]`.
struct CommandHandlerItem {
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
        Some(CommandHandlerItem {
            framework,
            function,
        })
    })
}

impl CommandHandlerItem {
    /// Each input as the trait that it must meet.
    fn inputs(&self) -> Vec<TokenStream> {
        let inputs = self.function.inputs.iter().map(|input| {
            let role = id::key(&input.role);
            match &input.referent {
                Some(Referent { ty, ends, is_mut }) if *is_mut => {
                    types::bound(ty, *ends, &code!(__cqrs::BorrowedMut))
                }
                Some(Referent { ty, ends, .. }) => {
                    let borrowed = code!(__cqrs::Borrowed<Self::Command, #role>);
                    types::bound(ty, *ends, &borrowed)
                }
                None => {
                    let input_of = code!(__cqrs::CommandInput<'_, Self::Command, #role>);
                    types::bound(&input.ty, input.ends, &input_of)
                }
            }
        });
        inputs.collect()
    }

    fn decide(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.function.output;
        let taken = self.function.inputs.iter().zip(inputs).enumerate();
        let taken = taken.map(|(place, (input, bound))| {
            match &input.referent {
                Some(Referent { ends, is_mut, .. }) if *is_mut => {
                    let scope = code!(scope);
                    // All of it there, so that what is wrong with the type is said once.
                    quote_spanned! {ends.1=>
                        #bound::borrow(
                            &mut #bound::acquire(#scope).map_err(__cqrs::CommandError::failed)?
                        )
                    }
                }
                _ => code!(#bound::take(scope, #place).map_err(__cqrs::CommandError::failed)?),
            }
        });
        self.function.run(
            "Reply",
            &TokenStream::new(),
            &code!(<#output as __cqrs::IntoDecision<Self::Command>>::into_decision),
            &code!(command, #(#taken),*),
        )
    }

    /// The statements that list the aggregates to load.
    fn loads(&self, inputs: &[TokenStream]) -> Vec<TokenStream> {
        let inputs = self.function.inputs.iter().zip(inputs).enumerate();
        let loading = inputs.filter(|(_, (input, _))| !input.is_mut());
        loading
            .map(|(place, (_, bound))| code!(#bound::load(command, #place, loads);))
            .collect()
    }
}

impl ToTokens for CommandHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.function;
        let inputs = self.inputs();
        let decide = self.decide(&inputs);
        let name = ident.unraw().to_string();
        let source = source::of(ident);
        let loading = self.loads(&inputs);
        let named = |name: TokenStream, is_used: bool| if is_used { name } else { code!(_) };
        let command = named(code!(command), !loading.is_empty());
        let loads = named(code!(loads), !loading.is_empty());
        let scope = named(code!(scope), !inputs.is_empty());
        // At the command's type, where its bounds are reported, too: once for both.
        let decided = quote_spanned!(message.span()=> __cqrs::CommandReply<'a, #message>);
        let items = code! {
            enum __Handler {}

            impl __cqrs::CommandHandler for __Handler {
                type Command = #message;
                const NAME: &'static __cqrs::str = #name;
                const SOURCE: __cqrs::Source = #source;

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                fn load(#command: &Self::Command, #loads: &mut __cqrs::Loads) {
                    #(#loading)*
                }

                fn handle<'a>(
                    command: Self::Command,
                    #scope: &'a __cqrs::CommandScope<'a>,
                ) -> #decided {
                    #decide
                }
            }
            __cqrs::submit! {
                __cqrs::HandlerEntry::command::<__Handler>()
            }
        };
        tokens.extend(self.framework.block(&items));
    }
}
