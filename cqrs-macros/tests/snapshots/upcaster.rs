fn price_set_v1(old: PriceSetV1) -> PriceSet {
    PriceSet { cents: old.euros * 100 }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Upcaster {}
    impl __cqrs::Upcaster for __Upcaster {
        type Old = PriceSetV1;
        const EVENT: &'static __cqrs::str = "price-set";
        const FROM: __cqrs::u32 = 1u32;
        const NAME: &'static __cqrs::str = "price_set_v1";
        const FINGERPRINT: __cqrs::u64 = 6833884315744975117u64;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn upcast(old: Self::Old) -> __cqrs::UpcastResult {
            __cqrs::upcast_to_event::<PriceSet>(price_set_v1(old))
        }
    }
    __cqrs::submit! {
        __cqrs::UpcasterEntry::of:: < __Upcaster > ()
    }
};
