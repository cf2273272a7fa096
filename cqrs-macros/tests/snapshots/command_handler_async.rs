async fn r#move<'a>(
    Transfer { amount, .. }: Transfer,
    from_id: &'a Account,
    _to: &'a Account,
    (): Service<dyn for<'b> Rates<'b> + 'static>,
) -> Result<Moved<'a>, Error> {}
const _: () = {
    #[allow(unused_imports)]
    use cqrs::__private::{self as __cqrs, Fallback as _};
    enum __Handler {}
    impl __cqrs::CommandHandler for __Handler {
        type Command = Transfer;
        const NAME: &'static __cqrs::str = "move";
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const IS_ASYNC: __cqrs::bool = true;
        fn inputs() -> __cqrs::Vec<__cqrs::Input> {
            __cqrs::Vec::from([
                <Account as __cqrs::Borrowed<
                    Self::Command,
                    { __cqrs::key("from") },
                >>::describe(),
                <Account as __cqrs::Borrowed<
                    Self::Command,
                    { __cqrs::key("to") },
                >>::describe(),
                <Service<
                    dyn for<'b> Rates<'b> + 'static,
                > as __cqrs::CommandInput<
                    '_,
                    Self::Command,
                    { __cqrs::key("") },
                >>::describe(),
            ])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<Result<Moved<'_>, Error>>::new().emits()
        }
        fn load(command: &Self::Command, loads: &mut __cqrs::Loads) {
            <Account as __cqrs::Borrowed<
                Self::Command,
                { __cqrs::key("from") },
            >>::load(command, 0usize, loads);
            <Account as __cqrs::Borrowed<
                Self::Command,
                { __cqrs::key("to") },
            >>::load(command, 1usize, loads);
            <Service<
                dyn for<'b> Rates<'b> + 'static,
            > as __cqrs::CommandInput<
                '_,
                Self::Command,
                { __cqrs::key("") },
            >>::load(command, 2usize, loads);
        }
        fn handle<'a>(
            command: Self::Command,
            scope: &'a __cqrs::CommandScope<'a>,
        ) -> __cqrs::CommandReply<'a, Transfer> {
            __cqrs::Reply::later(async move {
                <Result<
                    Moved<'_>,
                    Error,
                > as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(
                    r#move(
                            command,
                            <Account as __cqrs::Borrowed<
                                Self::Command,
                                { __cqrs::key("from") },
                            >>::take(scope, 0usize)
                                .map_err(__cqrs::CommandError::failed)?,
                            <Account as __cqrs::Borrowed<
                                Self::Command,
                                { __cqrs::key("to") },
                            >>::take(scope, 1usize)
                                .map_err(__cqrs::CommandError::failed)?,
                            <Service<
                                dyn for<'b> Rates<'b> + 'static,
                            > as __cqrs::CommandInput<
                                '_,
                                Self::Command,
                                { __cqrs::key("") },
                            >>::take(scope, 2usize)
                                .map_err(__cqrs::CommandError::failed)?,
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
