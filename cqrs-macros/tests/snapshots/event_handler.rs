fn log(event: ProductCreated, recorded: &Recorded) {}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Handler {}
    impl __cqrs::EventHandler for __Handler {
        type Event = ProductCreated;
        const NAME: &'static __cqrs::str = "log";
        const FROM_START: __cqrs::bool = false;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([<&Recorded as __cqrs::ReactionInput<'_>>::describe()])
        }
        fn sends() -> __cqrs::Vec<&'static __cqrs::str> {
            <() as __cqrs::IntoReaction>::sends()
        }
        fn handle<'a>(
            event: Self::Event,
            scope: &'a __cqrs::ReactionScope<'a>,
        ) -> __cqrs::ReactionReply<'a> {
            __cqrs::Reply::now(|| {
                <() as __cqrs::IntoReaction>::into_reaction(
                    log(
                        event,
                        <&Recorded as __cqrs::ReactionInput<'_>>::take(scope, 0usize)?,
                    ),
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::ReactionEntry::of:: < __Handler > ()
    }
};
