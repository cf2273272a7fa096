async fn announce(event: ProductCreated, mailer: Service<dyn Mailer>) -> Result<()> {
    mailer.announce(&event.name).await
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Handler {}
    impl __cqrs::EventHandler for __Handler {
        type Event = ProductCreated;
        const NAME: &'static __cqrs::str = "announce";
        const FROM_START: __cqrs::bool = true;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([
                <Service<dyn Mailer> as __cqrs::ReactionInput<'_>>::describe(),
            ])
        }
        fn sends() -> __cqrs::Vec<&'static __cqrs::str> {
            <Result<()> as __cqrs::IntoReaction>::sends()
        }
        fn handle<'a>(
            event: Self::Event,
            scope: &'a __cqrs::ReactionScope<'a>,
        ) -> __cqrs::ReactionReply<'a> {
            __cqrs::Reply::later(async move {
                <Result<
                    (),
                > as __cqrs::IntoReaction>::into_reaction(
                    announce(
                            event,
                            <Service<
                                dyn Mailer,
                            > as __cqrs::ReactionInput<'_>>::take(scope, 0usize)?,
                        )
                        .await,
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::ReactionEntry::of:: < __Handler > ()
    }
};
