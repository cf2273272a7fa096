::core::compile_error! {
    "`returns` takes a type, without quotes: write `returns = TheType`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for A {
        type Output = ();
        const NAME: &'static __cqrs::str = "A";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<A>::new().check(self)
        }
        fn cell() -> &'static __cqrs::QueryCell<Self> {
            static CELL: __cqrs::QueryCell<A> = __cqrs::QueryCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < A > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < A > ::new().schema())
    }
};
::core::compile_error! {
    "write `#[query(key = value)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for B {
        type Output = ();
        const NAME: &'static __cqrs::str = "B";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<B>::new().check(self)
        }
        fn cell() -> &'static __cqrs::QueryCell<Self> {
            static CELL: __cqrs::QueryCell<B> = __cqrs::QueryCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < B > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < B > ::new().schema())
    }
};
::core::compile_error! {
    "expected `key = value`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for C {
        type Output = ();
        const NAME: &'static __cqrs::str = "C";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<C>::new().check(self)
        }
        fn cell() -> &'static __cqrs::QueryCell<Self> {
            static CELL: __cqrs::QueryCell<C> = __cqrs::QueryCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < C > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < C > ::new().schema())
    }
};
::core::compile_error! {
    "`returns` takes a type, without quotes: write `returns = TheType`"
}
::core::compile_error! {
    "`permission` takes a string: write `permission = \"..\"`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for D {
        type Output = ();
        const NAME: &'static __cqrs::str = "D";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<D>::new().check(self)
        }
        fn cell() -> &'static __cqrs::QueryCell<Self> {
            static CELL: __cqrs::QueryCell<D> = __cqrs::QueryCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < D > (__cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < D > ::new().schema())
    }
};
