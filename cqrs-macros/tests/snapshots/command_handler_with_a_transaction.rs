async fn sell(
    command: Sell,
    product: &Product,
    tx: &mut Tx<Postgres>,
) -> Result<Sold, CommandError<Rejected>> {
    Ok(Sold)
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
        const IS_ASYNC: __cqrs::bool = true;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([
                <Product as __cqrs::Borrowed<
                    Self::Command,
                    { __cqrs::key("product") },
                >>::describe(),
                <Tx<Postgres> as __cqrs::BorrowedMut>::describe(),
            ])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<Result<Sold, CommandError<Rejected>>>::new().emits()
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
            __cqrs::Reply::later(async move {
                <Result<
                    Sold,
                    CommandError<Rejected>,
                > as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(
                    sell(
                            command,
                            <Product as __cqrs::Borrowed<
                                Self::Command,
                                { __cqrs::key("product") },
                            >>::take(scope, 0usize)
                                .map_err(__cqrs::CommandError::failed)?,
                            <Tx<
                                Postgres,
                            > as __cqrs::BorrowedMut>::borrow(
                                &mut <Tx<Postgres> as __cqrs::BorrowedMut>::acquire(scope)
                                    .map_err(__cqrs::CommandError::failed)?,
                            ),
                        )
                        .await,
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::command:: < __Handler > ()
    }
};
