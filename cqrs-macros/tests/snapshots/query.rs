const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for GetProductById {
        type Output = Option<HashMap<String, ProductView>>;
        type Handler = __cqrs::QueryFn<GetProductById>;
        const NAME: &'static __cqrs::str = "GetProductById";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(
            "catalog:read",
        );
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<GetProductById>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::QueryFn<GetProductById>> {
            static CELL: __cqrs::HandlerCell<__cqrs::QueryFn<GetProductById>> = __cqrs::HandlerCell::new();
            &CELL
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < GetProductById > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < GetProductById > ::new().schema()).with_fields(&
        [__cqrs::Field::new("product_id", "ProductId", "")]).with_outcome(||
        __cqrs::Probe:: < Option < HashMap < String, ProductView > > > ::new().outcome())
    }
};
