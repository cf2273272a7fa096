use quote::quote;

use super::expect;
use crate::aggregate;

#[test]
fn aggregate_from_events() {
    let item = quote! {
        impl Product {
            const LIMIT: u32 = { 3 };

            #[apply]
            fn created(&mut self, event: &ProductCreated) {
                self.exists = true;
            }

            /// At what price.
            #[apply]
            #[cfg(feature = "prices")]
            fn r#move<'a>(&'a mut self, event: &'a events::Repriced, recorded: &Recorded) {
                self.price = event.new_price;
            }

            pub(crate) async fn other(&self) -> u32 {
                Self::LIMIT
            }
        }
    };
    expect(
        "aggregate",
        aggregate::attribute(quote!(id = ProductId), item),
    );
}

#[test]
fn aggregate_with_snapshots() {
    let item = quote! {
        impl Account {
            #[apply]
            fn opened(&mut self, _: &Opened) {}
        }
    };
    expect(
        "aggregate_snapshots",
        aggregate::attribute(
            quote!(
                id = AccountId,
                snapshot_every = 100,
                permission = "account:read"
            ),
            item,
        ),
    );
}

#[test]
fn aggregate_of_several_ids() {
    let item = quote! {
        impl Subscription {
            #[apply]
            fn subscribed(&mut self, _: &StudentSubscribed) {
                self.exists = true;
            }

            #[apply]
            fn unsubscribed(&mut self, _: &StudentUnsubscribed, recorded: &Recorded) {
                self.exists = false;
            }
        }
    };
    let args = quote!(ids(Student = StudentId, school::Course = CourseId));
    expect("aggregate_ids", aggregate::attribute(args, item));
}

#[test]
fn aggregate_that_keeps_its_state() {
    let args = quote!(
        id = AccountId,
        name = "account",
        storage = "state",
        crate = "my::cqrs"
    );
    let item = quote! {
        #[allow(clippy::all)]
        impl billing::BillingAccount {
            #![doc = "Inner."]
            #[apply]
            fn opened(&mut self, _: &Opened) {}
        }
    };
    expect("aggregate_state", aggregate::attribute(args, item));
}
