const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::ReadModel for ProductView {
        type Key = ProductId;
        const NAME: &'static __cqrs::str = "product_view";
        const FIELDS: &'static [__cqrs::Field] = &[
            __cqrs::Field::new("id", "ProductId", ""),
            __cqrs::Field::new("name", "String", ""),
            __cqrs::Field::new("current_price", "Decimal", ""),
            __cqrs::Field::new("type", "Option<String>", ""),
        ];
        const INDEXES: &'static [&'static __cqrs::str] = &["current_price", "type"];
        const INDEX_TYPES: &'static [&'static __cqrs::str] = &[
            "Decimal",
            "Option<String>",
        ];
        const FINGERPRINT: __cqrs::u64 = 4206824754452949760u64;
        fn schemas() -> __cqrs::Option<__cqrs::Schemas> {
            __cqrs::Probe::<ProductView>::new().schemas()
        }
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
