/// Decides.
#[tracing::instrument]
pub(crate) fn create_product(
    cmd: CreateProduct,
    product: &Product,
    mailer: Service<dyn Mailer>,
) -> Result<ProductCreated, CatalogError> {
    ensure!(! product.exists, CatalogError::AlreadyExists(cmd.product_id));
    Ok(ProductCreated {
        product_id: cmd.product_id,
    })
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    enum __Handler {}
    impl __cqrs::CommandHandler for __Handler {
        type Command = CreateProduct;
        const NAME: &'static __cqrs::str = "create_product";
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
                <Service<
                    dyn Mailer,
                > as __cqrs::CommandInput<
                    '_,
                    Self::Command,
                    { __cqrs::key("mailer") },
                >>::describe(),
            ])
        }
        fn emits() -> __cqrs::Vec<&'static __cqrs::str> {
            __cqrs::Probe::<Result<ProductCreated, CatalogError>>::new().emits()
        }
        fn load(command: &Self::Command, loads: &mut __cqrs::Loads) {
            <Product as __cqrs::Borrowed<
                Self::Command,
                { __cqrs::key("product") },
            >>::load(command, 0usize, loads);
            <Service<
                dyn Mailer,
            > as __cqrs::CommandInput<
                '_,
                Self::Command,
                { __cqrs::key("mailer") },
            >>::load(command, 1usize, loads);
        }
        fn handle<'a>(
            command: Self::Command,
            scope: &'a __cqrs::CommandScope<'a>,
        ) -> __cqrs::CommandReply<'a, CreateProduct> {
            __cqrs::Reply::now(|| {
                <Result<
                    ProductCreated,
                    CatalogError,
                > as __cqrs::IntoDecision<
                    Self::Command,
                >>::into_decision(
                    create_product(
                        command,
                        <Product as __cqrs::Borrowed<
                            Self::Command,
                            { __cqrs::key("product") },
                        >>::take(scope, 0usize)
                            .map_err(__cqrs::CommandError::failed)?,
                        <Service<
                            dyn Mailer,
                        > as __cqrs::CommandInput<
                            '_,
                            Self::Command,
                            { __cqrs::key("mailer") },
                        >>::take(scope, 1usize)
                            .map_err(__cqrs::CommandError::failed)?,
                    ),
                )
            })
        }
    }
    __cqrs::submit! {
        __cqrs::HandlerEntry::command:: < __Handler > ().with_docs("Decides.")
    }
};
