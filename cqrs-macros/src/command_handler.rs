use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use crate::function::{self, Function, HandlerKind, Referent};
use crate::hygiene::code;
use crate::{id, source, types};

const KIND: HandlerKind = HandlerKind {
    attribute: "#[command_handler]",
    handler: "a command handler",
    message: "command",
    example: "cmd: CreateProduct",
};

/// A function marked `#[command_handler]`.
struct CommandHandlerItem(Function);

/// `#[command_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    function::attribute(
        args,
        item,
        &KIND,
        |_, _| (),
        |it, ()| CommandHandlerItem(it),
    )
}

impl CommandHandlerItem {
    /// Each input as the trait that it must meet.
    fn inputs(&self) -> Vec<TokenStream> {
        let inputs = self.0.inputs.iter().map(|input| {
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
        let output = &self.0.output;
        let numbered = self.0.inputs.iter().zip(inputs).enumerate();
        let taken = numbered.map(|(place, (input, bound))| {
            match &input.referent {
                Some(Referent { ends, is_mut, .. }) if *is_mut => {
                    let scope = code!(scope);
                    // All tokens have the span of the type, so that an error about it is reported once.
                    quote_spanned! {ends.1=>
                        #bound::borrow(
                            &mut #bound::acquire(#scope).map_err(__cqrs::CommandError::failed)?
                        )
                    }
                }
                _ => code!(#bound::take(scope, #place).map_err(__cqrs::CommandError::failed)?),
            }
        });
        self.0.run(
            "Reply",
            &code!(<#output as __cqrs::IntoDecision<Self::Command>>::into_decision),
            &code!(command, #(#taken),*),
        )
    }

    /// The statements that list the aggregates to load.
    fn loads(&self, inputs: &[TokenStream]) -> Vec<TokenStream> {
        let inputs = self.0.inputs.iter().zip(inputs).enumerate();
        let loading = inputs.filter(|(_, (input, _))| !input.is_mut());
        loading
            .map(|(place, (_, bound))| code!(#bound::load(command, #place, loads);))
            .collect()
    }
}

impl ToTokens for CommandHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.0;
        let inputs = self.inputs();
        let decide = self.decide(&inputs);
        let is_async = self.0.is_async;
        let name = self.0.name();
        let (source, docs) = (source::of(ident), source::with_docs(&self.0.docs));
        let output = &self.0.output;
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
                const IS_ASYNC: __cqrs::bool = #is_async;

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
                    __cqrs::Probe::<#output>::new().emits()
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
                    #docs
            }
        };
        tokens.extend(self.0.framework.probing_block(&items));
    }
}
