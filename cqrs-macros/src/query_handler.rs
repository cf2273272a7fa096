use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;

use crate::args::Args;
use crate::errors;
use crate::framework::Framework;
use crate::function::{Function, HandlerKind};
use crate::hygiene::code;
use crate::{source, types};

const KIND: HandlerKind = HandlerKind {
    attribute: "#[query_handler]",
    handler: "a query handler",
    message: "query",
    example: "query: GetProductById",
};

/// A function marked `#[query_handler]`.
struct QueryHandlerItem {
    framework: Framework,
    function: Function,
}

/// `#[query_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    errors::function(item, |item, errors| {
        let mut args = Args::of_macro(args, errors);
        let framework = args.framework(errors);
        args.finish(errors);
        let function = Function::read(item, &KIND, errors)?;
        Some(QueryHandlerItem {
            framework,
            function,
        })
    })
}

impl QueryHandlerItem {
    /// Each input as the trait that it must meet.
    fn inputs(&self) -> Vec<TokenStream> {
        let inputs = self.function.inputs.iter().map(|input| {
            let ty = &input.ty;
            types::bound(ty, input.ends, &code!(__cqrs::QueryInput<'_>))
        });
        inputs.collect()
    }

    fn answer(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.function.output;
        let places = 0..inputs.len();
        self.function.run(
            "QueryReply",
            &TokenStream::new(),
            &code!(<#output as __cqrs::IntoAnswer<<Self::Query as __cqrs::Query>::Output>>::into_answer),
            &code!(query, #(#inputs::take(scope, #places)?),*),
        )
    }
}

impl ToTokens for QueryHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.function;
        let inputs = self.inputs();
        let answer = self.answer(&inputs);
        let is_async = self.function.is_async;
        let name = ident.unraw().to_string();
        let source = source::of(ident);
        let scope = if inputs.is_empty() {
            code!(_)
        } else {
            code!(scope)
        };
        let items = code! {
            enum __Handler {}

            impl __cqrs::QueryHandler for __Handler {
                type Query = #message;
                const NAME: &'static __cqrs::str = #name;
                const SOURCE: __cqrs::Source = #source;
                const IS_ASYNC: __cqrs::bool = #is_async;

                fn inputs() -> __cqrs::Vec<__cqrs::Input> {
                    __cqrs::Vec::from([#(#inputs::describe()),*])
                }

                #[inline]
                fn handle<'a>(
                    query: Self::Query,
                    #scope: __cqrs::QueryScope<'a>,
                ) -> __cqrs::QueryReply<'a, Self> {
                    #answer
                }
            }
            __cqrs::submit! {
                __cqrs::HandlerEntry::query::<__Handler>()
            }
        };
        tokens.extend(self.framework.block(&items));
    }
}
