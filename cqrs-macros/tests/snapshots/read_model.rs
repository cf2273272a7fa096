const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::ReadModel for ProductView {
        type Key = ProductId;
        const NAME: &'static __cqrs::str = "product_view";
        const INDEXES: &'static [&'static __cqrs::str] = &["current_price", "type"];
        const FINGERPRINT: __cqrs::u64 = 4206824754452949760u64;
        fn key(&self) -> &ProductId {
            &self.id
        }
        fn sort_keys(&self) -> __cqrs::Vec<__cqrs::SortKey> {
            __cqrs::Vec::from([
                __cqrs::SortKey::of::<Decimal>(&self.current_price),
                __cqrs::SortKey::of::<Option<String>>(&self.r#type),
            ])
        }
    }
    #[allow(dead_code)]
    impl ProductView {
        ///The index on `current_price`.
        pub const CURRENT_PRICE: __cqrs::Index<ProductView, Decimal> = __cqrs::Index::at(
            0usize,
        );
        ///The index on `type`.
        const TYPE: __cqrs::Index<ProductView, Option<String>> = __cqrs::Index::at(
            1usize,
        );
    }
};
