::core::compile_error! {
    "a read model has a key: mark the field that identifies a view with `#[key]`"
}
::core::compile_error! {
    "a read model's name has only `a-z`, `0-9` and `_` in it: write `#[read_model(name = \"..\")]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::ReadModel for Named {
        type Key = u8;
        const NAME: &'static __cqrs::str = "No Name";
        const INDEXES: &'static [&'static __cqrs::str] = &[];
        fn key(&self) -> &u8 {
            &self.id
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::vec![]
        }
    }
};
::core::compile_error! {
    "a read model's name has only `a-z`, `0-9` and `_` in it: write `#[read_model(name = \"..\")]`"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::ReadModel for Größe {
        type Key = u8;
        const NAME: &'static __cqrs::str = "größe";
        const INDEXES: &'static [&'static __cqrs::str] = &[];
        fn key(&self) -> &u8 {
            &self.id
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::vec![]
        }
    }
};
::core::compile_error! {
    "`#[key]` takes no arguments: write `#[key]`"
}
::core::compile_error! {
    "`#[index]` is given twice: keep one"
}
::core::compile_error! {
    "a read model has one `#[key]`: remove the others"
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::ReadModel for Twice {
        type Key = u8;
        const NAME: &'static __cqrs::str = "twice";
        const INDEXES: &'static [&'static __cqrs::str] = &["c"];
        fn key(&self) -> &u8 {
            &self.a
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::vec![__cqrs::SortKey::of:: < u8 > (& self.c)]
        }
    }
    #[allow(dead_code)]
    impl Twice {
        ///The index on `c`.
        const C: __cqrs::Index<Twice, u8> = __cqrs::Index::at(0usize);
    }
};
