fn sell(command: Sell, product: &Product, writes: &mut Writes<Postgres>) -> Sold {
    Sold
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    enum __Handler {}
    impl __cqrs::CommandHandler for __Handler {
        type Command = Sell;
        const NAME: &'static __cqrs::str = "sell";
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const IS_ASYNC: __cqrs::bool = false;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([
                <Product as __cqrs::Borrowed<
                    Self::Command,
                    { __cqrs::key("product") },
                >>::describe(),
                <Writes<Postgres> as __cqrs::BorrowedMut>::describe(),
            ])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<Sold>::new().emits()
        }
        fn load(command: &Self::Command, loads: &mut __cqrs::Loads) {
            <Product as __cqrs::Borrowed<
                Self::Command,
                { __cqrs::key("product") },
            >>::load(command, 0usize, loads);
        }
        fn handle<'a>(
            command: Self::Command,
            scope: &'a __cqrs::CommandScope<'a>,
        ) -> __cqrs::CommandReply<'a, Sell> {
            __cqrs::Reply::now(|| {
                <Sold as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(
                    sell(
                        command,
                        <Product as __cqrs::Borrowed<
                            Self::Command,
                            { __cqrs::key("product") },
                        >>::take(scope, 0usize)
                            .map_err(__cqrs::CommandError::failed)?,
                        <Writes<
                            Postgres,
                        > as __cqrs::BorrowedMut>::borrow(
                            &mut <Writes<
                                Postgres,
                            > as __cqrs::BorrowedMut>::acquire(scope)
                                .map_err(__cqrs::CommandError::failed)?,
                        ),
                    ),
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::command:: < __Handler > ()
    }
};
