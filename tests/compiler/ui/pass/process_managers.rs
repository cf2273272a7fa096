//! What steps take and return, and what names the types of a process manager may have.

#![deny(warnings)]

mod messages {
    use cqrs_core::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    pub struct OrderId(pub u32);

    impl std::fmt::Display for OrderId {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "order-placed", version = 1)]
    pub struct OrderPlaced {
        #[id(Order)]
        pub order: OrderId,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "order-changed", version = 1)]
    pub struct OrderChanged {
        #[id(Order)]
        pub order: OrderId,
        #[id(Customer, each)]
        pub customers: Vec<OrderId>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "payment-received", version = 1)]
    pub struct PaymentReceived {
        #[id(Order)]
        pub order: OrderId,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "payment-due", version = 1)]
    pub struct PaymentDue {
        #[id(Order)]
        pub order: OrderId,
    }

    #[derive(Debug, thiserror::Error, Serialize, Deserialize)]
    #[error("it is sold out")]
    pub struct SoldOut;

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(error = SoldOut)]
    pub struct ReserveStock {
        pub order: OrderId,
    }

    /// With an error that is not kept.
    #[derive(Debug, thiserror::Error)]
    #[error("no way")]
    pub struct NoWay;

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(error = NoWay)]
    pub struct ShipOrder {
        pub order: OrderId,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct CancelOrder {
        pub order: OrderId,
    }
}

mod usual {
    use std::time::Duration;

    use super::messages::*;
    use cqrs_core::prelude::*;

    #[derive(Default, Serialize, Deserialize)]
    pub struct Checkout {
        order: Option<OrderId>,
        since: Option<Timestamp>,
    }

    #[process_manager(name = "checkout", id(Order = OrderId), keep = "90d")]
    impl Checkout {
        const PATIENCE: Duration = Duration::from_secs(60);

        #[start]
        fn placed(&mut self, event: &OrderPlaced) -> (ReserveStock, Deadline<PaymentDue>) {
            let OrderPlaced { order } = *event;
            self.order = Some(order);
            let due = Deadline::after(PaymentDue { order }, Self::PATIENCE);
            (ReserveStock { order }, due)
        }

        #[on]
        pub(crate) fn changed<'a>(
            &mut self,
            _: &'a OrderChanged,
            recorded: &'a Recorded,
            &order: &'a OrderId,
        ) -> Result<Vec<CancelOrder>> {
            self.since = Some(recorded.meta.time);
            self.remember(order);
            Ok(vec![CancelOrder { order }])
        }

        #[on]
        fn paid(
            &mut self,
            event: &PaymentReceived,
            _: &OrderId,
        ) -> Option<(Cancel<PaymentDue>, ShipOrder)> {
            let order = event.order;
            Some((Cancel::new(), ShipOrder { order }))
        }

        #[due]
        fn late(&mut self, due: &PaymentDue) -> Result<(CancelOrder, End), NoWay> {
            let order = due.order;
            Ok((CancelOrder { order }, End))
        }

        #[rejected]
        fn sold_out(
            &mut self,
            command: &ReserveStock,
            SoldOut: &SoldOut,
            recorded: &Recorded,
        ) -> (CancelOrder, End) {
            self.since = Some(recorded.meta.time);
            let order = command.order;
            (CancelOrder { order }, End)
        }

        #[rejected]
        fn not_shipped(&mut self, _: &ShipOrder, _: &Rejected) -> Reschedule<PaymentDue> {
            Reschedule::after(Self::PATIENCE)
        }

        #[rejected]
        fn not_cancelled(&mut self, _: &CancelOrder, _: &Rejected) {}

        fn remember(&mut self, order: OrderId) {
            self.order = Some(order);
        }
    }
}

mod others {
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    pub struct Step {
        kind: u32,
    }

    #[cqrs_core::process_manager(name = "step", id("order" = super::messages::OrderId))]
    impl Step {
        #[start]
        fn steps(&mut self, event: &super::messages::OrderPlaced) -> cqrs_core::domain::End {
            self.kind = event.order.0;
            cqrs_core::domain::End
        }

        #[on]
        #[cfg(any())]
        fn process(&mut self, event: &Missing) {}

        #[on]
        #[cfg(not(any()))]
        fn r#move(&mut self, event: &super::messages::PaymentReceived) {
            self.kind = event.order.0;
        }
    }

    macro_rules! process_managers {
        ($($name:literal $ty:ident $id:ty),*) => {$(
            #[derive(Default, serde::Serialize, serde::Deserialize)]
            pub struct $ty;

            #[cqrs_core::process_manager(name = $name, id(Order = $id))]
            impl $ty {
                #[start]
                fn started(&mut self, _: &super::messages::OrderPlaced, _: &$id) {}
            }
        )*};
    }

    process_managers!("one" One super::messages::OrderId, "two" Two super::messages::OrderId);
}

fn main() {
    usual::Checkout::default();
    others::Step::default();
    let _ = (others::One, others::Two);
}
