async fn product_by_id(
    query: GetProductById,
    views: Read<ProductView>,
) -> Result<Option<ProductView>> {
    views.get(&query.product_id).await
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Handler {}
    impl __cqrs::QueryHandler for __Handler {
        type Query = GetProductById;
        const NAME: &'static __cqrs::str = "product_by_id";
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const IS_ASYNC: __cqrs::bool = true;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([
                <Read<ProductView> as __cqrs::QueryInput<'_>>::describe(),
            ])
        }
        #[inline]
        fn handle<'a>(
            query: Self::Query,
            scope: __cqrs::QueryScope<'a>,
        ) -> __cqrs::QueryReply<'a, Self> {
            __cqrs::QueryReply::later(async move {
                <Result<
                    Option<ProductView>,
                > as __cqrs::IntoAnswer<
                    <Self::Query as __cqrs::Query>::Output,
                >>::into_answer(
                    product_by_id(
                            query,
                            <Read<
                                ProductView,
                            > as __cqrs::QueryInput<'_>>::take(scope, 0usize)?,
                        )
                        .await,
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::query:: < __Handler > ()
    }
};
