impl Orders {
    fn placed(event: &OrderPlaced, views: &mut Views<OrderCard>) {}
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projection for Orders {
        const NAME: &'static __cqrs::str = "orders";
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const PARTITION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some("order");
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            let mut folds = __cqrs::Vec::new();
            folds
                .push(__cqrs::Fold {
                    name: "placed",
                    line: __cqrs::line!(),
                    fingerprint: 13591467135098362236u64,
                    event: __cqrs::wire_name::<OrderPlaced>(),
                    inputs: __cqrs::Vec::from([
                        <&mut Views<OrderCard> as __cqrs::FoldInput<'_>>::describe(),
                    ]),
                    run: |recorded, scope| __cqrs::Reply::now(|| {
                        let event = recorded.decode::<OrderPlaced>()?;
                        <() as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::placed(
                                &event,
                                <&mut Views<
                                    OrderCard,
                                > as __cqrs::FoldInput<
                                    '_,
                                >>::borrow(
                                    &mut <&mut Views<
                                        OrderCard,
                                    > as __cqrs::FoldInput<'_>>::acquire(scope)?,
                                ),
                            ),
                        )
                    }),
                });
            folds
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < Orders > ()
    }
};
