impl Sales {
    async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
        Ok(())
    }
    async fn sold(event: &Sold, tx: &mut Tx<Postgres>) -> Result<()> {
        Ok(())
    }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projection for Sales {
        const NAME: &'static __cqrs::str = "sales";
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            let mut folds = __cqrs::Vec::new();
            folds
                .push(__cqrs::Fold {
                    name: "sold",
                    line: __cqrs::line!(),
                    fingerprint: 9198380499743883500u64,
                    event: __cqrs::wire_name::<Sold>(),
                    inputs: __cqrs::Vec::from([
                        <&mut Tx<Postgres> as __cqrs::FoldInput<'_>>::describe(),
                    ]),
                    run: |recorded, scope| __cqrs::Reply::later(async move {
                        let event = recorded.decode::<Sold>()?;
                        <Result<
                            (),
                        > as __cqrs::IntoHandlerResult>::into_handler_result(
                            Self::sold(
                                    &event,
                                    <&mut Tx<
                                        Postgres,
                                    > as __cqrs::FoldInput<
                                        '_,
                                    >>::borrow(
                                        &mut <&mut Tx<
                                            Postgres,
                                        > as __cqrs::FoldInput<'_>>::acquire(scope)?,
                                    ),
                                )
                                .await,
                        )
                    }),
                });
            folds
        }
        fn setup() -> __cqrs::Option<__cqrs::Setup> {
            __cqrs::Some(__cqrs::Setup {
                name: "tables",
                line: __cqrs::line!(),
                fingerprint: 9853453818617805931u64,
                inputs: __cqrs::Vec::from([
                    <&mut Tx<Postgres> as __cqrs::SetupInput<'_>>::describe(),
                ]),
                run: |scope| __cqrs::Reply::later(async move {
                    <Result<
                        (),
                    > as __cqrs::IntoHandlerResult>::into_handler_result(
                        Self::tables(
                                <&mut Tx<
                                    Postgres,
                                > as __cqrs::SetupInput<
                                    '_,
                                >>::borrow(
                                    &mut <&mut Tx<
                                        Postgres,
                                    > as __cqrs::SetupInput<'_>>::acquire(scope)?,
                                ),
                            )
                            .await,
                    )
                }),
            })
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < Sales > ()
    }
};
