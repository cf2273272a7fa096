const _: () = {
    #[allow(unused_imports)]
    use crate::cqrs::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::ReadModel for Person {
        type Key = String;
        const NAME: &'static __cqrs::str = "people";
        const FIELDS: &'static [__cqrs::Field] = &[
            __cqrs::Field::new("ref", "String", ""),
        ];
        const INDEXES: &'static [&'static __cqrs::str] = &[];
        const INDEX_TYPES: &'static [&'static __cqrs::str] = &[];
        const FINGERPRINT: __cqrs::u64 = 7839933449372556328u64;
        fn schemas() -> __cqrs::Option<__cqrs::Schemas> {
            __cqrs::Probe::<Person>::new().schemas()
        }
        fn key(&self) -> &String {
            &self.r#ref
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::Vec::from([])
        }
    }
};
