const _: () = {
    #[allow(unused_imports)]
    use my_crate::cqrs::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Ping {
        type Error = __cqrs::Rejected;
        const ATTEMPTS: __cqrs::Option<__cqrs::u32> = __cqrs::Some(1u32);
        type Handler = __cqrs::CommandFn<Ping>;
        const NAME: &'static __cqrs::str = "ping";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Ping>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::CommandFn<Ping>> {
            static CELL: __cqrs::HandlerCell<__cqrs::CommandFn<Ping>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < Ping > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < Ping > ::new().schema())
    }
};
