::core::compile_error! {
    "a command is a struct: write one `struct` per case"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Create {
        type Error = __cqrs::Infallible;
        const NAME: &'static __cqrs::str = "Create";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Create>::new().check(self)
        }
        fn cell() -> &'static __cqrs::CommandCell<Self> {
            static CELL: __cqrs::CommandCell<Create> = __cqrs::CommandCell::new();
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
    "a command has named fields: write `struct Create { field: Type }`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for Create {
        type Error = __cqrs::Infallible;
        const NAME: &'static __cqrs::str = "Create";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Create>::new().check(self)
        }
        fn cell() -> &'static __cqrs::CommandCell<Self> {
            static CELL: __cqrs::CommandCell<Create> = __cqrs::CommandCell::new();
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
    "a command is a concrete type, since the registry and the wire format need one: remove the parameters and write one struct per case"
}
::core::compile_error! {
    "a query says what it returns: write `#[query(returns = TheAnswer)]`"
}
::core::compile_error! {
    "a query is a struct: write one `struct` per case"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for Get {
        type Output = ();
        const NAME: &'static __cqrs::str = "Get";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<Get>::new().check(self)
        }
        fn cell() -> &'static __cqrs::QueryCell<Self> {
            static CELL: __cqrs::QueryCell<Get> = __cqrs::QueryCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < Get > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < Get > ::new().schema())
    }
};
::core::compile_error! {
    "a read model has named fields: write `struct View { field: Type }`"
}
::core::compile_error! {
    "a read model is a concrete type, since the registry and the wire format need one: remove the parameters and write one struct per case"
}
