impl Checkout {
    const PATIENCE: Duration = minutes(30);
    fn placed(&mut self, event: &OrderPlaced) -> (ReserveStock, Deadline<PaymentDue>) {
        self.order = event.order;
    }
    /// A customer has paid.
    #[cfg(feature = "payments")]
    fn r#move<'a>(
        &'a mut self,
        event: &'a payments::Received,
        id: &OrderId,
        recorded: &Recorded,
    ) -> Result<(Cancel<PaymentDue>, ShipOrder), Error> {}
    fn late(&mut self, _: &PaymentDue) -> End {
        End
    }
    fn refused(&mut self, _: &ReserveStock, reason: &StockError) {}
    fn total(&self) -> u64 {
        self.total
    }
}
const _: () = {
    #[allow(unused_imports)]
    use ::cqrs_core::__private::{self as __cqrs, Fallback as _};
    impl __cqrs::ProcessManager for Checkout {
        type Id = OrderId;
        const NAME: &'static __cqrs::str = "checkout";
        const KEY: &'static __cqrs::str = "order";
        const FINGERPRINT: __cqrs::u64 = __cqrs::conditional_fingerprint(
            9694228110926816722u64,
            &[__cqrs::cfg!(feature = "payments")],
        );
        const SOURCE: __cqrs::Source = __cqrs::Source {
            file: __cqrs::file!(),
            line: __cqrs::line!(),
            module: __cqrs::module_path!(),
        };
        const KEEP: __cqrs::Option<__cqrs::Duration> = __cqrs::Some(
            __cqrs::Duration::from_secs(7776000u64),
        );
        fn steps() -> __cqrs::Vec<__cqrs::Step<Self>> {
            let mut steps: __cqrs::Vec<__cqrs::Step<Self>> = __cqrs::Vec::new();
            steps
                .push(__cqrs::Step {
                    name: "placed",
                    line: __cqrs::line!(),
                    kind: __cqrs::StepKind::Start,
                    event: __cqrs::Some(
                        <OrderPlaced as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::TYPE,
                    ),
                    effects: <(
                        ReserveStock,
                        Deadline<PaymentDue>,
                    ) as __cqrs::IntoStep>::kinds,
                    run: |process, scope| {
                        let event = <OrderPlaced as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::decode(scope.recorded())?;
                        <(
                            ReserveStock,
                            Deadline<PaymentDue>,
                        ) as __cqrs::IntoStep>::into_effects(process.placed(&event))
                    },
                });
            #[cfg(feature = "payments")]
            steps
                .push(__cqrs::Step {
                    name: "move",
                    line: __cqrs::line!(),
                    kind: __cqrs::StepKind::On,
                    event: __cqrs::Some(
                        <payments::Received as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::TYPE,
                    ),
                    effects: <Result<
                        (Cancel<PaymentDue>, ShipOrder),
                        Error,
                    > as __cqrs::IntoStep>::kinds,
                    run: |process, scope| {
                        let event = <payments::Received as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::decode(scope.recorded())?;
                        let id = <payments::Received as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::concerned(&event, scope.tag())
                            .map(
                                <<payments::Received as __cqrs::Correlated<
                                    { __cqrs::key("order") },
                                    OrderId,
                                    Self,
                                >>::Id as __cqrs::CorrelationId<
                                    Self,
                                    OrderId,
                                    payments::Received,
                                >>::id_of,
                            );
                        <Result<
                            (Cancel<PaymentDue>, ShipOrder),
                            Error,
                        > as __cqrs::IntoStep>::into_effects(
                            process
                                .r#move(
                                    &event,
                                    <&OrderId as __cqrs::StepInput<
                                        '_,
                                        OrderId,
                                        Self,
                                    >>::take(scope.recorded(), id)?,
                                    <&Recorded as __cqrs::StepInput<
                                        '_,
                                        OrderId,
                                        Self,
                                    >>::take(scope.recorded(), id)?,
                                ),
                        )
                    },
                });
            steps
                .push(__cqrs::Step {
                    name: "late",
                    line: __cqrs::line!(),
                    kind: __cqrs::StepKind::Due,
                    event: __cqrs::Some(
                        <PaymentDue as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::TYPE,
                    ),
                    effects: <End as __cqrs::IntoStep>::kinds,
                    run: |process, scope| {
                        let event = <PaymentDue as __cqrs::Correlated<
                            { __cqrs::key("order") },
                            OrderId,
                            Self,
                        >>::decode(scope.recorded())?;
                        <End as __cqrs::IntoStep>::into_effects(process.late(&event))
                    },
                });
            steps
                .push(__cqrs::Step {
                    name: "refused",
                    line: __cqrs::line!(),
                    kind: __cqrs::StepKind::Rejected {
                        command: <ReserveStock as __cqrs::RejectedCommand>::NAME,
                        reason: <StockError as __cqrs::RejectionReason>::save,
                    },
                    event: __cqrs::None,
                    effects: <() as __cqrs::IntoStep>::kinds,
                    run: |process, scope| {
                        let command = <ReserveStock as __cqrs::RejectedCommand>::take(
                            scope,
                        )?;
                        let reason = <StockError as __cqrs::RejectionReason>::take(
                            scope,
                        )?;
                        <() as __cqrs::IntoStep>::into_effects(
                            process.refused(&command, &reason),
                        )
                    },
                });
            steps
        }
    }
    impl<'a> __cqrs::StepInput<'a, OrderId, Checkout> for &'a OrderId {
        fn take(
            recorded: &'a __cqrs::Recorded,
            id: __cqrs::Option<Self>,
        ) -> __cqrs::Result<Self, __cqrs::Error> {
            __cqrs::correlated(recorded, id)
        }
    }
    const _: () = {
        let _ = <OrderPlaced as __cqrs::Correlated<
            { __cqrs::key("order") },
            OrderId,
            Checkout,
        >>::SEVERAL;
        <<OrderPlaced as __cqrs::Correlated<
            { __cqrs::key("order") },
            OrderId,
            Checkout,
        >>::Id as __cqrs::CorrelationId<Checkout, OrderId, OrderPlaced>>::FITS
    };
    #[cfg(feature = "payments")]
    const _: () = {
        let _ = <payments::Received as __cqrs::Correlated<
            { __cqrs::key("order") },
            OrderId,
            Checkout,
        >>::SEVERAL;
        <<payments::Received as __cqrs::Correlated<
            { __cqrs::key("order") },
            OrderId,
            Checkout,
        >>::Id as __cqrs::CorrelationId<Checkout, OrderId, payments::Received>>::FITS
    };
    const _: () = {
        __cqrs::assert!(
            ! < PaymentDue as __cqrs::Correlated < { __cqrs::key("order") }, OrderId,
            Checkout > > ::SEVERAL,
            "`PaymentDue` may have several ids of the process manager's kind, and a deadline belongs to one instance: give its event one `#[id(..)]` of that"
        );
        <<PaymentDue as __cqrs::Correlated<
            { __cqrs::key("order") },
            OrderId,
            Checkout,
        >>::Id as __cqrs::CorrelationId<Checkout, OrderId, PaymentDue>>::FITS
    };
    const _: () = {
        let _ = <ReserveStock as __cqrs::RejectedCommand>::NAME;
        let _ = <StockError as __cqrs::RejectionReason>::save;
        <StockError as __cqrs::ReasonOf<
            ReserveStock,
            <StockError as __cqrs::RejectionReason>::For<
                <ReserveStock as __cqrs::RejectedCommand>::Error,
            >,
        >>::FITS
    };
    __cqrs::submit! {
        __cqrs::ProcessEntry::of:: < Checkout > ().with_schemas(|| __cqrs::Probe:: <
        Checkout > ::new().schemas())
    }
};
