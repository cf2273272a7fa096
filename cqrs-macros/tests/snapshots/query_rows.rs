const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::Query for ListOrders {
        type Output = Orders;
        type Handler = __cqrs::QueryFn<ListOrders>;
        const NAME: &'static __cqrs::str = "ListOrders";
        const PERMISSION: __cqrs::Option<&'static __cqrs::str> = __cqrs::None;
        #[inline]
        fn check(&self) -> __cqrs::Result<(), __cqrs::Invalid> {
            __cqrs::Probe::<ListOrders>::new().check(self)
        }
        #[inline]
        fn cell() -> &'static __cqrs::HandlerCell<__cqrs::QueryFn<ListOrders>> {
            static CELL: __cqrs::HandlerCell<__cqrs::QueryFn<ListOrders>> = __cqrs::HandlerCell::new();
            &CELL
        }
        const ROWS: __cqrs::Option<fn() -> __cqrs::Vec<__cqrs::RowRule>> = __cqrs::Some(||
        __cqrs::Vec::from([
            __cqrs::RowRule::of(own_orders),
            __cqrs::RowRule::of(crate::bills::own_bills),
        ]));
    }
    __cqrs::submit! {
        __cqrs::MessageEntry::query:: < ListOrders > (__cqrs::Source { file :
        __cqrs::file!(), line : __cqrs::line!(), module : __cqrs::module_path!() }, "",
        || __cqrs::Probe:: < ListOrders > ::new().schema()).with_outcome(||
        __cqrs::Probe:: < Orders > ::new().outcome())
    }
};
