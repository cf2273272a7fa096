::core::compile_error! {
    "an event has a name and a version of its own, which stay when the type is renamed: write `#[event(name = \"product-created\", version = 1)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for ProductCreated {
        const NAME: &'static __cqrs::str = "product-created";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < ProductCreated > (& [], __cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < ProductCreated > ::new().schema())
    }
};
::core::compile_error! {
    "an event has a version of its own, which stay when the type is renamed: write `#[event(name = \"x\", version = 1)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for NoVersion {
        const NAME: &'static __cqrs::str = "x";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < NoVersion > (& [], __cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < NoVersion > ::new().schema())
    }
};
::core::compile_error! {
    "an event has a name of its own, which stay when the type is renamed: write `#[event(name = \"no-name\", version = 7)]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for NoName {
        const NAME: &'static __cqrs::str = "no-name";
        const VERSION: __cqrs::u32 = 7u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < NoName > (& [], __cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < NoName > ::new().schema())
    }
};
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for Zero {
        const NAME: &'static __cqrs::str = "x";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < Zero > (& [], __cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < Zero > ::new().schema())
    }
};
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Event for Text {
        const NAME: &'static __cqrs::str = "x";
        const VERSION: __cqrs::u32 = 1u32;
        fn tags(&self, _: &mut __cqrs::Tags) {}
    }
    __cqrs::submit! {
        __cqrs::EventEntry::of:: < Text > (& [], __cqrs::Source { file : __cqrs::file!(),
        line : __cqrs::line!(), module : __cqrs::module_path!() }, "", || __cqrs::Probe::
        < Text > ::new().schema())
    }
};
::core::compile_error! {
    "an enum without variants holds no event: write one variant per event, `Created(ProductCreated)`"
}
::core::compile_error! {
    "the events in an enum have names and versions of their own: remove this"
}
::core::compile_error! {
    "unknown key `versoin`; known keys: `crate`"
}
::core::compile_error! {
    "a variant holds one event: write `A(TheEvent)`"
}
::core::compile_error! {
    "a variant holds one event: write `B(TheEvent)`"
}
::core::compile_error! {
    "a variant holds one event: write `C(TheEvent)`"
}
::core::compile_error! {
    "the event in a variant says this itself: remove it here"
}
::core::compile_error! {
    "the event in a variant says this itself: remove it here"
}
