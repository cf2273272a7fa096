const _: () = {
    #[allow(unused_imports)]
    use crate::cqrs::__private as __cqrs;
    impl __cqrs::ReadModel for Person {
        type Key = String;
        const NAME: &'static __cqrs::str = "people";
        const INDEXES: &'static [&'static __cqrs::str] = &[];
        const FINGERPRINT: __cqrs::u64 = 7839933449372556328u64;
        fn key(&self) -> &String {
            &self.r#ref
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::Vec::from([])
        }
    }
};
