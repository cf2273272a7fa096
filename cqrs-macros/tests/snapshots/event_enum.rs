const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private as __cqrs;
    impl __cqrs::IntoEvents for Restocked {
        fn names(names: &mut __cqrs::Vec<&'static __cqrs::str>) {
            <StockAdded as __cqrs::IntoEvents>::names(names);
            <StockFilled as __cqrs::IntoEvents>::names(names);
        }
        fn record(
            self,
            events: &mut __cqrs::NewEvents,
        ) -> __cqrs::Result<(), __cqrs::Error> {
            match self {
                Self::Partly(event) => {
                    <StockAdded as __cqrs::IntoEvents>::record(event, events)
                }
                Self::r#Fully(event) => {
                    <StockFilled as __cqrs::IntoEvents>::record(event, events)
                }
            }
        }
    }
};
