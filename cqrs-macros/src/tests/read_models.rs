use quote::quote;

use super::expect;
use crate::errors::derive;
use crate::read_model::ReadModelItem;

#[test]
fn read_model() {
    let item = quote! {
        pub struct ProductView {
            #[key]
            pub id: ProductId,
            pub name: String,
            #[index]
            pub current_price: Decimal,
            #[index]
            r#type: Option<String>,
        }
    };
    expect("read_model", derive(item, ReadModelItem::read));
}

#[test]
fn read_model_without_index() {
    let item = quote! {
        #[read_model(name = "people", crate = "crate::cqrs")]
        struct Person {
            #[key]
            r#ref: String,
        }
    };
    expect("read_model_plain", derive(item, ReadModelItem::read));
}
