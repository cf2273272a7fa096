use quote::quote;

use super::expect;
use crate::projection;

#[test]
fn projection_of_events() {
    let item = quote! {
        impl ProductList {
            #[on]
            fn created(
                event: &ProductCreated,
                recorded: &Recorded,
                views: &mut Views<ProductView>,
            ) -> Result<()> {
                if cfg!(feature = "audit") {
                    views.audit();
                }
                Ok(())
            }

            #[on]
            #[cfg(feature = "prices")]
            async fn r#move<'a>(event: &'a Repriced, views: &'a mut Views<ProductView>) {}

            #[on]
            fn ignored(_: &Ignored) {}

            fn helper() {
                #[cfg(not(test))]
                log();
            }
        }
    };
    expect(
        "projection",
        projection::attribute(quote!(name = "products", version = 3), item),
    );
}

#[test]
fn projection_with_tables() {
    let item = quote! {
        impl Sales {
            #[setup]
            async fn tables(tx: &mut Tx<Postgres>) -> Result<()> {
                Ok(())
            }

            #[on]
            async fn sold(event: &Sold, tx: &mut Tx<Postgres>) -> Result<()> {
                Ok(())
            }
        }
    };
    expect(
        "projection_with_tables",
        projection::attribute(quote!(name = "sales", version = 1), item),
    );
}

#[test]
fn partitioned_projection() {
    let item = quote! {
        impl Orders {
            #[on]
            fn placed(event: &OrderPlaced, views: &mut Views<OrderCard>) {}
        }
    };
    expect(
        "partitioned_projection",
        projection::attribute(
            quote!(name = "orders", version = 1, partition = Order),
            item,
        ),
    );
}
