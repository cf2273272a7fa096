use proc_macro2::TokenStream;
use quote::quote;

use super::expect;
use crate::{command_handler, event_handler, query_handler, upcast};

#[test]
fn sync_command_handler() {
    let item = quote! {
        /// Decides.
        #[tracing::instrument]
        pub(crate) fn create_product(
            cmd: CreateProduct,
            product: &Product,
            mailer: Service<dyn Mailer>,
        ) -> Result<ProductCreated, CatalogError> {
            ensure!(!product.exists, CatalogError::AlreadyExists(cmd.product_id));
            Ok(ProductCreated { product_id: cmd.product_id })
        }
    };
    expect(
        "command_handler",
        command_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn async_command_handler_with_lifetimes() {
    let item = quote! {
        async fn r#move<'a>(
            Transfer { amount, .. }: Transfer,
            from_id: &'a Account,
            _to: &'a Account,
            (): Service<dyn for<'b> Rates<'b> + 'static>,
        ) -> Result<Moved<'a>, Error> {}
    };
    expect(
        "command_handler_async",
        command_handler::attribute(quote!(crate = "cqrs"), item),
    );
}

/// The README shows this one.
#[test]
fn command_handler_of_the_readme() {
    let item = quote!(
        fn change(
            ChangePrice { id, price }: ChangePrice,
            product: &Product,
        ) -> Result<Priced, Rejected> {
            ensure!(product.0.is_some(), "there is no such product");
            Ok(Priced { id, price })
        }
    );
    expect(
        "readme",
        command_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn command_handler_with_a_transaction() {
    let item = quote! {
        async fn sell(
            command: Sell,
            product: &Product,
            tx: &mut Tx<Postgres>,
        ) -> Result<Sold, CommandError<Rejected>> {
            Ok(Sold)
        }
    };
    expect(
        "command_handler_with_a_transaction",
        command_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn command_handler_with_writes() {
    let item = quote! {
        fn sell(command: Sell, product: &Product, writes: &mut Writes<Postgres>) -> Sold {
            Sold
        }
    };
    expect(
        "command_handler_with_writes",
        command_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn command_handler_of_the_command_alone() {
    let item = quote!(
        fn command(_: Ping) {}
    );
    expect(
        "command_handler_alone",
        command_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn sync_query_handler() {
    let item = quote! {
        fn product_by_id(query: GetProductById, context: &Context) -> Option<ProductView> {
            None
        }
    };
    expect(
        "query_handler",
        query_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn async_query_handler() {
    let item = quote! {
        async fn product_by_id(
            query: GetProductById,
            views: Read<ProductView>,
        ) -> Result<Option<ProductView>> {
            views.get(&query.product_id).await
        }
    };
    expect(
        "query_handler_async",
        query_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn sync_event_handler() {
    let item = quote!(
        fn log(event: ProductCreated, recorded: &Recorded) {}
    );
    expect(
        "event_handler",
        event_handler::attribute(quote!(start = "now"), item),
    );
}

#[test]
fn async_event_handler() {
    let item = quote! {
        async fn announce(event: ProductCreated, mailer: Service<dyn Mailer>) -> Result<()> {
            mailer.announce(&event.name).await
        }
    };
    expect(
        "event_handler_async",
        event_handler::attribute(TokenStream::new(), item),
    );
}

#[test]
fn event_handler_that_parks() {
    let item = quote!(
        fn reserve(event: OrderPlaced) {}
    );
    expect(
        "event_handler_that_parks",
        event_handler::attribute(quote!(partition = Order, on_failure = "park"), item),
    );
}

#[test]
fn an_upcaster() {
    let item = quote! {
        fn price_set_v1(old: PriceSetV1) -> PriceSet {
            PriceSet { cents: old.euros * 100 }
        }
    };
    expect(
        "upcaster",
        upcast::attribute(quote!(event = "price-set", from = 1), item),
    );
}

#[test]
fn an_upcaster_that_may_fail_or_leave_an_event_out() {
    let item = quote! {
        pub fn price_set_v1(PriceSetV1 { euros }: PriceSetV1) -> Result<Option<PriceSet>, TooMuch> {
            PriceSet::of_euros(euros)
        }
    };
    expect(
        "upcaster_that_may_fail",
        upcast::attribute(quote!(event = "price-set", from = 2), item),
    );
}
