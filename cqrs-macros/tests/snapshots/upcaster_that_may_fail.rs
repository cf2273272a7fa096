pub fn price_set_v1(
    PriceSetV1 { euros }: PriceSetV1,
) -> Result<Option<PriceSet>, TooMuch> {
    PriceSet::of_euros(euros)
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    enum __Upcaster {}
    impl __cqrs::Upcaster for __Upcaster {
        type Old = PriceSetV1;
        const EVENT: &'static __cqrs::str = "price-set";
        const FROM: __cqrs::u32 = 2u32;
        const NAME: &'static __cqrs::str = "price_set_v1";
        const FINGERPRINT: __cqrs::u64 = 1028383007571141066u64;
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        fn upcast(old: Self::Old) -> __cqrs::UpcastResult {
            __cqrs::upcast_to_result::<
                _,
                TooMuch,
            >(price_set_v1(old), __cqrs::upcast_to_option::<PriceSet>)
        }
    }
    __cqrs::submit! {
        __cqrs::UpcasterEntry::of:: < __Upcaster > ()
    }
};
