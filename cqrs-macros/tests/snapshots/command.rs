const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Command for CreateProduct {
        type Error = CatalogError;
        type Handler = __cqrs::CommandFn<CreateProduct>;
        const NAME: &'static __cqrs::str = "CreateProduct";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::Some(
            "catalog:write",
        );
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<CreateProduct>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::CommandFn<CreateProduct>> {
            static CELL: __cqrs::HandlerCell<__cqrs::CommandFn<CreateProduct>> = __cqrs::HandlerCell::new();
            &CELL
        }
        fn rejection(error: &CatalogError) -> __cqrs::Option<__cqrs::Value> {
            __cqrs::Probe::<CatalogError>::new().json(error)
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        const __ROLE: __cqrs::u64,
        __Expected,
        __A,
    > __cqrs::HasId<{ __cqrs::key("product") }, __Expected, __ROLE, __A>
    for CreateProduct {
        type Id = ProductId;
        fn id(&self) -> &ProductId {
            &self.product_id
        }
    }
    #[diagnostic::do_not_recommend]
    impl<
        const __ROLE: __cqrs::u64,
        __Expected,
        __A,
    > __cqrs::HasId<{ __cqrs::key("billing-account") }, __Expected, __ROLE, __A>
    for CreateProduct {
        type Id = AccountId;
        fn id(&self) -> &AccountId {
            &self.account
        }
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::command:: < CreateProduct > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() },
        "Adds a product.\n\n    code", || __cqrs::Probe:: < CreateProduct > ::new()
        .schema()).with_fields(& [__cqrs::Field::new("product_id", "ProductId", "")
        .of("product"), __cqrs::Field::new("account", "AccountId", "")
        .of("billing-account"), __cqrs::Field::new("type", "String", "")])
        .with_outcome(|| __cqrs::Probe:: < CatalogError > ::new().outcome())
    }
};
