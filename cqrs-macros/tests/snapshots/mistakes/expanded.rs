::core::compile_error! {
    "unknown key `permision`: did you mean `permission`? known keys: `error`, `permission`, `name`, `attempts`, `crate`"
}
::core::compile_error! {
    "a command is a struct: write one `struct` per case"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Create {
        type Error = __cqrs::Rejected;
        type Handler = __cqrs::CommandFn<Create>;
        const NAME: &'static __cqrs::str = "Create";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Create>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::CommandFn<Create>> {
            static CELL: __cqrs::HandlerCell<__cqrs::CommandFn<Create>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < Create > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < Create > ::new().schema())
    }
};
::core::compile_error! {
    "a query declares its answer: write `#[query(returns = TheAnswer)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for Get {
        type Output = ();
        type Handler = __cqrs::QueryFn<Get>;
        const NAME: &'static __cqrs::str = "Get";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Get>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::QueryFn<Get>> {
            static CELL: __cqrs::HandlerCell<__cqrs::QueryFn<Get>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < Get > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < Get > ::new().schema()).with_fields(& [__cqrs::Field::new("id", "u8", "")])
    }
};
::core::compile_error! {
    "an event has a name and a version of its own, which stay when the type is renamed: write `#[event(name = \"created\", version = 1)]`"
}
::core::compile_error! {
    "`#[id]` names an aggregate: write `#[id(Product)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for Created {
        const NAME: &'static __cqrs::str = "created";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < Created > (& [], __cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < Created > ::new().schema()).with_schemas(|| __cqrs::Probe::
        < Created > ::new().schemas()).with_fields(& [__cqrs::Field::new("id", "u8",
        "")])
    }
};
