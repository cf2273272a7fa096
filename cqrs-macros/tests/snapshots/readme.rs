fn change(
    ChangePrice { id, price }: ChangePrice,
    product: &Product,
) -> Result<Priced, Rejected> {
    ensure!(product.0.is_some(), "there is no such product");
    Ok(Priced { id, price })
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    enum __Handler {}
    impl __cqrs::CommandHandler for __Handler {
        type Command = ChangePrice;
        const NAME: &'static __cqrs::str = "change";
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
            ])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<Result<Priced, Rejected>>::new().emits()
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
        ) -> __cqrs::CommandReply<'a, ChangePrice> {
            __cqrs::Reply::now(|| {
                <Result<
                    Priced,
                    Rejected,
                > as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(
                    change(
                        command,
                        <Product as __cqrs::Borrowed<
                            Self::Command,
                            { __cqrs::key("product") },
                        >>::take(scope, 0usize)
                            .map_err(__cqrs::CommandError::failed)?,
                    ),
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::command:: < __Handler > ()
    }
};
