impl Bare {}
::core::compile_error! {
    "a projection has a name and a version, which name its checkpoint: write `#[projection(name = \"bare\", version = 1)]`"
}
::core::compile_error! {
    "a projection folds events: mark the functions that do so with `#[on]`, `#[on] fn created(event: &ProductCreated, views: &mut Views<ProductView>) { .. }`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projects for Bare {
        const NAME: &'static __cqrs::str = "bare";
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            __cqrs::vec![]
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < Bare > ()
    }
};
impl Named {
    fn a(a: &A) {}
}
::core::compile_error! {
    "`version` takes a whole number from 1: write `version = 1`"
}
::core::compile_error! {
    "a projection's name has only `a-z`, `0-9`, `_` and `-` in it"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projects for Named {
        const NAME: &'static __cqrs::str = "named";
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            __cqrs::vec![
                __cqrs::Fold { name : "a", line : __cqrs::line!(), event : < A as
                __cqrs::Event > ::NAME, inputs : __cqrs::vec![], run : | recorded, _ |
                __cqrs::Folded::now(|| { let event = recorded.decode:: < A > () ?; < ()
                as __cqrs::Completion > ::complete(Self::a(& event,)) }), }
            ]
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < Named > ()
    }
};
struct List;
::core::compile_error! {
    "`#[projection]` belongs on an `impl` block: `impl TheType { .. }`"
}
impl List {
    fn good(event: &Good) {}
    fn again(event: &Good) {}
    fn with_self(&self, event: &A) {}
    fn by_value(event: B) {}
    fn by_mut(event: &mut B) {}
    fn nothing() {}
    fn conditional(event: &C, #[cfg(a)] a: &Recorded) -> impl Is {}
}
::core::compile_error! {
    "`good` and `again` both take `Good`: an event has one `#[on]`, so merge them"
}
::core::compile_error! {
    "an `#[on]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method borrows its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method takes its event: write `event: &ProductCreated`"
}
::core::compile_error! {
    "an `#[on]` method has no `self`: what it writes is in `views: &mut Views<V>`"
}
::core::compile_error! {
    "an `#[on]` method takes the same inputs always: put the `cfg` on the method"
}
::core::compile_error! {
    "the wiring names the types of an `#[on]` method: write the type instead of `impl ..`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::Projects for List {
        const NAME: &'static __cqrs::str = "a";
        const VERSION: __cqrs::u32 = 1u32;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn folds() -> __cqrs::Vec<__cqrs::Fold> {
            __cqrs::vec![
                __cqrs::Fold { name : "good", line : __cqrs::line!(), event : < Good as
                __cqrs::Event > ::NAME, inputs : __cqrs::vec![], run : | recorded, _ |
                __cqrs::Folded::now(|| { let event = recorded.decode:: < Good > () ?; <
                () as __cqrs::Completion > ::complete(Self::good(& event,)) }), }
            ]
        }
    }
    __cqrs::submit! {
        __cqrs::ProjectionEntry::of:: < List > ()
    }
};
