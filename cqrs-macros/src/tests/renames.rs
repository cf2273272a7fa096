//! Items with another name than the one under which they are stored.

use quote::quote;

use super::{expect, expect_errors};
use crate::{aggregate, event_handler, process_manager, projection, upcast};

#[test]
fn renamed_items() {
    let expansions = [
        aggregate::attribute(
            quote!(id = u32, was = ["product"]),
            quote! {
                impl Item {
                    #[apply]
                    fn listed(&mut self, _: &ItemListed) {}
                }
            },
        ),
        projection::attribute(
            quote!(name = "items", was = ["products"], version = 1),
            quote! {
                impl ItemList {
                    #[on]
                    fn listed(_: &ItemListed) {}
                }
            },
        ),
        process_manager::attribute(
            quote!(name = "listing", was = ["offer"], id(Item = u32)),
            quote! {
                impl Listing {
                    #[start]
                    fn listed(&mut self, _: &ItemListed) {}
                }
            },
        ),
        event_handler::attribute(
            quote!(was = ["announce_product"]),
            quote! {
                fn announce_item(_: ItemListed) {}
            },
        ),
    ];
    expect("renamed", expansions.into_iter().collect());
}

#[test]
fn earlier_names() {
    let item = quote! {
        impl Items {
            #[on]
            #[apply]
            #[start]
            fn listed(_: &ItemListed) {}
        }
    };
    for (name, expansion) in [
        (
            "earlier_names_of_a_projection",
            projection::attribute(
                quote!(name = "items", was = ["items", "all products"], version = 1),
                item.clone(),
            ),
        ),
        (
            "earlier_names_of_an_aggregate",
            aggregate::attribute(quote!(id = u32, was = ["a:b", "items"]), item.clone()),
        ),
        (
            "earlier_names_of_a_process_manager",
            process_manager::attribute(quote!(name = "items", id(Item = u32), was = 5), item),
        ),
    ] {
        expect_errors(name, expansion);
    }
}

#[test]
fn upcasters_to_several_events() {
    let expansions = [
        quote!(Vec<PriceSet>),
        quote!((PriceSet, PriceSet)),
        quote!(Result<Option<[PriceSet; 2]>>),
        quote!(()),
        quote!(Option<Option<PriceSet>>),
    ]
    .map(|returned| {
        let item = quote!(
            fn price_set_v1(old: PriceSetV1) -> #returned {}
        );
        upcast::attribute(quote!(event = "price-set", from = 1), item)
    });
    expect_errors(
        "upcasters_to_several_events",
        expansions.into_iter().collect(),
    );
}
