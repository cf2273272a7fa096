use proc_macro2::TokenStream;
use quote::quote;

use super::{expect, expect_errors};
use crate::process_manager;

#[test]
fn expansion() {
    let item = quote! {
        impl Checkout {
            const PATIENCE: Duration = minutes(30);

            #[start]
            fn placed(&mut self, event: &OrderPlaced) -> (ReserveStock, Deadline<PaymentDue>) {
                self.order = event.order;
            }

            /// A customer has paid.
            #[on]
            #[cfg(feature = "payments")]
            fn r#move<'a>(
                &'a mut self,
                event: &'a payments::Received,
                id: &OrderId,
                recorded: &Recorded,
            ) -> Result<(Cancel<PaymentDue>, ShipOrder), Error> {}

            #[due]
            fn late(&mut self, _: &PaymentDue) -> End {
                End
            }

            #[rejected]
            fn refused(&mut self, _: &ReserveStock, reason: &StockError) {}

            fn total(&self) -> u64 {
                self.total
            }
        }
    };
    let args = quote!(name = "checkout", id(Order = OrderId), keep = "90d");
    expect("process_manager", process_manager::attribute(args, item));
}

#[test]
fn arguments() {
    let start = quote!(impl Checkout { #[start] fn placed(&mut self, event: &OrderPlaced) {} });
    let args = [
        TokenStream::new(),
        quote!(name = "orders"),
        quote!(id(Order = OrderId)),
        quote!(name = "checkout", id = sales::OrderId),
        quote!(name = "checkout", id = u32),
        quote!(name = "checkout", id),
        quote!(name = "checkout", id()),
        quote!(name = "checkout", id(Order)),
        quote!(name = "checkout", id(5 = OrderId)),
        quote!(
            name = "checkout",
            id(Order = OrderId, Customer = CustomerId)
        ),
        quote!(name = "checkout", ids(Order = OrderId)),
        quote!(name = "a b", id(Order = OrderId), keep = "30"),
        quote!(name = 5, id(Order = OrderId), keep = 30, kep = 1),
        quote!(
            name = "checkout",
            id(Order = OrderId),
            keep = "d",
            crate = 1
        ),
    ];
    let items = args.map(|args| process_manager::attribute(args, start.clone()));
    expect_errors("process_manager_arguments", quote!(#(#items)*));
}

#[test]
fn blocks() {
    let args = quote!(name = "checkout", id(Order = OrderId));
    let blocks = [
        quote!(
            struct Checkout;
        ),
        quote!(impl Checkout {}),
        quote!(
            impl<T> Checkout<T> {
                #[start]
                fn a(&mut self, a: &A) {}
            }
        ),
        quote!(impl Default for Checkout { #[start] fn a(&mut self, a: &A) {} }),
        quote!(impl [Checkout] { #[start] fn a(&mut self, a: &A) {} }),
    ];
    let items = blocks.map(|item| process_manager::attribute(args.clone(), item));
    expect_errors("process_manager_blocks", quote!(#(#items)*));
}

#[test]
fn steps() {
    let item = quote! {
        impl Checkout {
            #[start]
            fn good(&mut self, event: &Good) {}
            #[on]
            fn again(&mut self, event: &Good) {}
            #[start]
            #[on]
            fn two_marks(&mut self, event: &A) {}
            #[on(x)]
            async fn is_async(&mut self, event: &B) {}
            #[on]
            fn shared(&self, event: &C) {}
            #[on]
            fn without_self(event: &D) {}
            #[on]
            fn owns(self, event: &D) {}
            #[due]
            fn by_value(&mut self, event: E) {}
            #[due]
            fn without_event(&mut self) {}
            #[on]
            fn with_more(&mut self, event: &F, id: &OrderId, recorded: &Recorded, more: u8) {}
            #[on]
            unsafe fn generic<T>(&mut self, event: &G, recorded: &impl Is) -> impl Effects {}
            #[on]
            fn conditional(&mut self, event: &H, #[cfg(a)] id: &OrderId) {}
            #[apply]
            fn folds(&mut self, event: &I) {}
            #[on]
            #[cfg(a)]
            fn one_way(&mut self, event: &J) {}
            #[due]
            #[cfg(not(a))]
            fn other_way(&mut self, event: &J) {}
        }
    };
    let args = quote!(name = "checkout", id(Order = OrderId));
    expect_errors(
        "process_manager_steps",
        process_manager::attribute(args, item),
    );
}

#[test]
fn rejections() {
    let item = quote! {
        impl Checkout {
            #[start]
            fn start(&mut self, event: &Good) {}
            #[rejected]
            fn good(&mut self, command: &Good, reason: &GoodError) {}
            #[rejected]
            fn again(&mut self, command: &Good, reason: &Rejected) {}
            #[rejected]
            fn without_reason(&mut self, command: &A) {}
            #[rejected]
            fn without_command(&mut self) {}
            #[rejected]
            fn by_value(&mut self, command: B, reason: &BError) {}
            #[rejected]
            fn reason_by_value(&mut self, command: &C, reason: CError) {}
            #[rejected]
            fn opaque(&mut self, command: &D, reason: &impl Error) {}
            #[rejected]
            fn with_more(&mut self, command: &E, reason: &EError, id: &Id, a: &A, b: &B) {}
        }
    };
    let args = quote!(name = "checkout", id(Order = OrderId));
    expect_errors(
        "process_manager_rejections",
        process_manager::attribute(args, item),
    );
}
