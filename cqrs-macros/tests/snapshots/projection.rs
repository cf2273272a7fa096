impl ProductList {
    fn created(
        event: &ProductCreated,
        recorded: &Recorded,
        views: &mut Views<ProductView>,
    ) -> Result<()> {
        if cfg!(feature = "audit") {
            views.audit();
        }
        Ok(())
    }
    #[cfg(feature = "prices")]
    async fn r#move<'a>(event: &'a Repriced, views: &'a mut Views<ProductView>) {}
    fn ignored(_: &Ignored) {}
    fn helper() {
        #[cfg(not(test))] log();
    }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projection for ProductList {
        const NAME: &'static __cqrs::str = "products";
        const VERSION: __cqrs::u32 = 3u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const OTHER_ITEMS: &'static [(&'static __cqrs::str, __cqrs::u64)] = &[
            (
                "fn helper",
                __cqrs::conditional_fingerprint(
                    4614395646483307634u64,
                    &[__cqrs::cfg!(not(test))],
                ),
            ),
        ];
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            let mut folds = __cqrs::Vec::new();
            folds
                .push(__cqrs::Fold {
                    name: "created",
                    line: __cqrs::line!(),
                    fingerprint: __cqrs::conditional_fingerprint(
                        5201574493722157784u64,
                        &[__cqrs::cfg!(feature = "audit")],
                    ),
                    event: __cqrs::wire_name::<ProductCreated>(),
                    inputs: __cqrs::Vec::from([
                        <&Recorded as __cqrs::FoldInput<'_>>::describe(),
                        <&mut Views<ProductView> as __cqrs::FoldInput<'_>>::describe(),
                    ]),
                    run: |recorded, scope| __cqrs::Reply::now(|| {
                        let event = recorded.decode::<ProductCreated>()?;
                        <Result<
                            (),
                        > as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::created(
                                &event,
                                <&Recorded as __cqrs::FoldInput<
                                    '_,
                                >>::borrow(
                                    &mut <&Recorded as __cqrs::FoldInput<'_>>::acquire(scope)?,
                                ),
                                <&mut Views<
                                    ProductView,
                                > as __cqrs::FoldInput<
                                    '_,
                                >>::borrow(
                                    &mut <&mut Views<
                                        ProductView,
                                    > as __cqrs::FoldInput<'_>>::acquire(scope)?,
                                ),
                            ),
                        )
                    }),
                });
            #[cfg(feature = "prices")]
            folds
                .push(__cqrs::Fold {
                    name: "move",
                    line: __cqrs::line!(),
                    fingerprint: __cqrs::conditional_fingerprint(
                        12326537342807705151u64,
                        &[__cqrs::cfg!(feature = "prices")],
                    ),
                    event: __cqrs::wire_name::<Repriced>(),
                    inputs: __cqrs::Vec::from([
                        <&'_ mut Views<ProductView> as __cqrs::FoldInput<'_>>::describe(),
                    ]),
                    run: |recorded, scope| __cqrs::Reply::later(async move {
                        let event = recorded.decode::<Repriced>()?;
                        <() as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::r#move(
                                    &event,
                                    <&'_ mut Views<
                                        ProductView,
                                    > as __cqrs::FoldInput<
                                        '_,
                                    >>::borrow(
                                        &mut <&'_ mut Views<
                                            ProductView,
                                        > as __cqrs::FoldInput<'_>>::acquire(scope)?,
                                    ),
                                )
                                .await,
                        )
                    }),
                });
            folds
                .push(__cqrs::Fold {
                    name: "ignored",
                    line: __cqrs::line!(),
                    fingerprint: 18274647394456413031u64,
                    event: __cqrs::wire_name::<Ignored>(),
                    inputs: __cqrs::Vec::from([]),
                    run: |recorded, _| __cqrs::Reply::now(|| {
                        let event = recorded.decode::<Ignored>()?;
                        <() as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::ignored(&event),
                        )
                    }),
                });
            folds
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < ProductList > ()
    }
};
