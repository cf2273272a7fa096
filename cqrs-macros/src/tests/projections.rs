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
                Ok(())
            }

            #[on]
            #[cfg(feature = "prices")]
            async fn r#move<'a>(event: &'a Repriced, views: &'a mut Views<ProductView>) {}

            #[on]
            fn ignored(_: &Ignored) {}

            fn helper() {}
        }
    };
    expect(
        "projection",
        projection::attribute(quote!(name = "products", version = 3), item),
    );
}
