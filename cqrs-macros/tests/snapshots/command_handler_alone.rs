fn command(_: Ping) {}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    enum __Handler {}
    impl __cqrs::CommandHandler for __Handler {
        type Command = Ping;
        const NAME: &'static __cqrs::str = "command";
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const IS_ASYNC: __cqrs::bool = false;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<()>::new().emits()
        }
        fn load(_: &Self::Command, _: &mut __cqrs::Loads) {}
        fn handle<'a>(
            command: Self::Command,
            _: &'a __cqrs::CommandScope<'a>,
        ) -> __cqrs::CommandReply<'a, Ping> {
            __cqrs::Reply::now(|| {
                <() as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(command(command))
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::command:: < __Handler > ()
    }
};
