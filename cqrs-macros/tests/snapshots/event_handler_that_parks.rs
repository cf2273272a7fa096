fn reserve(event: OrderPlaced) {}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Handler {}
    impl __cqrs::EventHandler for __Handler {
        type Event = OrderPlaced;
        const NAME: &'static __cqrs::str = "reserve";
        const FROM_START: __cqrs::bool = true;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const PARTITION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some("order");
        const ON_FAILURE: __cqrs::OnFailure = __cqrs::OnFailure::Park;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([])
        }
        fn sends() -> __cqrs::Vec<&'static __cqrs::str> {
            <() as __cqrs::IntoReaction>::sends()
        }
        fn handle<'a>(
            event: Self::Event,
            _: &'a __cqrs::ReactionScope<'a>,
        ) -> __cqrs::ReactionReply<'a> {
            __cqrs::Reply::now(|| {
                <() as __cqrs::IntoReaction>::into_reaction(reserve(event))
            })
        }
    }
    __cqrs::submit! {
        __cqrs::ReactionEntry::of:: < __Handler > ()
    }
};
