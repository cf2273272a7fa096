use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::function::{self, Function, HandlerKind};
use crate::hygiene::code;
use crate::source;

const KIND: HandlerKind = HandlerKind {
    attribute: "#[query_handler]",
    handler: "a query handler",
    message: "query",
    example: "query: GetProductById",
};

/// A function marked `#[query_handler]`.
struct QueryHandlerItem(Function);

/// `#[query_handler]`.
pub fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    function::attribute(args, item, &KIND, |_, _| (), |it, ()| QueryHandlerItem(it))
}

impl QueryHandlerItem {
    fn answer(&self, inputs: &[TokenStream]) -> TokenStream {
        let output = &self.0.output;
        let places = 0..inputs.len();
        self.0.run(
            "QueryReply",
            &code!(<#output as __cqrs::IntoAnswer<<Self::Query as __cqrs::Query>::Output>>::into_answer),
            &code!(query, #(#inputs::take(scope, #places)?),*),
        )
    }
}

impl ToTokens for QueryHandlerItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { ident, message, .. } = &self.0;
        let inputs = self.0.inputs_as(&code!(__cqrs::QueryInput<'_>));
        let answer = self.answer(&inputs);
        let is_async = self.0.is_async;
        let name = self.0.name();
        let (source, docs) = (source::of(ident), source::with_docs(&self.0.docs));
        let scope = self.0.scope();
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
                    #docs
            }
        };
        tokens.extend(self.0.framework.block(&items));
    }
}
